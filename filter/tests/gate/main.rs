//! The filter's logic on an in-memory proxy.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the message"
)]

mod answers;
mod config;
mod consult;
mod exchange;
mod fake;
mod gather;
mod house;
mod limits;
mod machine;
mod marks;
mod newcomers;
mod observe;
mod reply;
mod request;
mod state;
mod sync;
