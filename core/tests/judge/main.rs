//! The judge as its users meet it.
#![expect(clippy::expect_used, reason = "tests")]

mod answers;
mod assets;
mod door;
mod edges;
mod engine;
mod evidence;
mod gates;
mod hosts;
mod people;
mod records;
mod sessions;
mod site;
mod softened;
mod subjects;
mod user_agents;
