//! A progress bar on standard error, where that is a terminal.

use std::io::IsTerminal as _;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

/// After how many lines the bar moves.
const EVERY: u64 = 1024;

/// The progress through all files, by bytes where their sizes are known.
pub(crate) struct Progress {
    bar: ProgressBar,
    before: u64,
}

impl Progress {
    /// A bar over these files; hidden unless standard error is a terminal.
    pub(crate) fn over<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), before: 0 };
        }
        let sizes = files.map(|file| std::fs::metadata(file).ok().filter(|meta| meta.is_file()));
        let total: Option<u64> = sizes.map(|meta| meta.map(|meta| meta.len())).sum();
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match total {
            Some(_) => "{bar:32} {percent:>3} %  {binary_bytes_per_sec}  {eta} left  {msg}",
            None => "{spinner} {binary_bytes}  {binary_bytes_per_sec}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { bar, before: 0 }
    }

    /// Shows how far the current file is; `lines` counts it down to once in a while.
    pub(crate) fn at(&self, lines: u64, bytes_of_file: u64) {
        if lines.is_multiple_of(EVERY) {
            self.bar.set_position(self.before + bytes_of_file);
        }
    }

    /// The current file has ended.
    pub(crate) fn file_done(&mut self, bytes_of_file: u64) {
        self.before += bytes_of_file;
        self.bar.set_position(self.before);
    }

    /// Takes the bar away.
    pub(crate) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
