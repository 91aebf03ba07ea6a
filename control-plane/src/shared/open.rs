//! Bringing shared state up, and agreeing with the other replicas on the key of all keyed hashes.

use std::sync::Arc;

use super::redis::Redis;
use super::{Fallback, Memory, SharedError, SharedState};
use crate::config::Config;

/// The hash key for a database: the one it has; else the configured one, that of the replicas in Redis, or a new one.
///
/// # Errors
/// When the configuration is wrong, or contradicts the database. A Redis that cannot be asked now is none: then the
/// replicas may turn out to have another key, and [`SharedState::health`] says so.
pub async fn choose_hash_key(config: &Config, kept: Option<[u8; 16]>) -> Result<[u8; 16], SharedError> {
    match (kept, config.secrets.hash_key_bytes()) {
        (Some(kept), Some(configured)) if kept != configured => {
            let message = "secrets.hash_key is not the key of this database: leave it out, or start with an empty \
                database";
            Err(SharedError(message.to_owned()))
        }
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) => {
            let candidate = fresh()?;
            match redis(config)? {
                Some(redis) => Ok(redis.agree_on_key(candidate).await.unwrap_or(candidate)),
                None => Ok(candidate),
            }
        }
    }
}

/// Opens what is configured: Redis with memory beside it, or memory alone. The first attempt to connect has been made
/// when this returns.
///
/// # Errors
/// When the configuration is wrong. A Redis that cannot be used now, or whose replicas have another hash key, is none.
pub async fn open(config: &Config, hash_key: [u8; 16]) -> Result<Arc<dyn SharedState>, SharedError> {
    let Some(mut redis) = redis(config)? else { return Ok(Arc::new(Memory::default())) };
    redis.join(hash_key).await;
    Ok(Arc::new(Fallback::new(redis)))
}

fn redis(config: &Config) -> Result<Option<Redis>, SharedError> {
    let is_configured = !config.redis.url.is_empty();
    is_configured.then(|| Redis::new(&config.redis, config.secrets.redis_password.reveal())).transpose()
}

fn fresh() -> Result<[u8; 16], SharedError> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| SharedError(format!("no random bytes: {error}")))?;
    Ok(key)
}
