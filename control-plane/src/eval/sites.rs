//! What was measured on each kind of simulated site, on sites of each trait, and by what the gate saw: the worst first.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde::Serialize;

use super::contestants::Contestant;
use super::rows::Rows;
use crate::training::Metrics;
use crate::training::curve::Confusion;

/// The rows of sites that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct SiteFigures {
    /// What they have in common: `kind`, `traits`, or what was `seen` of the traffic.
    pub(super) sort: &'static str,
    /// Which.
    pub(super) name: &'static str,
    /// Clients that are people.
    pub(super) people: u64,
    /// Share of them with a request that scores 70 or more; `None` without people.
    pub(super) people_refused: Option<f64>,
    /// Share of them with a request that scores 90 or more.
    pub(super) people_blocked: Option<f64>,
    /// Clients that are bots.
    pub(super) bots: u64,
    /// Share of them with a request that scores 70 or more; `None` without bots.
    pub(super) bots_refused: Option<f64>,
    /// Area under the ROC curve, per request; `None` unless there are both.
    pub(super) roc_auc: Option<f64>,
    /// The same per client.
    pub(super) client_roc_auc: Option<f64>,
}

/// One for each kind, for each set of traits, and for each way to be seen; none where nothing was simulated.
pub(super) fn figures(contestant: &Contestant, rows: &Rows) -> Vec<SiteFigures> {
    let all: BTreeSet<_> = rows.places.iter().flatten().flat_map(|place| place.names()).collect();
    let mut figures: Vec<_> = all
        .into_iter()
        .filter_map(|named| {
            let metrics = contestant.measure(&rows.of(|place| place.names().contains(&named)))?;
            Some(SiteFigures::of(named, &metrics))
        })
        .collect();
    figures.sort_by(SiteFigures::worst_first);
    figures
}

impl SiteFigures {
    fn of((sort, name): (&'static str, &'static str), metrics: &Metrics) -> Self {
        let [_, challenge, block] = &metrics.thresholds;
        let Confusion { true_positives, false_positives, false_negatives, true_negatives } =
            challenge.clients;
        Self {
            sort,
            name,
            people: false_positives + true_negatives,
            people_refused: challenge.client_false_positive_rate,
            people_blocked: block.client_false_positive_rate,
            bots: true_positives + false_negatives,
            bots_refused: challenge.clients.recall(),
            roc_auc: metrics.roc_auc,
            client_roc_auc: metrics.client_roc_auc,
        }
    }

    /// Where more people are refused; then where more are blocked; then where bots are told apart less well.
    fn worst_first(&self, other: &Self) -> Ordering {
        let harm = |one: &Self| (one.people_refused.unwrap_or(0.0), one.people_blocked.unwrap_or(0.0));
        let (own, others) = (harm(self), harm(other));
        others.0.total_cmp(&own.0).then(others.1.total_cmp(&own.1)).then_with(|| {
            let auc = |one: &Self| one.roc_auc.unwrap_or(1.0);
            auc(self).total_cmp(&auc(other))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_that_refuses_most_people_comes_first() {
        let site = |name, refused, blocked, auc| SiteFigures {
            sort: "kind",
            name,
            people: 10,
            people_refused: refused,
            people_blocked: blocked,
            bots: 10,
            bots_refused: Some(1.0),
            roc_auc: auc,
            client_roc_auc: None,
        };
        let mut sites = [
            site("nobody", None, None, None),
            site("good", Some(0.0), Some(0.0), Some(0.9)),
            site("blocks", Some(0.2), Some(0.1), Some(0.9)),
            site("refuses", Some(0.2), Some(0.0), Some(0.9)),
            site("worst", Some(0.3), Some(0.0), Some(0.99)),
        ];
        sites.sort_by(SiteFigures::worst_first);
        assert_eq!(sites.map(|site| site.name), ["worst", "blocks", "refuses", "good", "nobody"]);
    }
}
