//! The judge as its users meet it.
#![expect(clippy::expect_used, reason = "tests")]

mod engine;
mod gates;
mod hosts;
mod records;
