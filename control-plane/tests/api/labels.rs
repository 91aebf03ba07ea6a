//! Labels whose truth shows in every feature, without sending a request for each.

use sallyport::store::{Feedback, FeedbackTarget, RequestId, RequestRow, Row, Source, Standing};
use sallyport_core::{Action, Basis};
use uuid::Uuid;

use crate::harness::ControlPlane;

/// A decision about a client of its own: even numbers are bots, with features near 1, odd ones people.
pub(crate) fn decision(number: u64, ts_ms: u64) -> RequestRow {
    let spread = (number % 10) as f32 / 100.0;
    RequestRow {
        ts_ms,
        request_id: RequestId::Uuid(Uuid::from_u64_pair(ts_ms, number)),
        address: 1,
        client: number,
        action: Action::Allow,
        enforced: true,
        basis: Basis::Score,
        source: Source::Check,
        score: 50.0,
        ml_probability: 0.5,
        weight: 1,
        features: if number.is_multiple_of(2) { [0.85 + spread; 7] } else { [0.05 + spread; 7] },
        method: "GET".into(),
        path: "/".into(),
        user_agent: "x".into(),
        reasons: Box::default(),
        outcome: Standing::default(),
        checkpoint: None,
        shadow_probability: None,
        attributions: None,
        session: 0,
        limit: None,
    }
}

/// Records decisions about `count` bots and as many people, and labels them, all at `now_ms`.
pub(crate) async fn label(plane: &ControlPlane, count: u64, now_ms: u64) {
    let rows: Vec<_> = (0..2 * count).map(|number| decision(number, now_ms)).collect();
    plane.app.store.record(&mut rows.iter().cloned().map(Row::Request));
    for row in rows {
        let target = FeedbackTarget::Request(row.request_id);
        let feedback = Feedback { target, is_bot: row.client.is_multiple_of(2), token: None };
        plane.app.store.feedback(feedback, now_ms).await.expect("stored");
    }
}
