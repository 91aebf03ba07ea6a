//! Reputation of addresses by providers: IPQualityScore, AbuseIPDB.
//!
//! A decision reads what is [`Known`] in memory and never waits for a provider. Where a decision lies between the
//! monitor and block thresholds and nothing is known, the address is looked up in the background, for the next request
//! of it. Who is asked, and how often, is bounded: by what the operator lets out, one lookup per address at a time,
//! caches, a quota per day, concurrency, time, and a circuit breaker.
//!
//! Providers know whole addresses, so a whole IPv6 address is what one is asked about. What it answers is kept for the
//! /64, as everything else here: whoever holds one address of it holds them all, and would else cost a lookup each.

mod abuseipdb;
mod breaker;
mod desk;
mod disclosure;
mod flights;
mod http;
mod ip_reputation;
mod ipqualityscore;
mod known;
mod line;
mod metrics;
mod provider;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sallyport_core::{Action, Basis, Decision};
use serde::Serialize;
use utoipa::ToSchema;

use self::desk::Desk;
use self::line::Line;
use crate::config::{ProviderName, ReputationConfig, Secrets};
use crate::fetch::Client;
use crate::shared::SharedState;

pub use abuseipdb::AbuseIpdb;
pub use flights::Flight;
pub use ip_reputation::{IpReputation, Source};
pub use ipqualityscore::IpQualityScore;
pub use known::Known;
pub use provider::{Answer, LookupError, Provider};

/// Reputation by providers; does nothing where none is configured.
pub struct Reputation {
    known: Arc<Known>,
    desk: Option<Arc<Desk>>,
    wait: Duration,
}

/// What became of an address that a decision may want to know more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Considered {
    /// There is nothing to wait for.
    Settled,
    /// It was looked up while the answer waited: judge again.
    Learnt,
    /// A lookup is under way: what is decided now should not be kept longer than this, in seconds.
    Pending(u32),
}

/// How a provider is doing.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProviderStatus {
    /// Its name.
    pub name: &'static str,
    /// The circuit breaker: `closed` (all is well), `half_open` (one trial passes), `open` (it is left alone).
    pub breaker: &'static str,
    /// Lookups per UTC day.
    pub daily_quota: u32,
    /// How many are left today; where replicas share the quota, what the others drew shows only once nothing is left.
    pub quota_left: u32,
    /// How long it is not asked because it said so or refused the key, in seconds.
    pub paused_s: u64,
    /// Why the latest lookup failed; `null` after one that did not.
    pub last_error: Option<String>,
}

impl Reputation {
    /// Sets up what is configured; `known` is what the detector reads.
    pub fn start(
        config: &ReputationConfig,
        secrets: &Secrets,
        client: &Client,
        shared: Arc<dyn SharedState>,
        known: Arc<Known>,
    ) -> Self {
        let provider = |name: &ProviderName| -> (Box<dyn Provider>, u32) {
            match name {
                ProviderName::IpQualityScore => {
                    let (of, key) = (&config.ipqualityscore, &secrets.ipqualityscore_key);
                    let adapter = IpQualityScore::new(client.clone(), of.clone(), key.clone());
                    (Box::new(adapter), of.daily_quota)
                }
                ProviderName::AbuseIpdb => {
                    let (of, key) = (&config.abuseipdb, &secrets.abuseipdb_key);
                    (Box::new(AbuseIpdb::new(client.clone(), of.clone(), key.clone())), of.daily_quota)
                }
            }
        };
        let providers = config.providers.iter().map(provider).collect();
        Self::with_providers(config, providers, shared, known)
    }

    /// Sets up with these providers, each with its quota per day, asked in this order until one answers.
    pub fn with_providers(
        config: &ReputationConfig,
        providers: Vec<(Box<dyn Provider>, u32)>,
        shared: Arc<dyn SharedState>,
        known: Arc<Known>,
    ) -> Self {
        let line = |(provider, daily_quota)| Line::new(provider, desk::line_config(config, daily_quota));
        let lines: Vec<Line> = providers.into_iter().map(line).collect();
        let wait = Duration::from_millis(config.wait_ms.into());
        let desk = (!lines.is_empty()).then(|| Desk::new(config, lines, shared, Arc::clone(&known)));
        Self { known, desk, wait }
    }

    /// What is known of an address's keyed hash in memory.
    pub fn known(&self, address: u64, now_ms: u64) -> Option<IpReputation> {
        self.known.held(address, now_ms).flatten()
    }

    /// Looks an address up in the background if that can change anything: nothing is known, and the decision rests on
    /// a score that reaches the monitor threshold but does not block already. Waits no longer than `wait_ms`.
    pub async fn consider(&self, ip: IpAddr, address: u64, decision: &Decision, now_ms: u64) -> Considered {
        let is_open = matches!(decision.action, Action::Monitor | Action::Challenge);
        if !is_open || decision.basis != Basis::Score {
            return Considered::Settled;
        }
        let Some((desk, flight)) = self.seek(ip, address, now_ms) else { return Considered::Settled };
        if self.wait.is_zero() {
            return Considered::Pending(desk.hold_s());
        }
        match tokio::time::timeout(self.wait, flight.ended()).await {
            Ok(Ok(_)) => Considered::Learnt,
            Ok(Err(_)) => Considered::Settled,
            Err(_) => Considered::Pending(desk.hold_s()),
        }
    }

    /// Starts a lookup or joins one, where nothing is known yet and the address may be told.
    fn seek(&self, ip: IpAddr, address: u64, now_ms: u64) -> Option<(&Arc<Desk>, Flight)> {
        let desk = self.desk.as_ref()?;
        if self.known.held(address, now_ms).is_some() {
            desk.counts.memory_hits.inc();
            return None;
        }
        desk.look_up(ip, address, now_ms).ok().map(|flight| (desk, flight))
    }

    /// What is known of an address here or by other replicas; asks no provider.
    pub async fn recall(&self, address: u64, now_ms: u64) -> Option<IpReputation> {
        match (self.known(address, now_ms), &self.desk) {
            (None, Some(desk)) => desk.recall(address, now_ms).await,
            (known, _) => known,
        }
    }

    /// Asks anew, whatever is known; joins a lookup that is under way.
    ///
    /// # Errors
    /// Why it could not be asked, or did not answer. What was known stays.
    pub async fn refresh(&self, ip: IpAddr, address: u64, now_ms: u64) -> Result<IpReputation, LookupError> {
        let desk = self.desk.as_ref().ok_or(LookupError::Disabled)?;
        desk.refresh(ip, address, now_ms)?.ended().await
    }

    /// How the providers are doing, in the order in which they are asked.
    pub fn status(&self, now_ms: u64) -> Vec<ProviderStatus> {
        let lines = self.desk.iter().flat_map(|desk| &desk.lines);
        lines
            .map(|line| {
                let status = line.status(now_ms);
                ProviderStatus {
                    name: status.name,
                    breaker: status.breaker.name(),
                    daily_quota: status.daily_quota,
                    quota_left: status.quota_left,
                    paused_s: status.paused_s,
                    last_error: status.last_error.map(|error| error.to_string()),
                }
            })
            .collect()
    }
}
