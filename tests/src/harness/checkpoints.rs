//! Models whose behaviour a scenario knows beforehand: they take whoever behaves like a person for a bot.

use std::fmt::Write as _;

use serde_json::Value;

use super::ControlPlane;

/// As many bots as people, which no model can confuse.
const ROWS: u32 = 400;

impl ControlPlane {
    /// Trains a model on a world upside down by `sallyport train`: bots are whoever does little, people whoever shows
    /// everything bots are known for. An ordinary visitor scores far over the threshold of CHALLENGE with it.
    /// Returns the checkpoint's number; it is not promoted.
    ///
    /// # Panics
    /// When training fails, or does not say which checkpoint it made.
    #[must_use]
    pub fn train_upside_down(&self, kind: &str) -> u64 {
        let file = self.folder().join("upside-down.csv");
        std::fs::write(&file, upside_down()).expect("rows to train on");
        let file = file.display().to_string();
        let train = ["train", "--csv", &file, "--kind", kind, "--unconstrained", "--epochs", "10", "--json"];
        let said = self.command(&train);
        let trained: Value = serde_json::from_str(&said).expect("JSON");
        trained["checkpoint"].as_u64().unwrap_or_else(|| panic!("no checkpoint in {said}"))
    }
}

/// Rows for `sallyport train --csv`: bots have all features in 0 to 0.6, people in 0.8 to 1.
fn upside_down() -> String {
    let mut text = String::from("rate,ua,endpoint,regularity,entropy,failed_login,burst,label\n");
    for row in 0..ROWS {
        let is_bot = row % 2 == 0;
        for feature in 1..=7 {
            // Multiples of irrational numbers fill the unit interval evenly (Weyl).
            let even = (f64::from(row + 1) * f64::from(feature + 1).sqrt() * 1.618_034).fract();
            let value = if is_bot { 0.6 * even } else { 0.8 + 0.2 * even };
            // Writing into a String cannot fail.
            let _ = write!(text, "{value:.4},");
        }
        let _ = writeln!(text, "{}", u8::from(is_bot));
    }
    text
}
