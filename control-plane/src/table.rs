//! Aligned columns within the width of a terminal.

use console::{Alignment, measure_text_width, pad_str, truncate_str};

/// A table whose last column is cut to what room is left.
pub(crate) struct Table {
    alignments: Vec<Alignment>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(alignments: impl IntoIterator<Item = Alignment>) -> Self {
        Self { alignments: alignments.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are alignments.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The rows, indented by two, none wider than `width`; the first is passed to `head` to be set apart.
    pub(crate) fn render(&self, width: usize, head: impl Fn(&str) -> String) -> String {
        let widths: Vec<_> = (0..self.alignments.len())
            .map(|column| {
                self.rows.iter().filter_map(|row| row.get(column)).map(|c| measure_text_width(c)).max()
            })
            .map(Option::unwrap_or_default)
            .collect();
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            let mut line = String::from(" ");
            for ((cell, width), alignment) in row.iter().zip(&widths).zip(&self.alignments) {
                line.push_str("  ");
                line.push_str(&pad_str(cell, *width, *alignment, None));
            }
            let cut = truncate_str(line[1..].trim_end(), width, "…").into_owned();
            text.push_str(&if index == 0 { head(&cut) } else { cut });
            text.push('\n');
        }
        text
    }
}
