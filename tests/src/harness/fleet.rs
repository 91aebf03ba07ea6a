//! Two control planes, each with a database of its own, and an Envoy before each, on one Redis.

use super::{Gate, Plan, Redis};

/// They end when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    /// An Envoy with its control plane, twice.
    pub gates: [Gate; 2],
    /// What the control planes share.
    pub redis: Redis,
}

impl Fleet {
    /// Starts all of it and waits until both control planes reach Redis and both filters have a snapshot.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(plan: &Plan) -> Self {
        let redis = Redis::start();
        let plan = plan.clone().section("redis", redis.section());
        let gates = [plan.clone().start_with_control_plane().await, plan.start_with_control_plane().await];
        for gate in &gates {
            gate.control().until_ready().await;
        }
        Self { gates, redis }
    }
}
