//! The report page: one file without any script or outside asset. What stands in a log is hostile: the template
//! escapes everything, and the page's content security policy lets nothing run or load.

mod chart;

use minijinja::{AutoEscape, Environment, Value, context};
use sallyport_core::{Action, Check};

use super::accuracy::{Accuracy, LEVELS, Report};
use super::run::Outcome;
use super::summary::{
    address_of, auc, false_positives, grouped, minute, named_reasons, notes, percent, warnings,
};
use super::tally::{ClientTally, Tally, excerpt};

/// How many clients are listed per action, and how many paths.
const LISTED: usize = 25;

/// The page.
///
/// # Errors
/// None for the template that ships: a test renders it.
pub(super) fn page(outcome: &Outcome) -> anyhow::Result<String> {
    let tally = &outcome.tally;
    let span = tally.timeline.span_ms();
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let page = environment.render_named_str(
        "report.html",
        include_str!("report.html"),
        context! {
            files => outcome.files.join(", "),
            requests => grouped(tally.requests),
            clients => grouped(tally.clients.count()),
            refused => grouped(tally.refused()),
            refused_share => share(tally.refused(), tally.requests),
            first => span.map(|(first, _)| minute(first)),
            last => span.map(|(_, last)| minute(last)),
            actions => actions(tally),
            chart => chart::timeline(&tally.timeline),
            reasons => reasons(tally),
            groups => groups(tally),
            paths => paths(tally),
            reports => outcome.accuracy.iter().map(report).collect::<Vec<_>>(),
            broken => grouped(tally.broken),
            broken_lines => tally.shown_broken.iter().map(|line| context! {
                place => line.place(), why => &line.why, excerpt => &line.excerpt,
            }).collect::<Vec<_>>(),
            warnings => warnings(outcome),
            notes => notes(outcome),
            unverified => (tally.crawlers.unverified() > 0).then(|| grouped(tally.crawlers.unverified())),
            version => env!("CARGO_PKG_VERSION"),
        },
    )?;
    Ok(page)
}

fn share(part: u64, whole: u64) -> String {
    percent((whole > 0).then(|| part as f64 / whole as f64))
}

/// The name of an action in the page's style sheet.
fn class(action: Action) -> String {
    action.as_str().to_ascii_lowercase().replace('_', "-")
}

fn actions(tally: &Tally) -> Vec<Value> {
    let clients = tally.clients.by_worst_action();
    let row = |action: Action| {
        let count = tally.actions[action as usize];
        context! {
            name => action.as_str(), class => class(action), requests => grouped(count),
            share => share(count, tally.requests), clients => grouped(clients[action as usize]),
            width => format!("{:.2}", 100.0 * count as f64 / tally.requests.max(1) as f64),
        }
    };
    Action::ALL.into_iter().map(row).collect()
}

fn reasons(tally: &Tally) -> Vec<Value> {
    let mut found: Vec<_> =
        Check::ALL.into_iter().zip(tally.reasons).filter(|(_, reason)| reason.requests > 0).collect();
    found.sort_by(|a, b| b.1.points.total_cmp(&a.1.points));
    let row = |(check, reason): (Check, super::tally::ReasonTally)| {
        context! {
            check => check.name(), requests => grouped(reason.requests),
            share => share(reason.requests, tally.refused()),
            points => format!("{:+.1}", reason.points / reason.requests as f64),
        }
    };
    found.into_iter().map(row).collect()
}

/// The clients that would be refused, by what they would get, the mildest first: that is where a mistake hurts.
fn groups(tally: &Tally) -> Vec<Value> {
    let group = |(action, title): (Action, &str)| {
        let clients = tally.clients.most(action, LISTED);
        (!clients.is_empty()).then(|| {
            context! {
                title, class => class(action), requests => grouped(tally.actions[action as usize]),
                clients => clients.into_iter().map(|found| client(found, action)).collect::<Vec<_>>(),
            }
        })
    };
    [
        (Action::Challenge, "Would be challenged"),
        (Action::RateLimit, "Would be rate limited"),
        (Action::Block, "Would be blocked"),
    ]
    .into_iter()
    .filter_map(group)
    .collect()
}

fn client(found: &ClientTally, action: Action) -> Value {
    context! {
        count => grouped(found.actions[action as usize]), requests => grouped(found.requests()),
        score => format!("{:.0}", found.max_score), address => address_of(found),
        reasons => named_reasons(found),
        user_agent => if found.user_agent.is_empty() { "(none)" } else { &found.user_agent },
    }
}

fn paths(tally: &Tally) -> Vec<Value> {
    let row = |(path, count): (&[u8], u64)| context! { path => excerpt(path, 160), count => grouped(count) };
    tally.refused_paths.top(LISTED).into_iter().map(row).collect()
}

fn report(report: &Report) -> Value {
    let unit = |name: &str, accuracy: &Accuracy| {
        let levels: Vec<_> = LEVELS
            .into_iter()
            .zip(&accuracy.levels)
            .map(|(level, confusion)| {
                context! {
                    name => level.as_str(), class => class(level), precision => percent(confusion.precision()),
                    recall => percent(confusion.recall()), false_positives => false_positives(confusion),
                }
            })
            .collect();
        context! {
            name, levels, auc => auc(accuracy), bots => grouped(accuracy.bots), people => grouped(accuracy.humans),
        }
    };
    context! {
        column => &report.column, units => vec![unit("requests", &report.requests), unit("clients", &report.clients)],
    }
}
