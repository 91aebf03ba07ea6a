//! Learning from what the filters did.

use sallyport_core::observation::{Batch, DecisionRecord, Record};
use sallyport_core::{Engine, FEATURE_COUNT};

use super::Detector;
use super::attribution::Judged;
use super::reputation::{LOGIN_FAILURE, outcome_of};
use crate::store::{LoginFailureRow, RequestId, RequestRow, Row, Source, Standing};

/// How old a filter's record may be; older times, and those of the future, count as now.
const OLDEST_MS: u64 = 3_600_000;

/// A row stands for at most this many decisions, whatever a batch claims.
const WEIGHT_LIMIT: u32 = 1_000_000;

impl Detector {
    /// Updates the addresses' past from a batch and turns it into rows for the store.
    pub fn observe(&self, batch: Batch, now_ms: u64) -> Vec<Row> {
        let challenge = self.engine().policy().thresholds().challenge;
        let engine = self.engine_of(batch.snapshot_version);
        let time = |ts_ms: u64| if ts_ms > now_ms || ts_ms + OLDEST_MS < now_ms { now_ms } else { ts_ms };
        let rows = batch.records.into_iter().map(|record| match record {
            Record::Decision(decision) => {
                let ts_ms = time(decision.ts_ms);
                let attributions =
                    engine.as_deref().and_then(|engine| self.attributed(engine, &decision, now_ms));
                Row::Request(RequestRow { attributions, ..self.request(decision, ts_ms, challenge) })
            }
            Record::LoginFailure { ts_ms, address, client, network, account, path } => {
                let ts_ms = time(ts_ms);
                self.pasts.with(address, |past| past.add(LOGIN_FAILURE, ts_ms));
                let path = path.into_boxed_str();
                Row::LoginFailure(LoginFailureRow {
                    ts_ms,
                    address,
                    client,
                    network,
                    account,
                    path,
                    outcome: LOGIN_FAILURE,
                })
            }
        });
        rows.collect()
    }

    /// What each feature added, by the engine that judged.
    fn attributed(
        &self,
        engine: &Engine,
        record: &DecisionRecord,
        now_ms: u64,
    ) -> Option<[f32; FEATURE_COUNT]> {
        let DecisionRecord { action, basis, ml_probability, features, .. } = *record;
        let judged = Judged { action, basis, ml_probability, features: &features };
        judged.attributions(engine, &self.attributed, now_ms)
    }

    fn request(&self, record: DecisionRecord, ts_ms: u64, challenge: f32) -> RequestRow {
        let weight = record.weight.clamp(1, WEIGHT_LIMIT);
        let reasons = record.reasons.iter().copied();
        let one = outcome_of(record.basis, record.score, reasons, challenge);
        let outcome = Standing { good: one.good * weight as f32, bad: one.bad * weight as f32 };
        self.pasts.with(record.address, |past| past.add(outcome, ts_ms));
        RequestRow {
            ts_ms,
            request_id: RequestId::parse(&record.request_id),
            address: record.address,
            client: record.client,
            action: record.action,
            enforced: record.enforced,
            basis: record.basis,
            source: Source::Filter,
            score: record.score,
            ml_probability: record.ml_probability,
            weight,
            features: *record.features.values(),
            method: record.method.into_boxed_str(),
            path: record.path.into_boxed_str(),
            user_agent: record.user_agent.into_boxed_str(),
            reasons: record.reasons.into_boxed_slice(),
            outcome,
            checkpoint: None,
            shadow_probability: None,
            attributions: None,
            session: record.session,
            limit: record.limit,
        }
    }
}
