//! The filter's logic on an in-memory proxy.

mod fake;
mod gather;
mod reply;
mod state;
