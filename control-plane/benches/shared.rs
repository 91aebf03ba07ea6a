//! What shared state costs: `cargo bench -p sallyport --bench shared`. Redis is measured where redis-server is there.
#![expect(clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sallyport::config::{RedisConfig, Secret};
use sallyport::shared::{Charge, Memory, Redis, SharedState};
use tokio::runtime::Runtime;

#[expect(dead_code, reason = "tests use the rest")]
#[path = "../tests/redis_server/mod.rs"]
mod redis_server;
use redis_server::RedisServer;

/// Charges in a batch: one, what an Envoy worker sends in 100 ms, and the most.
const BATCHES: [u64; 3] = [1, 100, 1_000];

/// Clients that are charged in turn.
const CLIENTS: u64 = 20_000;

fn charges(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    batches(c, "memory", &runtime, &Memory::default());
    if redis_server::found().is_none() {
        eprintln!("no redis-server, so only memory is measured");
        return;
    }
    let server = RedisServer::start();
    let config = RedisConfig { url: Secret::from(server.url().as_str()), ..RedisConfig::default() };
    let redis = runtime.block_on(async {
        let mut redis = Redis::new(&config, "").expect("sound");
        redis.join([7; 16]).await;
        redis
    });
    assert!(redis.health().is_shared, "{:?}", redis.health());
    batches(c, "redis", &runtime, &redis);
}

fn batches(c: &mut Criterion, name: &str, runtime: &Runtime, state: &dyn SharedState) {
    let mut group = c.benchmark_group(format!("charge in {name}"));
    for size in BATCHES {
        let mut next = 0;
        group.throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                let charge = |n: u64| Charge {
                    rule: 1,
                    key: ((next + n) % CLIENTS).wrapping_mul(0x9E37_79B9_7F4A_7C15),
                    cost_us: 200_000,
                    least_us: 0,
                    most_us: 10_000_000,
                };
                let batch: Vec<_> = (0..size).map(charge).collect();
                next += size;
                black_box(runtime.block_on(state.charge(&batch)).expect("charged"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, charges);
criterion_main!(benches);
