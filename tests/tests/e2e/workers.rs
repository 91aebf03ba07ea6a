//! Workers share what they know of a client.

use sallyport_e2e::harness::Plan;
use sallyport_e2e::visitor::Visitor;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_one_clients_state() {
    let policy = json!({
        "enforcement": "enforce", "consult": "never",
        "rate_limit": {
            "address": { "per_second": 0.01, "burst": 30 }, "client": { "per_second": 100.0, "burst": 500 }
        },
    });
    let gate = Plan::with_policy(policy).workers(2).start_alone().await;
    let visitor = Visitor::chrome("198.51.100.30");
    let mut limited = 0;
    for _ in 0..80 {
        // A connection of its own each time: the kernel spreads them over the workers.
        let request = visitor.get(&gate.client, &gate.url("/about")).header("connection", "close");
        limited += u32::from(request.send().await.unwrap().status() == 429);
    }
    let connections =
        gate.envoy.stats("listener_manager.worker|worker_[01].*cx_active|worker_[01].downstream_cx_total");
    let both = connections.iter().filter(|(name, count)| name.contains("cx_total") && **count > 0).count();
    assert_eq!(both, 2, "the connections did not reach both workers: {connections:?}");
    assert!((48..=50).contains(&limited), "{limited} of 80 were limited, 30 allowed");
}
