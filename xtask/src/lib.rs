//! What the chores and the end-to-end harness share: finding Envoy, rendering its configs, starting
//! processes that end with their owner, and asking them whether they are ready. Plain std, no async.

pub mod child;
pub mod http;
pub mod ports;
pub mod template;
pub mod tools;
pub mod workspace;
