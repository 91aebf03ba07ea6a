//! The summary that a person reads in a terminal, or finds in a file when it was piped.

mod notes;
mod words;

use std::fmt::Write as _;

use console::Alignment::{Left, Right};
use console::Term;
use sallyport_core::{Action, Check};

use super::accuracy::{LEVELS, Report};
use super::run::Outcome;
use super::tally::{ClientTally, Tally, excerpt};
use crate::table::Table;
pub(super) use notes::{notes, warnings};
pub(super) use words::{auc, count, false_positives, grouped, minute, percent};

/// How many clients and paths are listed.
const LISTED: usize = 10;
/// The width of the longest bar, characters.
const BAR: usize = 24;

/// How wide and whether in colour.
pub(super) struct Style {
    width: usize,
    colours: bool,
}

impl Style {
    /// What suits this output: colours only in a terminal that has them and without `NO_COLOR`.
    pub(super) fn of(term: &Term) -> Self {
        let width = if term.is_term() { usize::from(term.size().1).clamp(60, 160) } else { 140 };
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width, colours: term.features().colors_supported() && !refused }
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.paint(text, "1")
    }

    fn faint(&self, text: &str) -> String {
        self.paint(text, "2")
    }

    fn action(&self, action: Action, text: &str) -> String {
        let code = match action {
            Action::Allow => "32",
            Action::Monitor => "36",
            Action::Challenge => "33",
            Action::RateLimit => "35",
            Action::Block => "31",
        };
        self.paint(text, code)
    }
}

/// The whole summary, ending in a line break.
pub(super) fn text(outcome: &Outcome, style: &Style) -> String {
    let mut text = head(outcome, style);
    for warning in warnings(outcome) {
        let _ = writeln!(text, "\n{}", style.bold(&format!("Beware: {warning}.")));
    }
    if outcome.tally.requests > 0 {
        text.push_str(&actions(&outcome.tally, style));
        text.push_str(&reasons(&outcome.tally, style));
        text.push_str(&crawlers(&outcome.tally, style));
        text.push_str(&clients(&outcome.tally, style));
        text.push_str(&paths(&outcome.tally, style));
    }
    for report in &outcome.accuracy {
        text.push_str(&accuracy(report, style));
    }
    text.push_str(&broken(&outcome.tally, style));
    let notes = notes(outcome);
    for note in &notes {
        let _ = write!(text, "\n{}", style.faint(&format!("Note: {note}")));
    }
    if !notes.is_empty() {
        text.push('\n');
    }
    text
}

fn head(outcome: &Outcome, style: &Style) -> String {
    let tally = &outcome.tally;
    let mut text = style.bold(&format!(
        "{} of {}",
        count(tally.requests, "request"),
        count(tally.clients.count(), "client")
    ));
    if let Some((first, last)) = tally.timeline.span_ms() {
        let _ = write!(text, ", {} to {} UTC", minute(first), minute(last));
    }
    let lines = (tally.requests + tally.broken).max(1) as f64;
    let _ = writeln!(
        text,
        "\n{}",
        style.faint(&format!(
            "judged in {:.2} s: {:.1} µs a line, {:.1} µs of them in core",
            outcome.seconds,
            outcome.seconds * 1e6 / lines,
            outcome.core_seconds * 1e6 / lines
        ))
    );
    text
}

fn actions(tally: &Tally, style: &Style) -> String {
    let clients = tally.clients.by_worst_action();
    let most = tally.actions.iter().copied().max().unwrap_or_default();
    let mut table = Table::new([Left, Right, Right, Right, Left]);
    table.row(["action", "requests", "share", "clients", ""].map(str::to_owned));
    for action in Action::ALL {
        let count = tally.actions[action as usize];
        table.row([
            style.action(action, action.as_str()),
            grouped(count),
            percent(Some(count as f64 / tally.requests.max(1) as f64)),
            grouped(clients[action as usize]),
            style.action(action, &bar(count, most)),
        ]);
    }
    section("If enforced (a client counts under the gravest action it gets)", &table, style)
}

fn reasons(tally: &Tally, style: &Style) -> String {
    let refused = tally.refused();
    let mut found: Vec<_> =
        Check::ALL.into_iter().zip(tally.reasons).filter(|(_, reason)| reason.requests > 0).collect();
    if found.is_empty() {
        return String::new();
    }
    found.sort_by(|a, b| b.1.points.total_cmp(&a.1.points));
    let mut table = Table::new([Left, Right, Right, Right]);
    table.row(["reason", "requests", "share", "mean points"].map(str::to_owned));
    for (check, reason) in found {
        table.row([
            check.name().to_owned(),
            grouped(reason.requests),
            percent(Some(reason.requests as f64 / refused.max(1) as f64)),
            format!("{:+.1}", reason.points / reason.requests as f64),
        ]);
    }
    section(&format!("Why {} would be refused", count(refused, "request")), &table, style)
}

fn clients(tally: &Tally, style: &Style) -> String {
    let top = tally.clients.most_refused(LISTED);
    if top.is_empty() {
        return String::new();
    }
    let mut table = Table::new([Right, Right, Left, Right, Left, Left, Left]);
    table.row(["refused", "of", "mostly", "score", "address", "reasons", "user agent"].map(str::to_owned));
    for client in top {
        let action = client.main_refusal().unwrap_or_default();
        table.row([
            grouped(client.refused()),
            grouped(client.requests()),
            style.action(action, action.as_str()),
            format!("{:.0}", client.max_score),
            address_of(client),
            named_reasons(client),
            client.user_agent.clone(),
        ]);
    }
    section("Clients refused most", &table, style)
}

fn paths(tally: &Tally, style: &Style) -> String {
    let top = tally.refused_paths.top(LISTED);
    if top.is_empty() {
        return String::new();
    }
    let mut table = Table::new([Right, Left]);
    table.row(["refused", "path"].map(str::to_owned));
    for (path, count) in top {
        table.row([grouped(count), excerpt(path, 100)]);
    }
    section("Paths refused most", &table, style)
}

fn accuracy(report: &Report, style: &Style) -> String {
    let mut table = Table::new([Left, Left, Right, Right, Right, Right]);
    table.row(["", "flagged at", "precision", "recall", "false positives", "ROC-AUC"].map(str::to_owned));
    for (unit, accuracy) in [("requests", &report.requests), ("clients", &report.clients)] {
        for (index, (level, confusion)) in LEVELS.into_iter().zip(&accuracy.levels).enumerate() {
            let first = index == 0;
            table.row([
                if first { unit.to_owned() } else { String::new() },
                style.action(level, level.as_str()),
                percent(confusion.precision()),
                percent(confusion.recall()),
                false_positives(confusion),
                if first { auc(accuracy) } else { String::new() },
            ]);
        }
    }
    let title = format!(
        "Against `{}`: {} requests of bots, {} of people; {} bots, {} people",
        report.column,
        grouped(report.requests.bots),
        grouped(report.requests.humans),
        grouped(report.clients.bots),
        grouped(report.clients.humans),
    );
    let note = "  A client is flagged when any of its requests is; its ROC-AUC is that of its mean score.\n";
    section(&title, &table, style) + &style.faint(note)
}

fn broken(tally: &Tally, style: &Style) -> String {
    if tally.broken == 0 {
        return String::new();
    }
    let mut table = Table::new([Left, Left, Left]);
    table.row(["where", "why", "what"].map(str::to_owned));
    for line in &tally.shown_broken {
        table.row([line.place(), line.why.clone(), line.excerpt.clone()]);
    }
    let more = tally.broken - tally.shown_broken.len() as u64;
    let title = format!("{} could not be judged", count(tally.broken, "line"));
    let title = if more == 0 { title } else { format!("{title}; the first of them") };
    section(&title, &table, style)
}

fn crawlers(tally: &Tally, style: &Style) -> String {
    let mut table = Table::new([Left, Left, Right, Right, Right, Right]);
    let head = ["crawler", "category", "would be verified", "verified", "false", "cannot be told"];
    table.row(head.map(str::to_owned));
    let mut all = 0;
    for (crawler, claims) in tally.crawlers.rows() {
        let counts = [claims.unverified, claims.verified, claims.false_ones, claims.unsure];
        all += counts.iter().sum::<u64>();
        let [unverified, verified, false_ones, unsure] = counts.map(grouped);
        table.row([
            crawler.name.to_owned(),
            crawler.category.name().to_owned(),
            unverified,
            verified,
            false_ones,
            unsure,
        ]);
    }
    if all == 0 {
        return String::new();
    }
    let title = format!("Claimed crawlers: {}", count(all, "request"));
    let title = match tally.crawlers.unverified() {
        0 => title,
        unverified => format!(
            "{title}, of which {} would be verified by DNS and published ranges, and are in no other table (--verify asks now)",
            grouped(unverified)
        ),
    };
    section(&title, &table, style)
}

fn section(title: &str, table: &Table, style: &Style) -> String {
    format!("\n{}\n{}", style.bold(title), table.render(style.width, |head| style.faint(head)))
}

/// The strongest reasons of a client with their mean points.
pub(super) fn named_reasons(client: &ClientTally) -> String {
    let named: Vec<_> = client
        .reasons()
        .into_iter()
        .take(3)
        .map(|(check, points)| match points {
            0.0 => check.name().to_owned(),
            _ => format!("{} {points:+.0}", check.name()),
        })
        .collect();
    named.join(", ")
}

/// A client's address, or that it is unknown.
pub(super) fn address_of(client: &ClientTally) -> String {
    client.address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

fn bar(count: u64, most: u64) -> String {
    let eighths = (count as f64 / most.max(1) as f64 * (BAR * 8) as f64).ceil() as usize;
    let mut text = "█".repeat(eighths / 8);
    text.extend(['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get((eighths % 8).wrapping_sub(1)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_never_longer_than_the_longest() {
        assert_eq!(bar(0, 0), "");
        assert_eq!(bar(1, 1_000_000), "▏");
        assert_eq!(bar(10, 10).chars().count(), BAR);
    }
}
