//! `--verify`: asks name servers and published ranges whether crawlers are who they claim to be, each address once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_core::{AgentVerdict, KnownCrawler};
use tokio::runtime::{Builder, Runtime};

use crate::clock::unix_ms;
use crate::config::CrawlersConfig;
use crate::crawlers::{CrawlerRanges, Verifier};

/// How many claims are remembered; further ones stay unverified.
const MOST_CLAIMS: usize = 100_000;

/// Verifies the crawlers of a log until its time is over.
pub(super) struct Verification {
    runtime: Runtime,
    verifier: Arc<Verifier>,
    found: HashMap<(&'static str, IpAddr), AgentVerdict>,
    /// What is left of the time to ask.
    left: Duration,
    unasked: u64,
}

impl Verification {
    /// One that waits for `time` in all.
    ///
    /// # Errors
    /// If there is no room for a runtime.
    pub(super) fn new(
        config: &CrawlersConfig,
        ranges: CrawlerRanges,
        time: Duration,
    ) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let verifier = Arc::new(Verifier::new(config));
        verifier.set_ranges(ranges);
        Ok(Self { runtime, verifier, found: HashMap::new(), left: time, unasked: 0 })
    }

    /// Whether an address is the crawler that its user agent claims; `None` where there is no time left to ask.
    pub(super) fn verdict(
        &mut self,
        crawler: &'static KnownCrawler,
        user_agent: &[u8],
        address: IpAddr,
    ) -> Option<AgentVerdict> {
        let key = (crawler.name, address);
        if let Some(verdict) = self.found.get(&key) {
            return Some(*verdict);
        }
        let verdict = self.ask(user_agent, address);
        match verdict {
            Some(verdict) => drop(self.found.insert(key, verdict)),
            None => self.unasked += 1,
        }
        verdict
    }

    fn ask(&mut self, user_agent: &[u8], address: IpAddr) -> Option<AgentVerdict> {
        if self.left.is_zero() || self.found.len() >= MOST_CLAIMS {
            return None;
        }
        let started = Instant::now();
        let (verifier, left) = (Arc::clone(&self.verifier), self.left);
        let asking = async { verifier.find_out(user_agent, address, unix_ms()).await };
        let finding = self.runtime.block_on(async { tokio::time::timeout(left, asking).await });
        self.left = self.left.saturating_sub(started.elapsed());
        finding.ok().flatten().map(|finding| finding.verdict)
    }

    /// Requests of claimed crawlers that stayed unverified.
    pub(super) fn unasked(&self) -> u64 {
        self.unasked
    }
}
