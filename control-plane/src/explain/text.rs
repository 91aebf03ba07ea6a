//! An explanation on the terminal: a line for each share, with a bar to the left (person) or right (bot).

use std::fmt::Write as _;

use super::Explained;

/// Width of either side of a bar, characters.
const SIDE: usize = 16;

/// The table, strongest share first; every line ends in a line break.
pub(super) fn table(explained: &Explained) -> String {
    let mut shares: Vec<_> = explained.features.iter().collect();
    shares.sort_by(|a, b| b.log_odds.abs().total_cmp(&a.log_odds.abs()));
    let strongest = shares.iter().map(|share| share.log_odds.abs());
    let scale = strongest.fold(explained.base_log_odds.abs(), f32::max);
    let mut text = format!(
        "{:<18}{:>6}{:>9}{:>10}{:>9}  {:>SIDE$} {}\n",
        "feature", "value", "usual", "log-odds", "points", "person", "bot"
    );
    let mut line = |name: &str, value: String, usual: String, log_odds: f32, points: f32| {
        let bar = bar(log_odds, scale);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<18}{value:>6}{usual:>9}{log_odds:>+10.2}{points:>+9.1}  {bar}");
    };
    for share in shares {
        let (value, usual) = (format!("{:.2}", share.value), format!("{:.2}", share.reference));
        line(share.name, value, usual, share.log_odds, share.points);
    }
    line("ordinary visitor", String::new(), String::new(), explained.base_log_odds, explained.base_points);
    text
}

fn bar(log_odds: f32, scale: f32) -> String {
    let share = if scale > 0.0 { log_odds.abs() / scale } else { 0.0 };
    let length = (share * SIDE as f32).round() as usize;
    let blocks = "█".repeat(length.min(SIDE));
    let (left, right) = if log_odds < 0.0 { (blocks, String::new()) } else { (String::new(), blocks) };
    format!("{left:>SIDE$}│{right}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use sallyport_core::{Features, Model};

    use super::*;

    #[test]
    fn the_strongest_feature_has_the_longest_bar_and_stands_first() {
        let model = Model::built_in().expect("built-in model");
        let mut values = *model.reference().values();
        values[1] = 1.0;
        let features = Features::new(values).expect("in range");
        let text = table(&Explained::of_model(&model, &features, 90.0));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 9);
        assert!(lines[1].starts_with("user_agent          1.00") && lines[1].contains("│█"), "{text}");
        assert!(lines[2].contains("+0.00") && lines[2].ends_with('│'), "{text}");
        assert!(lines[8].starts_with("ordinary visitor"), "{text}");
    }

    #[test]
    fn a_bar_never_leaves_its_side() {
        assert_eq!(bar(1.0, 1.0).chars().count(), 2 * SIDE + 1);
        assert_eq!(bar(-9.0, 1.0).chars().count(), SIDE + 1);
        assert_eq!(bar(0.0, 0.0).trim(), "│");
    }
}
