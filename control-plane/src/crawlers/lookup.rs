//! Lookups: each runs by itself, for all who wait for it, and tells what it found to the verifier's memory.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::dns::Confirmation;
use super::memory::{Key, Known};
use super::{LookupLabel, TROUBLE_KEEP_S, Verifier};

/// A lookup that runs.
#[derive(Clone)]
pub(super) struct Lookup {
    pub(super) told: watch::Receiver<Option<Known>>,
    /// Whether claims are pending meanwhile; else its address has had too many of these.
    pub(super) is_waited_for: bool,
}

/// Why no lookup begins.
#[derive(Clone, Copy)]
pub(super) enum Full {
    /// Too many run.
    Busy,
    /// One for another name of the same address runs, and it has claimed too many.
    Crowded,
}

impl Full {
    /// The name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Crowded => "crowded",
        }
    }

    /// For people.
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Busy => "too many lookups run at once",
            Self::Crowded => {
                "the name servers are slow, and this address has claimed to be too many crawlers"
            }
        }
    }
}

/// A lookup under way; its place is free again when it ends, however it ends.
pub(super) struct Run {
    pub(super) verifier: Arc<Verifier>,
    pub(super) key: Key,
    pub(super) told: watch::Sender<Option<Known>>,
    /// Held until the end.
    pub(super) _slot: OwnedSemaphorePermit,
}

impl Run {
    pub(super) async fn look(self, ip: IpAddr, now_ms: u64) {
        let Some(Ok(dns)) = &self.verifier.dns else { return };
        let config = &self.verifier.config;
        let found = dns.confirm(ip, self.key.suffixes).await;
        let (outcome, keep_s) = match &found {
            Confirmation::Confirmed(_) => ("confirmed", config.keep_s),
            Confirmation::Refuted(_) => ("refuted", config.failed_keep_s),
            Confirmation::Unsettled(_) => ("unsettled", config.failed_keep_s),
            Confirmation::Trouble(why) => {
                tracing::debug!(why, "a crawler could not be verified");
                ("trouble", TROUBLE_KEEP_S)
            }
        };
        let until_ms = now_ms.saturating_add(u64::from(keep_s) * 1000);
        let known = Known { found, since_ms: now_ms, until_ms };
        self.verifier.lookups.get_or_create(&LookupLabel { outcome }).inc();
        self.verifier.state().memory.put(self.key, known.clone());
        self.told.send_replace(Some(known));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.verifier.state().running.remove(&self.key);
    }
}
