//! Real processes for the scenarios: Envoy with the filter, the control plane, the sample site. Builders start
//! them and wait until they answer; dropping ends them by id. A failing scenario prints what they were doing.
//!
//! The binaries come from `SALLYPORT_ENVOY`, `SALLYPORT_WASM`, `SALLYPORT_BIN` and `SALLYPORT_REDIS_SERVER`, which `cargo xtask test` sets.

mod binaries;
mod checkpoints;
mod control_plane;
mod envoy;
mod eventually;
mod fleet;
mod gate;
mod name_server;
mod ports;
mod redis;
mod site;
mod tap;

pub use binaries::{control_plane_binary, envoy_binary, filter_wasm, redis_binary};
pub use control_plane::ControlPlane;
pub use envoy::{Envoy, EnvoyConfig};
pub use eventually::eventually;
pub use fleet::Fleet;
pub use gate::{Gate, Plan};
pub use name_server::{NameServer, Names};
pub use ports::unused_port;
pub use redis::Redis;
pub use site::Site;
pub use tap::Tap;
