//! What is counted, in the OpenMetrics text format. No label ever names a client.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use sallyport_core::policy::ListAction;
use sallyport_core::{Action, FEATURE_NAMES};

use crate::app::App;
use crate::clock::unix_ms;
use crate::store::{ListKind, Source};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    source: &'static str,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeatureLabel {
    feature: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    action: &'static str,
    shadow: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListLabels {
    action: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

/// Counters that handlers add to; each is an atomic number.
#[derive(Default)]
pub struct Metrics {
    decisions: [[Counter; 5]; 2],
    consults: [Counter; 5],
    answers: [Counter; 5],
    /// Batches of observations taken.
    pub batches: Counter,
    /// Records that filters say they had to drop.
    pub dropped_by_filters: Counter,
    /// Snapshots handed out.
    pub snapshots_sent: Counter,
    /// Exchanges with filters.
    pub exchanges: Counter,
    /// Reloads of the configuration that were refused.
    pub reloads_refused: Counter,
}

impl Metrics {
    /// Counts decisions.
    pub fn decided(&self, source: Source, action: Action, weight: u64) {
        self.decisions[source as usize][action as usize].inc_by(weight);
    }

    /// Counts the answer to a filter's consult.
    pub fn consulted(&self, action: Action) {
        self.consults[action as usize].inc();
    }

    /// Counts an HTTP answer by the first digit of its status.
    pub fn answered(&self, status: u16) {
        self.answers[usize::from(status / 100).clamp(1, 5) - 1].inc();
    }

    /// Everything as text.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn render(&self, app: &App) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("sallyport");
        self.register_counters(&mut registry);
        register_state(&mut registry, app);
        app.crawlers.register(&mut registry);
        register_models(&mut registry, app);
        app.providers.register(&mut registry, unix_ms());
        register_lists(&mut registry, app);
        register_shared(&mut registry, app);
        let mut text = String::with_capacity(4096);
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register_counters(&self, registry: &mut Registry) {
        let decisions = Family::<DecisionLabels, Counter>::default();
        for (source, counters) in ["filter", "check"].into_iter().zip(&self.decisions) {
            for (action, counter) in Action::ALL.into_iter().zip(counters) {
                let labels = DecisionLabels { source, action: action.as_str() };
                decisions.get_or_create(&labels).inc_by(counter.get());
            }
        }
        registry.register("decisions", "Decisions told by filters or made by POST /check", decisions);
        let consults = Family::<DecisionLabels, Counter>::default();
        for (action, counter) in Action::ALL.into_iter().zip(&self.consults) {
            let labels = DecisionLabels { source: "filter", action: action.as_str() };
            consults.get_or_create(&labels).inc_by(counter.get());
        }
        registry.register("consults", "Consults of filters, by what was answered", consults);
        let answers = Family::<ClassLabel, Counter>::default();
        for (class, counter) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(&self.answers) {
            answers.get_or_create(&ClassLabel { class }).inc_by(counter.get());
        }
        registry.register("http_answers", "HTTP answers by class of status", answers);
        for (name, help, counter) in [
            ("observation_batches", "Batches of observations taken", &self.batches),
            ("observations_dropped", "Records that filters dropped before sending", &self.dropped_by_filters),
            ("snapshots_sent", "Snapshots handed out", &self.snapshots_sent),
            ("exchanges", "Exchanges with filters about limits and sessions", &self.exchanges),
            ("reloads_refused", "Configurations refused on reload", &self.reloads_refused),
        ] {
            registry.register(name, help, counter.clone());
        }
    }
}

/// Which models judge and look on, and what they would do.
fn register_models(registry: &mut Registry, app: &App) {
    let judging = app.models.judging();
    let gauge = |value: i64| ConstGauge::new(value);
    registry.register("model_checkpoint", "Checkpoint that judges; 0 ships", gauge(judging.active.id));
    let faulty = i64::from(app.models.trouble().is_some());
    registry.register("model_faulty", "1 while what was promoted does not judge", gauge(faulty));
    let jobs = i64::from(app.jobs.running().is_some());
    registry.register("training_jobs", "Training jobs that run", gauge(jobs));
    if let Some(drift) = app.models.drift(judging.active.histograms.as_ref()) {
        let family = Family::<FeatureLabel, Gauge<f64, AtomicU64>>::default();
        for (feature, index) in FEATURE_NAMES.into_iter().zip(drift) {
            family.get_or_create(&FeatureLabel { feature }).set(index.into());
        }
        let help = "Population stability index of what was judged since the start against the training set";
        registry.register("feature_drift", help, family);
    }
    let Some(shadow) = &judging.shadow else { return };
    let comparison = shadow.comparison();
    let family = Family::<ShadowLabels, Counter>::default();
    for (action, row) in Action::ALL.into_iter().zip(comparison.actions) {
        for (other, decisions) in Action::ALL.into_iter().zip(row).filter(|(_, decisions)| *decisions > 0) {
            let labels = ShadowLabels { action: action.as_str(), shadow: other.as_str() };
            family.get_or_create(&labels).inc_by(decisions);
        }
    }
    registry.register("shadow_decisions", "Decisions by action and by what the candidate would do", family);
    let difference = Gauge::<f64, AtomicU64>::default();
    difference.set(comparison.mean_difference);
    let help = "Mean difference between the probabilities of model and candidate";
    registry.register("shadow_mean_difference", help, difference);
    let candidate = gauge(shadow.candidate.id);
    registry.register("shadow_checkpoint", "Checkpoint that looks on", candidate);
}

/// The entries of the operator's lists that are in force.
fn register_lists(registry: &mut Registry, app: &App) {
    let counts = app.lists.counts();
    let family = Family::<ListLabels, Gauge>::default();
    for (action, kind) in ListAction::ALL.into_iter().flat_map(|a| ListKind::ALL.map(|kind| (a, kind))) {
        let count = counts.iter().find(|count| (count.action, count.kind) == (action, kind));
        let labels = ListLabels { action: action.name(), kind: kind.name() };
        let entries = count.map_or(0, |count| count.entries);
        family.get_or_create(&labels).set(i64::try_from(entries).unwrap_or(i64::MAX));
    }
    registry.register("list_entries", "Entries of the operator's lists in force, by list and kind", family);
    let next_ms = counts.iter().filter_map(|count| count.next_expiry_ms).min().unwrap_or(0);
    let next_s = i64::try_from(next_ms.div_ceil(1000)).unwrap_or(i64::MAX);
    let help = "When the next entry of a list expires, Unix time; 0 for never";
    registry.register("list_next_expiry_timestamp_seconds", help, ConstGauge::new(next_s));
    let faulty = i64::from(app.lists.trouble().is_some());
    registry.register(
        "lists_faulty",
        "1 while the latest list entries are not in force",
        ConstGauge::new(faulty),
    );
}

/// What is shared with other replicas.
fn register_shared(registry: &mut Registry, app: &App) {
    let health = app.shared.health();
    for (name, help, value) in [
        ("shared_up", "1 while state is shared with other replicas", health.is_shared),
        ("shared_degraded", "1 while the Redis that is configured cannot be used", health.degraded.is_some()),
    ] {
        registry.register(name, help, ConstGauge::new(i64::from(value)));
    }
    for (name, help, value) in [
        ("shared_operations", "Pipelines of commands that Redis answered", health.operations),
        (
            "shared_failures",
            "Pipelines and commands that Redis did not answer, or with an error",
            health.failures,
        ),
        ("shared_notices", "Notices of other replicas", health.notices),
    ] {
        registry.register(name, help, ConstCounter::new(value));
    }
}

fn register_state(registry: &mut Registry, app: &App) {
    let learning = app.learning.status();
    let health = app.store.health();
    let occupancy = app.detector.occupancy();
    let snapshot = app.publisher.current();
    let (limits, sessions, issued) = (app.limits.health(), app.sessions.health(), app.issued.health());
    let age_s = unix_ms().saturating_sub(snapshot.created_ms) / 1000;
    let gauges = [
        ("store_pending_rows", "Rows waiting to be written", health.pending_rows),
        ("store_failing", "1 while the database cannot be written", u64::from(health.failing.is_some())),
        ("clients", "Client records in memory", occupancy.clients),
        ("addresses", "Address records in memory", occupancy.addresses),
        ("rate_cells", "Shared rate cells at hand", limits.cells),
        ("suspicious_sessions", "Sessions with suspicious actions at hand", sessions.sessions),
        ("snapshot_version", "Version of the snapshot in force", snapshot.version),
        ("snapshot_age_seconds", "Age of the snapshot in force", age_s),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
    }
    for (name, help, value) in [
        ("store_written_rows", "Rows written", health.written_rows),
        ("store_dropped_rows", "Rows dropped: buffer full or refused by the database", health.dropped_rows),
        ("labels_learned", "Labels that moved the working copy of the model", learning.learned),
        ("learning_published", "Checkpoints that learning from feedback made", learning.published),
        ("learning_reverted", "Times that what was learned made the model worse", learning.reverted),
        ("labels_contradicting", "Labels that contradicted one of another request", learning.contradicted),
        (
            "login_counts_unshared",
            "Failed logins that other replicas were not told of",
            app.logins.unshared(),
        ),
        ("rate_cells_merged", "Rate cells merged into shared state, each time counted", limits.merged),
        ("rate_cells_evicted", "Rate cells that made room for others", limits.evicted),
        (
            "rate_cells_turned_away",
            "Rate cells that were not kept: all in their place were over a quarter full",
            limits.turned_away,
        ),
        ("rate_charges_refused", "Charges that found no room to wait for shared state", limits.refused),
        ("rate_merge_failures", "Merges of rate cells that shared state failed at", limits.failures),
        ("suspicious_actions", "Suspicious actions of sessions", sessions.counted),
        ("suspicious_sessions_evicted", "Sessions that made room for others", sessions.evicted),
        (
            "suspicious_sessions_refused",
            "Sessions that found no room to wait for shared state",
            sessions.refused,
        ),
        ("session_merge_failures", "Merges of sessions that shared state failed at", sessions.failures),
        ("issued_sessions_told", "Issued sessions that filters told of", issued.told),
        (
            "issued_sessions_untold",
            "Issued sessions that were not passed on: too many of their address, or of all",
            issued.untold,
        ),
        ("marks_told", "Marks told to filters", app.marks.told()),
        ("records_evicted", "Client and address records that made room for others", occupancy.evicted),
        (
            "records_turned_away",
            "Newcomers that were judged and not kept: all in their place were worth more",
            occupancy.turned_away,
        ),
    ] {
        registry.register(name, help, ConstCounter::new(value));
    }
}
