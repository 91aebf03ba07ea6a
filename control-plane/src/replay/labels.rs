//! Labels of log lines: a tab-separated file with a header, `line` first, then one or more columns of labels.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

/// The labels of one log.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    /// The names of the label columns.
    pub(crate) columns: Vec<String>,
    lines: HashMap<u64, Box<[Option<bool>]>>,
}

impl Labels {
    /// Reads a file of labels.
    ///
    /// # Errors
    /// If it cannot be read or a row is not a line number and as many labels as the header names; says which row.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{}: not a file of labels", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        // Spreadsheets put a byte order mark first.
        let mut rows = text.trim_start_matches('\u{feff}').lines();
        let header: Vec<_> = rows.next().unwrap_or_default().split('\t').map(str::trim).collect();
        let [first, columns @ ..] = header.as_slice() else { bail!("it is empty") };
        if *first != "line" || columns.is_empty() {
            bail!("its first row must be a header: `line`, a tab, and a name for each column of labels");
        }
        let mut labels =
            Self { columns: columns.iter().map(|name| (*name).to_owned()).collect(), lines: HashMap::new() };
        for (row, number) in rows.zip(2..).filter(|(row, _)| !row.trim().is_empty()) {
            let mut cells = row.split('\t').map(str::trim);
            let line = cells.next().and_then(|cell| cell.parse().ok());
            let line = line.with_context(|| format!("row {number}: the first cell must be a line number"))?;
            let values: Box<[_]> = cells.map(is_bot).collect();
            if values.len() != columns.len() {
                bail!("row {number}: {} labels, but the header names {}", values.len(), columns.len());
            }
            labels.lines.insert(line, values);
        }
        Ok(labels)
    }

    /// Labels for lines that the log does not have are those of another log.
    ///
    /// # Errors
    /// If there are such labels for a log of `lines` lines.
    pub(crate) fn belong_to(&self, log: &Path, lines: u64) -> anyhow::Result<()> {
        let last = self.lines.keys().copied().max().unwrap_or_default();
        ensure!(last <= lines, "the labels go up to line {last}, but {} has {lines} lines", log.display());
        Ok(())
    }

    /// The labels of a line, one per column: whether it is a bot, `None` where unknown. Empty for a line without labels.
    pub(crate) fn of(&self, line: u64) -> &[Option<bool>] {
        self.lines.get(&line).map(|values| &**values).unwrap_or_default()
    }
}

/// `bot` and `human`; anything else is left out, so that only what is certain is measured.
fn is_bot(cell: &str) -> Option<bool> {
    match cell {
        "bot" | "1" | "true" => Some(true),
        "human" | "0" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_certain_is_left_out() {
        let labels = Labels::parse(
            "\u{feff}line\tlabel\tstrict\n1\tbot\tbot\n2\thuman\tunknown\n\n7\tbot_suspected\t0\n",
        )
        .unwrap();
        assert_eq!(labels.columns, ["label", "strict"]);
        assert_eq!(labels.of(1), [Some(true), Some(true)]);
        assert_eq!(labels.of(2), [Some(false), None]);
        assert_eq!(labels.of(7), [None, Some(false)]);
        assert!(labels.of(3).is_empty());
    }

    #[test]
    fn mistakes_name_their_row() {
        let message = |text: &str| Labels::parse(text).unwrap_err().to_string();
        assert!(message("").contains("header"));
        assert!(message("1\tbot").contains("header"));
        assert!(message("line\tlabel\n1\tbot\nx\tbot").starts_with("row 3"));
        assert!(message("line\tlabel\n1\tbot\tbot").starts_with("row 2"));
    }
}
