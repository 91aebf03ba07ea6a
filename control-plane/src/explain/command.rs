//! `sallyport explain`: by the name of a decision on record, or by seven numbers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use sallyport_core::{Action, FEATURE_COUNT, FEATURE_NAMES, Features, Model, ModelKind};
use serde::Serialize;

use super::{Explained, text};
use crate::config::Loaded;
use crate::store::{BUILT_IN, RequestId, RequestRow, SqliteStore, Store};

/// A stored probability may differ this much from the model's own, by rounding.
const SAME: f32 = 1e-4;

/// What to explain.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of a decision in the database: what `POST /check` answered, or Envoy's `x-request-id`.
    #[arg(value_name = "REQUEST_ID", required_unless_present = "features", conflicts_with = "features")]
    request_id: Option<String>,
    /// Seven numbers from 0 to 1 instead: request_rate, user_agent, endpoint_pattern, timing_regularity,
    /// request_entropy, failed_login_rate, burst.
    #[arg(long, value_name = "N,N,N,N,N,N,N", value_parser = features)]
    features: Option<Features>,
    /// The model in this file, instead of the one that judged or, for numbers, judges now.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is told.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decided>,
    /// Whose view it is: `built-in`, `checkpoint 7` or a file.
    model: String,
    kind: ModelKind,
    /// Of this model, 0 to 1.
    ml_probability: f32,
    explanation: Explained,
}

/// A decision on record.
#[derive(Debug, Serialize)]
struct Decided {
    request_id: String,
    /// RFC 3339.
    time: String,
    method: String,
    path: String,
    user_agent: String,
    action: Action,
    enforced: bool,
    score: f32,
    /// Of the model that judged, 0 to 1.
    ml_probability: f32,
    /// Those that raised the score.
    reasons: Vec<Reason>,
    /// Whether the shares were worked out by the model that judged.
    by_its_own_model: bool,
}

#[derive(Debug, Serialize)]
struct Reason {
    check: &'static str,
    points: f32,
}

/// Explains and prints.
///
/// # Errors
/// No such decision, a model that cannot be read, a database that does not answer.
pub async fn run(args: Args, loaded: &Loaded) -> anyhow::Result<()> {
    let answer = match (&args.features, &args.request_id) {
        (Some(features), _) => {
            let (model, name) = match &args.model {
                Some(file) => (read(file)?, file.display().to_string()),
                None => active(loaded).await?,
            };
            Answer::of(&model, name, features)
        }
        (None, id) => recorded(id.as_deref().unwrap_or_default(), args.model.as_deref(), loaded).await?,
    };
    let out = if args.json { serde_json::to_string_pretty(&answer)? + "\n" } else { answer.text() };
    print!("{out}");
    Ok(())
}

/// The model that judges now. Without a database there was no promotion, and none is made for the question.
async fn active(loaded: &Loaded) -> anyhow::Result<(Model, String)> {
    if !loaded.config.store.path.exists() {
        return Ok((Model::built_in()?, name_of(BUILT_IN)));
    }
    let store = SqliteStore::open(&loaded.config.store)?;
    let id = store.in_force().await?.promotion.map_or(BUILT_IN, |promotion| promotion.checkpoint);
    Ok((checkpoint(&store, id).await?, name_of(id)))
}

async fn recorded(id: &str, file: Option<&Path>, loaded: &Loaded) -> anyhow::Result<Answer> {
    let path = &loaded.config.store.path;
    ensure!(path.exists(), "there is no database {}; set store.path", path.display());
    let store = SqliteStore::open(&loaded.config.store)?;
    let row = store.request(RequestId::parse(id)).await?;
    let row =
        row.with_context(|| format!("no decision {id} is on record; it may have been deleted by age"))?;
    let features = Features::new(row.features).context("its features are damaged")?;
    let judges_now = store.in_force().await?.promotion.map_or(BUILT_IN, |promotion| promotion.checkpoint);
    let number = row.checkpoint.unwrap_or(judges_now);
    let (model, name) = match file {
        Some(file) => (read(file)?, file.display().to_string()),
        None => (checkpoint(&store, number).await?, name_of(number)),
    };
    let is_own = (model.probability(&features) - row.ml_probability).abs() <= SAME;
    let shares = row.attributions.filter(|_| is_own).unwrap_or_else(|| model.shapley(&features));
    let explanation = Explained::of_shares(&model, &features, &shares, row.score);
    Ok(Answer {
        ml_probability: model.probability(&features),
        kind: model.kind(),
        decision: Some(Decided::new(row, is_own)),
        model: name,
        explanation,
    })
}

async fn checkpoint(store: &SqliteStore, id: i64) -> anyhow::Result<Model> {
    if id == BUILT_IN {
        return Ok(Model::built_in()?);
    }
    let found = store.checkpoint(id).await?;
    let found = found.with_context(|| format!("checkpoint {id} is gone; give a model with --model"))?;
    Model::from_bytes(&found.content.model).with_context(|| format!("checkpoint {id}"))
}

fn name_of(checkpoint: i64) -> String {
    if checkpoint == BUILT_IN { "built-in".to_owned() } else { format!("checkpoint {checkpoint}") }
}

fn read(file: &Path) -> anyhow::Result<Model> {
    let name = || file.display().to_string();
    let bytes = std::fs::read(file).with_context(name)?;
    Model::from_bytes(&bytes).with_context(name)
}

/// Seven numbers, separated by commas.
fn features(text: &str) -> Result<Features, String> {
    let names = FEATURE_NAMES.join(",");
    let mut values = [0.0; FEATURE_COUNT];
    let parts: Vec<_> = text.split(',').map(str::trim).collect();
    if parts.len() != FEATURE_COUNT {
        return Err(format!("{} numbers; write seven: {names}", parts.len()));
    }
    for ((value, part), name) in values.iter_mut().zip(parts).zip(FEATURE_NAMES) {
        let number = part.parse().ok().filter(|number| (0.0..=1.0).contains(number));
        *value = number.ok_or_else(|| format!("{name}: {part:?}; write a number from 0 to 1"))?;
    }
    Features::new(values).ok_or_else(|| format!("write seven numbers from 0 to 1: {names}"))
}

impl Decided {
    fn new(row: RequestRow, by_its_own_model: bool) -> Self {
        let time = i64::try_from(row.ts_ms).ok().map(jiff::Timestamp::from_millisecond);
        Self {
            request_id: row.request_id.to_string(),
            time: time.and_then(Result::ok).map(|time| time.to_string()).unwrap_or_default(),
            method: row.method.into(),
            path: row.path.into(),
            user_agent: row.user_agent.into(),
            action: row.action,
            enforced: row.enforced,
            score: row.score,
            ml_probability: row.ml_probability,
            reasons: row
                .reasons
                .iter()
                .map(|(check, points)| Reason { check: check.name(), points: *points })
                .collect(),
            by_its_own_model,
        }
    }
}

impl Answer {
    fn of(model: &Model, name: String, features: &Features) -> Self {
        let ml_probability = model.probability(features);
        let explanation = Explained::of_model(model, features, 100.0 * ml_probability);
        Self { decision: None, model: name, kind: model.kind(), ml_probability, explanation }
    }

    /// For people. What came with the request is hostile: control characters are left out.
    fn text(&self) -> String {
        let mut text = String::new();
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        // Writing to a string cannot fail.
        if let Some(decided) = &self.decision {
            let Decided { action, score, .. } = decided;
            let _ = writeln!(text, "{}  {} {}", decided.time, plain(&decided.method), plain(&decided.path));
            let _ = writeln!(text, "{}", plain(&decided.user_agent));
            let passed = if action.refuses() && !decided.enforced { ", not enforced" } else { "" };
            let _ = writeln!(text, "{} with score {score:.1}{passed}", action.as_str());
            for Reason { check, points } in &decided.reasons {
                let _ = writeln!(text, "  {check:<18}{points:>+7.1} points");
            }
            text.push('\n');
            if !decided.by_its_own_model {
                let said = decided.ml_probability;
                let _ = writeln!(
                    text,
                    "Another model judged it, with probability {said:.4}; what follows is this one's view."
                );
            }
        }
        let (probability, kind) = (self.ml_probability, self.kind.name());
        let _ = writeln!(text, "Model ({}, {kind}): probability of a bot {probability:.4}\n", self.model);
        text + &text::table(&self.explanation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_numbers_are_read_and_anything_else_is_told() {
        let read = features("0, 0.5,1,0.25,0,0,1e-3").expect("fine");
        assert_eq!(read.values(), &[0.0, 0.5, 1.0, 0.25, 0.0, 0.0, 0.001]);
        for (text, told) in [
            ("0,1", "2 numbers"),
            ("0,0,0,0,0,0,1.5", "burst: \"1.5\""),
            ("NaN,0,0,0,0,0,0", "request_rate: \"NaN\""),
            ("0,,0,0,0,0,0", "user_agent: \"\""),
        ] {
            assert!(features(text).is_err_and(|error| error.contains(told)), "{text}");
        }
    }
}
