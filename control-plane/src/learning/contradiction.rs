//! Labels that contradict one another: counted and shown, and kept out of learning, not averaged away.

use std::collections::VecDeque;

use serde::Serialize;
use utoipa::ToSchema;

use super::Label;

/// Labels that a new one is held against.
const REMEMBERED: usize = 2_048;

/// Contradictions that are listed.
const LISTED: usize = 100;

/// Features that differ by no more than this each are alike.
const ALIKE: f32 = 0.01;

/// What two labels contradict each other about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// One client was called both.
    SameClient,
    /// Two clients behaved alike.
    LikeFeatures,
}

/// Two labels of which at most one can be right, or that behaviour cannot tell apart. Neither is learned from.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Contradiction {
    /// What about.
    pub about: About,
    /// The request of the later label.
    pub request_id: String,
    /// What it says.
    pub is_bot: bool,
    /// The request of the earlier label, which says the opposite.
    pub earlier_request_id: String,
    /// When the later label was given, Unix ms.
    pub ts_ms: u64,
}

/// The labels of late, and where they contradicted.
#[derive(Clone, Debug, Default)]
pub struct Contradictions {
    labels: VecDeque<Label>,
    listed: VecDeque<Contradiction>,
    total: u64,
}

impl Contradictions {
    /// Holds a label against those that are remembered, and lists it where it contradicts. Answers the numbers of the
    /// labels that it contradicts.
    pub fn find(&mut self, label: &Label) -> Vec<i64> {
        let mut against = Vec::new();
        let mut first = None;
        for earlier in self.labels.iter().rev().filter(|earlier| earlier.is_bot != label.is_bot) {
            let about = match (earlier.client, label.client) {
                (Some(a), Some(b)) if a == b => About::SameClient,
                _ if earlier.is_like(label) => About::LikeFeatures,
                _ => continue,
            };
            against.push(earlier.id);
            first.get_or_insert_with(|| Contradiction {
                about,
                request_id: label.request_id.to_string(),
                is_bot: label.is_bot,
                earlier_request_id: earlier.request_id.to_string(),
                ts_ms: label.created_ms,
            });
        }
        if let Some(contradiction) = first {
            self.total += 1;
            push_bounded(&mut self.listed, contradiction, LISTED);
        }
        against
    }

    /// Remembers a label: later ones are held against it.
    pub fn remember(&mut self, label: &Label) {
        push_bounded(&mut self.labels, label.clone(), REMEMBERED);
    }

    /// How many labels contradicted an earlier one.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The latest contradictions, newest first.
    pub fn listed(&self) -> impl Iterator<Item = &Contradiction> {
        self.listed.iter().rev()
    }
}

impl Label {
    fn is_like(&self, other: &Self) -> bool {
        let mut pairs = self.features.values().iter().zip(other.features.values());
        pairs.all(|(a, b)| (a - b).abs() <= ALIKE)
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    if queue.len() >= limit {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::testing::label;

    impl Contradictions {
        fn found(&mut self, label: &Label) -> Vec<i64> {
            let against = self.find(label);
            self.remember(label);
            against
        }
    }

    #[test]
    fn like_features_and_the_same_client_contradict() {
        let mut contradictions = Contradictions::default();
        assert!(contradictions.found(&label(1, 1, 0.5, true)).is_empty());
        assert!(contradictions.found(&label(2, 2, 0.5, true)).is_empty(), "agreement is none");
        assert!(contradictions.found(&label(3, 3, 0.6, false)).is_empty(), "other behaviour is none");
        assert_eq!(contradictions.found(&label(4, 4, 0.505, false)), [2, 1]);
        assert_eq!(contradictions.found(&label(5, 1, 0.9, false)), [1]);
        assert_eq!(contradictions.total(), 2);
        let listed: Vec<_> = contradictions.listed().map(|c| (c.about, c.request_id.as_str())).collect();
        assert_eq!(listed, [(About::SameClient, "request-5"), (About::LikeFeatures, "request-4")]);
    }

    #[test]
    fn memory_stays_bounded() {
        let mut contradictions = Contradictions::default();
        for number in 0..3_000 {
            contradictions.found(&label(number, number as u64, 0.5, number % 2 == 0));
        }
        assert_eq!((contradictions.labels.len(), contradictions.listed.len()), (REMEMBERED, LISTED));
        assert_eq!(contradictions.total(), 2_999);
    }
}
