//! Labelled rows from a table of features in a file: each row is its own client.

use std::path::Path;

use anyhow::{Context as _, bail};
use sallyport_core::{FEATURE_COUNT, Features};

use super::name_of;
use crate::training::{Dataset, Example};

/// The header that such a file begins with: the seven features in their order, then the label.
pub const HEADER: &str = "rate,ua,endpoint,regularity,entropy,failed_login,burst,label";

/// Reads a file; its name is the rows' origin.
///
/// # Errors
/// If it cannot be read, has another header, or a row is not seven numbers in [0, 1] and 0 or 1; says which.
pub fn read(path: &Path) -> anyhow::Result<Dataset> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text, &name_of(path)).with_context(|| path.display().to_string())
}

fn parse(text: &str, name: &str) -> anyhow::Result<Dataset> {
    // Spreadsheets put a byte order mark first.
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    if lines.next().map(str::trim_end) != Some(HEADER) {
        bail!("its first line must be {HEADER}");
    }
    let mut data = Dataset::new();
    let origin = data.origin(name);
    for (line, number) in lines.zip(2_u64..).filter(|(line, _)| !line.trim().is_empty()) {
        let Some((features, is_bot)) = row(line) else {
            bail!("line {number}: write seven numbers from 0 to 1, then 1 for a bot or 0 for a person");
        };
        data.push(Example { features, is_bot, weight: 1.0, group: number, origin });
    }
    Ok(data)
}

fn row(line: &str) -> Option<(Features, bool)> {
    let mut cells = line.split(',').map(str::trim);
    let mut values = [0.0; FEATURE_COUNT];
    for value in &mut values {
        *value = cells.next()?.parse().ok()?;
    }
    let is_bot = match cells.next()?.parse::<f32>() {
        Ok(1.0) => true,
        Ok(0.0) => false,
        _ => return None,
    };
    cells.next().is_none().then_some((Features::new(values)?, is_bot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_labels() {
        let text = format!("\u{feff}{HEADER}\r\n0,0.5,1,0,0,0,0.25,1\n\n0.1,0,0,0,0,0,0,0.0\r\n");
        let data = parse(&text, "a table").expect("rows");
        assert_eq!((data.len(), data.bots(), data.origins()), (2, 1, &["a table".to_owned()][..]));
        assert_eq!(data.examples()[0].features.values(), &[0.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0.25]);
        assert_ne!(data.examples()[0].group, data.examples()[1].group);
    }

    #[test]
    fn mistakes_name_their_line() {
        for row in [
            "0,0,0,0,0,0,1.1,1",
            "0,0,0,0,0,0,NaN,1",
            "0,0,0,0,0,0,0",
            "0,0,0,0,0,0,0,1,1",
            "0,0,0,0,0,0,0,2",
        ] {
            let error = parse(&format!("{HEADER}\n0,0,0,0,0,0,0,1\n{row}\n"), "").expect_err(row).to_string();
            assert!(error.starts_with("line 3"), "{error}");
        }
        assert!(parse("a,b\n", "").expect_err("no header").to_string().contains("rate,ua"));
    }
}
