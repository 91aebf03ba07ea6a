//! Redis while it can be used, memory while it cannot.
//!
//! What is counted in memory meanwhile is not carried over: rates, suspicions and fading counts go on in Redis from
//! what was there. Values, claims and quotas are noted in memory all along, so that what this process has learned,
//! claimed or drawn it still knows when Redis is gone, and what it claimed meanwhile is not given away again.

use tokio::sync::broadcast;

use super::redis::Redis;
use super::{
    Answer, Charge, Fading, Memory, Notice, Numbered, SetRecord, SharedHealth, SharedState, Suspicion,
};

/// Both, Redis first.
pub struct Fallback {
    redis: Redis,
    memory: Memory,
}

impl Fallback {
    /// Asks memory while this cannot be used.
    pub fn new(redis: Redis) -> Self {
        Self { redis, memory: Memory::default() }
    }

    #[cfg(test)]
    pub(super) fn redis(&self) -> &Redis {
        &self.redis
    }
}

impl SharedState for Fallback {
    fn charge<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Vec<u64>> {
        Box::pin(async move {
            match self.redis.charge(charges).await {
                Err(_) => self.memory.charge(charges).await,
                shared => shared,
            }
        })
    }

    fn suspect<'a>(&'a self, suspicions: &'a [Suspicion], keep_s: u32) -> Answer<'a, Vec<u32>> {
        Box::pin(async move {
            match self.redis.suspect(suspicions, keep_s).await {
                Err(_) => self.memory.suspect(suspicions, keep_s).await,
                shared => shared,
            }
        })
    }

    fn suspicion(&self, session: u64) -> Answer<'_, u32> {
        Box::pin(async move {
            match self.redis.suspicion(session).await {
                Err(_) => self.memory.suspicion(session).await,
                shared => shared,
            }
        })
    }

    fn clear_suspicion(&self, session: u64) -> Answer<'_, bool> {
        Box::pin(async move {
            let here = self.memory.clear_suspicion(session).await;
            Ok(self.redis.clear_suspicion(session).await.unwrap_or(false) || here?)
        })
    }

    fn fade<'a>(&'a self, events: &'a [Fading]) -> Answer<'a, Vec<f32>> {
        Box::pin(async move {
            match self.redis.fade(events).await {
                Err(_) => self.memory.fade(events).await,
                shared => shared,
            }
        })
    }

    fn cached<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            match self.redis.cached(name).await {
                Err(_) => self.memory.cached(name).await,
                shared => shared,
            }
        })
    }

    fn keep<'a>(&'a self, name: &'a str, bytes: Vec<u8>, keep_s: u32) -> Answer<'a, ()> {
        Box::pin(async move {
            self.memory.keep(name, bytes.clone(), keep_s).await?;
            // Kept here at least.
            drop(self.redis.keep(name, bytes, keep_s).await);
            Ok(())
        })
    }

    fn claim<'a>(&'a self, name: &'a str, keep_s: u32) -> Answer<'a, bool> {
        Box::pin(async move {
            if !self.memory.claim(name, keep_s).await? {
                return Ok(false);
            }
            Ok(self.redis.claim(name, keep_s).await.unwrap_or(true))
        })
    }

    fn draw<'a>(&'a self, quota: &'a str, limit: u32, now_ms: u64) -> Answer<'a, bool> {
        Box::pin(async move {
            if !self.memory.draw(quota, limit, now_ms).await? {
                return Ok(false);
            }
            Ok(self.redis.draw(quota, limit, now_ms).await.unwrap_or(true))
        })
    }

    fn agree<'a>(&'a self, name: &'a str, value: Vec<u8>) -> Answer<'a, Option<Vec<u8>>> {
        self.redis.agree(name, value)
    }

    fn number_snapshot(&self, digest: [u8; 32], above: u64) -> Answer<'_, Option<Numbered>> {
        self.redis.number_snapshot(digest, above)
    }

    fn latest_snapshot(&self) -> Answer<'_, Option<Numbered>> {
        self.redis.latest_snapshot()
    }

    fn put_records<'a>(&'a self, set: &'a str, records: &'a [SetRecord]) -> Answer<'a, u64> {
        self.redis.put_records(set, records)
    }

    fn records_since<'a>(&'a self, set: &'a str, revision: u64) -> Answer<'a, (u64, Vec<SetRecord>)> {
        self.redis.records_since(set, revision)
    }

    fn tell(&self, notice: Notice) {
        self.redis.tell(notice);
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.redis.notices()
    }

    fn health(&self) -> SharedHealth {
        self.redis.health()
    }
}
