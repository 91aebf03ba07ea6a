//! The rows that are judged: labelled features, and what the whole judge said of the requests they come from.

use std::collections::HashSet;

use anyhow::bail;
use sallyport_core::{Action, Decision, FEATURE_COUNT, FEATURE_NAMES, Features};

use crate::simulate::Place;
use crate::training::{Dataset, Example};

/// Labelled rows.
#[derive(Clone, Default)]
pub(super) struct Rows {
    pub(super) data: Dataset,
    /// Per row what the whole judge said; `None` unless every row comes from a request.
    pub(super) judged: Option<Vec<Verdict>>,
    /// Per row the simulated site that it was sent to; `None` for rows that were not simulated.
    pub(super) places: Vec<Option<Place>>,
}

impl Rows {
    /// Adds rows that are nobody's requests.
    pub(super) fn append(&mut self, data: Dataset) {
        self.judged = None;
        self.places.extend(std::iter::repeat_n(None, data.len()));
        self.data.append(data);
    }

    /// The rows of one place, or of whatever else is asked of it.
    pub(super) fn of(&self, is_it: impl Fn(&Place) -> bool) -> Self {
        let chosen: Vec<_> = self.places.iter().map(|place| place.as_ref().is_some_and(&is_it)).collect();
        let mut data = Dataset::new();
        let origin = data.origin("place");
        for (row, _) in self.data.examples().iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
            data.push(Example { origin, ..*row });
        }
        let judged = self.judged.as_ref().map(|judged| keep(judged, &chosen));
        Self { places: keep(&self.places, &chosen), data, judged }
    }

    /// Splits by client: what to train on, and the rows to judge.
    pub(super) fn split(self, share: f32, seed: u64) -> (Dataset, Self) {
        let groups: Vec<_> = self.data.examples().iter().map(|row| row.group).collect();
        let (rest, held_out) = self.data.split(share, seed);
        let held: HashSet<_> = held_out.examples().iter().map(|row| row.group).collect();
        let chosen: Vec<_> = groups.iter().map(|group| held.contains(group)).collect();
        let judged = self.judged.map(|judged| keep(&judged, &chosen));
        (rest, Self { data: held_out, judged, places: keep(&self.places, &chosen) })
    }

    /// The same rows as if nothing were known of these features; nobody's requests.
    pub(super) fn masked(&self, mask: &Mask) -> Self {
        let mut data = Dataset::new();
        for name in self.data.origins() {
            data.origin(name);
        }
        for row in self.data.examples() {
            data.push(Example { features: mask.apply(&row.features), ..*row });
        }
        Self { data, judged: None, places: self.places.clone() }
    }
}

/// Those that were chosen.
fn keep<T: Copy>(all: &[T], chosen: &[bool]) -> Vec<T> {
    all.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(one, _)| *one).collect()
}

/// The features that are put to 0, which nothing speaks against.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Mask([bool; FEATURE_COUNT]);

impl Mask {
    /// The mask of these features.
    ///
    /// # Errors
    /// If there is no feature of a name.
    pub(super) fn new(names: &[String]) -> anyhow::Result<Self> {
        let mut mask = Self::default();
        for name in names {
            match FEATURE_NAMES.iter().position(|known| known == name) {
                Some(index) => mask.0[index] = true,
                None => bail!("--mask {name}: no such feature; write {}", FEATURE_NAMES.join(", ")),
            }
        }
        Ok(mask)
    }

    /// Whether it hides nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0 == [false; FEATURE_COUNT]
    }

    /// What it hides.
    pub(super) fn names(&self) -> Vec<&'static str> {
        FEATURE_NAMES.into_iter().zip(self.0).filter_map(|(name, hidden)| hidden.then_some(name)).collect()
    }

    fn apply(&self, features: &Features) -> Features {
        let mut values = *features.values();
        for (value, hidden) in values.iter_mut().zip(self.0) {
            if hidden {
                *value = 0.0;
            }
        }
        Features::new(values).unwrap_or_default()
    }
}

/// What the whole judge said of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    /// Its score as a probability.
    pub(super) probability: f32,
    /// The same, kept on the side of the thresholds on which its action lies: what one finding alone would block is only
    /// challenged, and a rate limit refuses as a challenge does.
    pub(super) acted: f32,
}

impl Verdict {
    pub(super) fn of(decision: &Decision) -> Self {
        let (lowest, highest) = match decision.action {
            Action::Allow => (0.0, 0.499_99),
            Action::Monitor => (0.5, 0.699_99),
            Action::Challenge | Action::RateLimit => (0.7, 0.899_99),
            Action::Block => (0.9, 1.0),
        };
        let probability = decision.score / 100.0;
        Self { probability, acted: probability.clamp(lowest, highest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let mut data = Dataset::new();
        let origin = data.origin("a log");
        for row in 0..60 {
            let features = Features::new([row as f32 / 60.0; FEATURE_COUNT]).expect("in range");
            data.push(Example {
                features,
                is_bot: row % 2 == 0,
                weight: 1.0,
                group: row / 4 * 2 + row % 2,
                origin,
            });
        }
        let verdict = |row: &Example| Verdict { probability: row.features.values()[0], acted: 0.0 };
        let judged = data.examples().iter().map(verdict).collect();
        Rows { data, judged: Some(judged), places: vec![None; 60] }
    }

    #[test]
    fn a_split_keeps_verdicts_with_their_rows() {
        let (rest, held_out) = rows().split(0.4, 3);
        assert!(rest.len() > 10 && held_out.data.len() > 10);
        assert_eq!(rest.len() + held_out.data.len(), 60);
        let judged = held_out.judged.expect("verdicts");
        assert_eq!(judged.len(), held_out.data.len());
        for (row, said) in held_out.data.examples().iter().zip(judged) {
            assert_eq!(row.features.values()[0], said.probability);
        }
    }

    #[test]
    fn a_mask_hides_what_it_names_and_nothing_else() {
        let mask = Mask::new(&["user_agent".to_owned(), "burst".to_owned()]).expect("features");
        let masked = rows().masked(&mask);
        let [rate, agent, .., failed, burst] = *masked.data.examples()[30].features.values();
        assert_eq!((rate, agent, failed, burst), (0.5, 0.0, 0.5, 0.0));
        assert!(masked.judged.is_none());
        assert_eq!(mask.names(), ["user_agent", "burst"]);
        assert!(Mask::default().is_empty() && !mask.is_empty());
    }

    #[test]
    fn an_unknown_feature_is_told_with_the_known_ones() {
        let message = Mask::new(&["ua".to_owned()]).expect_err("refused").to_string();
        assert!(message.contains("user_agent"), "{message}");
    }

    #[test]
    fn what_was_only_challenged_counts_as_challenged() {
        let decided = |score, action| Verdict::of(&Decision { score, action, ..Decision::default() });
        assert_eq!(decided(97.0, Action::Challenge).probability, 0.97);
        assert!(decided(97.0, Action::Challenge).acted < 0.9);
        assert_eq!(decided(97.0, Action::Block).acted, 0.97);
        assert_eq!(decided(20.0, Action::Allow).acted, 0.2);
        assert_eq!(decided(20.0, Action::RateLimit).acted, 0.7);
    }
}
