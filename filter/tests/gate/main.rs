//! The filter's logic on an in-memory proxy.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the message"
)]

mod agents;
mod agreement;
mod answers;
mod assets;
mod config;
mod consult;
mod exchange;
mod fake;
mod full_tables;
mod gather;
mod house;
mod issued;
mod limits;
mod machine;
mod marks;
mod newcomers;
mod observe;
mod reply;
mod request;
mod sessions;
mod sign_ins;
mod softened;
mod state;
mod sync;
