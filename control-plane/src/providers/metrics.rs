//! What is counted of lookups. No label names an address.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::Reputation;
use super::breaker::State;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    provider: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabel {
    provider: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabel {
    cache: &'static str,
}

impl State {
    /// Its name in answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

impl Reputation {
    /// Adds everything that is counted to a registry; nothing where no provider is configured.
    pub fn register(&self, registry: &mut Registry, now_ms: u64) {
        let Some(desk) = &self.desk else { return };
        let lookups = Family::<LookupLabels, Counter>::default();
        let breakers = Family::<ProviderLabel, Gauge>::default();
        let quotas = Family::<ProviderLabel, Gauge>::default();
        let pauses = Family::<ProviderLabel, Gauge>::default();
        for line in &desk.lines {
            let status = line.status(now_ms);
            let provider = status.name;
            for (outcome, count) in line.outcomes() {
                lookups.get_or_create(&LookupLabels { provider, outcome: outcome.name() }).inc_by(count);
            }
            let label = ProviderLabel { provider };
            breakers.get_or_create(&label).set(status.breaker as i64);
            quotas.get_or_create(&label).set(status.quota_left.into());
            pauses.get_or_create(&label).set(i64::try_from(status.paused_s).unwrap_or(i64::MAX));
        }
        registry.register("reputation_lookups", "Lookups of addresses, by how they ended", lookups);
        let help = "Circuit breaker of a provider: 0 closed, 1 half open, 2 open";
        registry.register("reputation_breaker", help, breakers);
        registry.register("reputation_quota_left", "Lookups left today, as far as is known here", quotas);
        registry.register("reputation_pause_seconds", "How long a provider is not asked yet", pauses);
        let counts = &desk.counts;
        let hits = Family::<CacheLabel, Counter>::default();
        for (cache, counter) in [("memory", &counts.memory_hits), ("shared", &counts.shared_hits)] {
            hits.get_or_create(&CacheLabel { cache }).inc_by(counter.get());
        }
        registry.register("reputation_cache_hits", "Addresses that were known already", hits);
        for (name, help, counter) in [
            ("reputation_kept", "Addresses that were not told to a provider", &counts.kept),
            ("reputation_busy", "Lookups not begun because too many were under way", &counts.busy),
        ] {
            registry.register(name, help, ConstCounter::new(counter.get()));
        }
        let gauge = |value: usize| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register("reputation_pending", "Lookups under way", gauge(desk.under_way()));
        let held = usize::try_from(desk.held()).unwrap_or(usize::MAX);
        registry.register("reputation_addresses", "Addresses held in memory", gauge(held));
    }
}
