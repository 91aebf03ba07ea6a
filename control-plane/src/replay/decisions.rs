//! `--json`: one decision per line.

use std::io::{self, Write};

use jiff::Timestamp;
use sallyport_core::{Action, FEATURE_COUNT};
use serde::Serialize;

use super::judge::Judged;
use super::line::LogLine;

#[derive(Serialize)]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: u64,
    ts: String,
    ip: Option<std::net::IpAddr>,
    client: String,
    score: f32,
    ml_probability: f32,
    action: Action,
    /// The crawler that it claims to be, where nobody has looked into that.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_be_verified: Option<&'static str>,
    features: &'a [f32; FEATURE_COUNT],
    reasons: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    check: &'static str,
    points: f32,
}

/// Writes a decision. `file` names the log where there are several.
///
/// # Errors
/// If it cannot be written, for instance because the reader of the pipe has gone.
pub(crate) fn write(
    out: &mut impl Write,
    file: Option<&str>,
    number: u64,
    line: &LogLine<'_>,
    judged: &Judged,
) -> io::Result<()> {
    let decision = &judged.decision;
    let row = Row {
        file,
        line: number,
        ts: timestamp(line.time_ms).to_string(),
        ip: line.address,
        client: format!("{:016x}", judged.client),
        score: rounded(decision.score, 100.0),
        ml_probability: rounded(decision.ml_probability, 10_000.0),
        action: decision.action,
        would_be_verified: judged
            .claim
            .filter(|(_, verdict)| verdict.is_none())
            .map(|(crawler, _)| crawler.name),
        features: decision.features.values(),
        reasons: decision
            .reasons
            .iter()
            .map(|(check, points)| Reason { check: check.name(), points: rounded(points, 100.0) })
            .collect(),
    };
    serde_json::to_writer(&mut *out, &row)?;
    out.write_all(b"\n")
}

/// Unix milliseconds as a time; the last one there is where the number is beyond it.
pub(crate) fn timestamp(ms: u64) -> Timestamp {
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

fn rounded(value: f32, steps: f32) -> f32 {
    (value * steps).round() / steps
}
