//! Rows from access logs, judged line by line by the same core that judges in Envoy; labelled by a file of labels.

use std::path::Path;

use anyhow::Context as _;
use sallyport_core::{Basis, Engine};

use super::name_of;
use crate::replay::judge::{Judge, Judged};
use crate::replay::labels::Labels;
use crate::replay::line::LogLine;
use crate::replay::progress::Progress;
use crate::replay::reader::{Read, Reading, read};
use crate::training::{Dataset, Example};

/// How many clients of a log are remembered at a time.
const MOST_CLIENTS: usize = 200_000;

/// The labelled requests of a log; its name is the rows' origin. `column` is that of the labels to go by, the first where
/// none is named.
///
/// # Errors
/// If a file cannot be read or is not what it should be, or the labels are of another log.
pub fn rows(log: &Path, labels: &Path, column: Option<&str>, engine: &Engine) -> anyhow::Result<Dataset> {
    let mut data = Dataset::new();
    let origin = data.origin(&name_of(log));
    labelled(log, labels, column, engine, |judged, is_bot| {
        let (features, group) = (judged.decision.features, judged.client);
        data.push(Example { features, is_bot, weight: 1.0, group, origin });
    })?;
    Ok(data)
}

/// Hands each labelled request of a log to `each`, with whether it is a bot's.
///
/// # Errors
/// As [`rows`].
pub(crate) fn labelled(
    log: &Path,
    labels: &Path,
    column: Option<&str>,
    engine: &Engine,
    mut each: impl FnMut(&Judged, bool),
) -> anyhow::Result<()> {
    let known = Labels::read(labels)?;
    let column = match column {
        None => 0,
        Some(name) => known.columns.iter().position(|column| column == name).with_context(|| {
            let columns = known.columns.join(", ");
            format!("{}: no column {name}; there are {columns}", labels.display())
        })?,
    };
    let lines = judged(log, engine, |number, _, judged| {
        if let Some(Some(is_bot)) = known.of(number).get(column) {
            each(judged, *is_bot);
        }
    })?;
    lines.map_or(Ok(()), |lines| known.belong_to(log, lines))
}

/// Judges the requests of a log and hands each to `each` with the number of its line. Returns how many lines there are, `None`
/// if the log could not be read to its end. Broken lines are passed over, as are requests that a gate refused: replay tells of
/// them.
///
/// # Errors
/// If the log cannot be opened or its format is not recognised.
pub(crate) fn judged(
    log: &Path,
    engine: &Engine,
    mut each: impl FnMut(u64, &LogLine<'_>, &Judged),
) -> anyhow::Result<Option<u64>> {
    let mut judge = Judge::new(engine.clone(), MOST_CLIENTS);
    let mut progress = Progress::over(std::iter::once(log));
    let lines = read(log, &Reading::default(), &mut progress, |number, read| {
        if let Read::Request(line) = read {
            let judged = judge.judge(&line);
            // What a gate answered is its own doing, and no bot must be taught by what refused it.
            if judged.decision.basis != Basis::Ignored && !line.by_gate {
                each(number, &line, &judged);
            }
        }
        Ok(())
    })?;
    progress.done();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use sallyport_core::{Model, PolicyConfig, Ranges};

    use super::*;
    use crate::training::sources::engine;

    #[test]
    fn our_own_refusals_teach_nothing() {
        let mut log = tempfile::NamedTempFile::new().expect("a file");
        let mut labels = tempfile::NamedTempFile::new().expect("a file");
        writeln!(labels, "line\tlabel").expect("a row");
        let rest = r#""method":"GET","path":"/","ip":"192.0.2.1","ua":"curl/8","response_flags":"-""#;
        for (number, answer) in (1..).zip([
            r#""status":200,"upstream_host":"10.0.0.5:80""#,
            r#""status":403,"upstream_host":"10.0.0.5:80""#,
            r#""status":403,"upstream_host":"-""#,
            r#""status":429,"upstream_host":null"#,
            r#""status":403,"x-sallyport":"action=BLOCK, score=99""#,
        ]) {
            writeln!(log, r#"{{"ts":172077480{number},{rest},{answer}}}"#).expect("a line");
            writeln!(labels, "{number}\tbot").expect("a row");
        }
        let model = Model::built_in().expect("built-in model");
        let engine = engine(model, PolicyConfig::default(), Ranges::default()).expect("an engine");
        let data = rows(log.path(), labels.path(), None, &engine).expect("rows");
        assert_eq!(data.len(), 2);
    }
}
