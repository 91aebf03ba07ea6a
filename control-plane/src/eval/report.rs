//! What was measured, as tables and as JSON.

use std::fmt::Write as _;

use console::Alignment::{self, Left, Right};
use serde::Serialize;

use super::contestants::WHOLE_JUDGE;
use super::sites::SiteFigures;
use crate::table::Table;
use crate::training::Metrics;
use crate::training::curve::Confusion;
use crate::training::metrics::{OriginMetrics, Threshold};

/// Wide enough for every column: a table that is cut off compares nothing.
const WIDTH: usize = 200;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// Rows that the contestants were trained on; `None` if nothing was trained.
    pub(super) trained_on: Option<usize>,
    /// Rows that were judged.
    pub(super) judged: usize,
    /// Clients that sent them.
    pub(super) clients: usize,
    /// The rows as they are, and masked.
    pub(super) views: Vec<View>,
}

/// One look at the rows.
#[derive(Debug, Serialize)]
pub(super) struct View {
    /// Features put to 0.
    pub(super) masked: Vec<&'static str>,
    /// One per contestant that could judge.
    pub(super) standings: Vec<Standing>,
}

/// How one contestant did.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    /// Who.
    pub(super) name: String,
    /// Time of training, seconds.
    pub(super) seconds: Option<f64>,
    /// How well.
    pub(super) metrics: Metrics,
    /// On each kind of simulated site; the worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) sites: Vec<SiteFigures>,
}

impl Outcome {
    /// The tables that a person reads.
    pub(super) fn text(&self, by_origin: bool) -> String {
        let mut text = match self.trained_on {
            Some(rows) => format!("Trained on {rows} rows; judged"),
            None => "Judged".to_owned(),
        };
        let _ = writeln!(text, " {} rows of {} clients.", self.judged, self.clients);
        for view in &self.views {
            let _ = writeln!(text, "\n{}", view.title());
            text.push_str(&view.table());
            for standing in view.standings.iter().filter(|one| by_origin || one.judges_whole()) {
                text.push_str(&standing.site_tables());
            }
            for standing in view.standings.iter().filter(|_| by_origin) {
                let _ = writeln!(text, "\n{}: {}", standing.name, view.title());
                text.push_str(&origins(&standing.metrics.per_origin));
            }
        }
        text.push_str(LEGEND);
        text
    }
}

const LEGEND: &str = "
people challenged: share of people's requests that score 70 or more, and of people with any such request
people blocked: share of people with any request that scores 90 or more
bots noticed: share of bots' requests that score 50 or more
by kind, traits and what was seen, the worst first: clients, refused by any request that scores 70 or more, blocked from 90
";

const COLUMNS: [(&str, Alignment); 12] = [
    ("", Left),
    ("ROC-AUC", Right),
    ("per client", Right),
    ("PR-AUC", Right),
    ("log loss", Right),
    ("Brier", Right),
    ("calibration error", Right),
    ("people challenged", Right),
    ("per client", Right),
    ("people blocked", Right),
    ("bots noticed", Right),
    ("trained in", Right),
];

impl View {
    fn title(&self) -> String {
        match self.masked.as_slice() {
            [] => "all features".to_owned(),
            masked => format!("without {}", masked.join(", ")),
        }
    }

    fn table(&self) -> String {
        let rows = self.standings.iter().map(|Standing { name, seconds, metrics, .. }| {
            let [monitor, challenge, block] = &metrics.thresholds;
            [
                name.clone(),
                three(metrics.roc_auc),
                three(metrics.client_roc_auc),
                three(metrics.pr_auc),
                three(Some(metrics.log_loss)),
                three(Some(metrics.brier)),
                three(Some(metrics.calibration_error)),
                percent(challenge.false_positive_rate),
                percent(challenge.client_false_positive_rate),
                percent(block.client_false_positive_rate),
                percent(monitor.recall),
                seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1} s")),
            ]
        });
        render(&COLUMNS, rows)
    }
}

const ORIGIN_COLUMNS: [(&str, Alignment); 10] = [
    ("", Left),
    ("rows", Right),
    ("bots", Right),
    ("ROC-AUC", Right),
    ("log loss", Right),
    ("mean", Right),
    ("from MONITOR", Right),
    ("from CHALLENGE", Right),
    ("BLOCK", Right),
    ("clients challenged", Right),
];

const SITE_COLUMNS: [(&str, Alignment); 8] = [
    ("", Left),
    ("people", Right),
    ("refused", Right),
    ("blocked", Right),
    ("bots", Right),
    ("refused", Right),
    ("ROC-AUC", Right),
    ("per client", Right),
];

impl Standing {
    /// Whether it is the judge that refuses: what it does to people counts most.
    fn judges_whole(&self) -> bool {
        self.name.starts_with(WHOLE_JUDGE)
    }

    /// The figures by kind of site, by traits, by what was seen; clients, the worst site first.
    fn site_tables(&self) -> String {
        let mut text = String::new();
        for (sort, title) in
            [("kind", "kind of site"), ("traits", "traits of sites"), ("seen", "what the gate saw")]
        {
            let sites: Vec<_> = self.sites.iter().filter(|site| site.sort == sort).collect();
            if sites.is_empty() {
                continue;
            }
            let _ = writeln!(text, "\n{}, by {title}:", self.name);
            let rows = sites.into_iter().map(|site| {
                [
                    site.name.to_owned(),
                    site.people.to_string(),
                    percent(site.people_refused),
                    percent(site.people_blocked),
                    site.bots.to_string(),
                    percent(site.bots_refused),
                    three(site.roc_auc),
                    three(site.client_roc_auc),
                ]
            });
            text.push_str(&render(&SITE_COLUMNS, rows));
        }
        text
    }
}

/// People first, then by name.
fn origins(origins: &[OriginMetrics]) -> String {
    let mut origins: Vec<_> = origins.iter().collect();
    origins.sort_by_key(|origin| (origin.bots > 0, &origin.name));
    let rows = origins.into_iter().map(|origin| {
        let [monitor, challenge, block] = &origin.thresholds;
        [
            origin.name.clone(),
            origin.rows.to_string(),
            origin.bots.to_string(),
            three(origin.roc_auc),
            three(Some(origin.log_loss)),
            three(Some(origin.mean_probability)),
            percent(flagged(monitor).0),
            percent(flagged(challenge).0),
            percent(flagged(block).0),
            percent(flagged(challenge).1),
        ]
    });
    render(&ORIGIN_COLUMNS, rows)
}

/// The share of all requests and of all clients that are flagged, bots or not.
fn flagged(threshold: &Threshold) -> (Option<f64>, Option<f64>) {
    let share = |confusion: &Confusion| {
        let flagged = confusion.true_positives + confusion.false_positives;
        let all = flagged + confusion.false_negatives + confusion.true_negatives;
        (all > 0).then(|| flagged as f64 / all as f64)
    };
    (share(&threshold.requests), share(&threshold.clients))
}

fn render<const N: usize>(
    columns: &'static [(&'static str, Alignment); N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new(columns.iter().map(|(_, alignment)| *alignment));
    table.row(columns.iter().map(|(name, _)| (*name).to_owned()));
    rows.for_each(|row| table.row(row));
    table.render(WIDTH, str::to_owned)
}

fn three(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.3}"))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}
