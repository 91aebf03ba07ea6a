//! Redis for tests: a real server, or somebody who only looks like one.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Redis;
#[path = "../../../tests/redis_server/mod.rs"]
mod redis_server;
pub(crate) use redis_server::RedisServer;

use crate::config::{Config, RedisConfig, Secret};

/// The key of replicas that belong together.
pub(crate) const KEY: [u8; 16] = [7; 16];

/// A configuration that waits long, so that a busy machine fails no test.
pub(crate) fn patient(url: &str) -> RedisConfig {
    RedisConfig {
        url: Secret::from(url),
        connect_timeout_ms: 10_000,
        response_timeout_ms: 10_000,
        ..RedisConfig::default()
    }
}

/// The same as a whole.
pub(crate) fn patient_config(url: &str) -> Config {
    Config { redis: patient(url), ..Config::default() }
}

/// Joined to the server, which must be usable.
pub(crate) async fn joined(server: &RedisServer) -> Redis {
    let redis = join(&patient(&server.url()), "").await;
    assert_eq!(redis.link.trouble(), None);
    redis
}

/// Joined, or tried to.
pub(crate) async fn join(config: &RedisConfig, password: &str) -> Redis {
    let mut redis = Redis::new(config, password).expect("a sound configuration");
    redis.join(KEY).await;
    redis
}

/// A server that says the same to every command, or nothing.
pub(crate) struct Parrot {
    port: u16,
    task: AbortHandle,
}

impl Parrot {
    pub(crate) async fn saying(word: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut heard = vec![0; 1 << 16];
                    while let Ok(bytes @ 1..) = stream.read(&mut heard).await {
                        // A command begins with `*` on a line of its own; the first one is at the start.
                        let commands =
                            heard[..bytes].windows(3).filter(|start| start == b"\r\n*").count() + 1;
                        if stream.write_all(word.repeat(commands).as_bytes()).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { port, task: task.abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Parrot {
    fn drop(&mut self) {
        self.task.abort();
    }
}
