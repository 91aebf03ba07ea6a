//! The judge as its users meet it.
#![expect(clippy::expect_used, reason = "tests")]

mod answers;
mod engine;
mod gates;
mod records;
