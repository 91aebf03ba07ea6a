//! The rows a model learns from: features, labels, weights, whose they are and where they came from.

use std::collections::BTreeMap;

use sallyport_core::{FEATURE_COUNT, Features};
use sha2::{Digest as _, Sha256};

use super::random::mix;

/// Fewer rows teach nothing.
const LEAST_ROWS: usize = 20;

/// One labelled row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    /// The features as they were when the request was judged.
    pub features: Features,
    /// Whether a bot sent it.
    pub is_bot: bool,
    /// How much the row counts, above 0, before the weights of clients and classes.
    pub weight: f32,
    /// Whose it is. Rows of one client are never split between training and test.
    pub group: u64,
    /// Where it came from: index into [`Dataset::origins`].
    pub origin: u16,
}

/// Labelled rows and the names of their origins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    examples: Vec<Example>,
    origins: Vec<String>,
}

/// Why nothing can be learned from a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Too few rows.
    #[error("{0} labelled rows are too few: at least {LEAST_ROWS} are needed")]
    TooFew(usize),
    /// Only bots or only people.
    #[error("every row is labelled {0}: both bots and people are needed")]
    OneClass(&'static str),
    /// The features do not differ.
    #[error("all rows have the same features: there is nothing to tell bots from people by")]
    AllEqual,
    /// A weight is no positive number.
    #[error("row {0}: the weight must be a number above 0")]
    Weight(usize),
}

impl Dataset {
    /// No rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// The index of an origin (a scenario, a log, "feedback"), which is added if it is new. More than 65,535 origins
    /// share the last index.
    pub fn origin(&mut self, name: &str) -> u16 {
        let index = self.origins.iter().position(|known| known == name).unwrap_or_else(|| {
            if self.origins.len() < usize::from(u16::MAX) {
                self.origins.push(name.to_owned());
            }
            self.origins.len() - 1
        });
        index as u16
    }

    /// Adds a row. Its origin must come from [`Dataset::origin`].
    pub fn push(&mut self, example: Example) {
        self.examples.push(example);
    }

    /// Adds the rows of another set. Equal names of origins become one; groups stay what they are.
    pub fn append(&mut self, other: Self) {
        let origins: Vec<_> = other.origins.iter().map(|name| self.origin(name)).collect();
        self.examples.extend(other.examples.into_iter().map(|example| Example {
            origin: origins.get(usize::from(example.origin)).copied().unwrap_or_default(),
            ..example
        }));
    }

    /// The rows.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// The names of the origins.
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// How many rows are labelled bot.
    pub fn bots(&self) -> usize {
        self.examples.iter().filter(|example| example.is_bot).count()
    }

    /// The number of rows of each client.
    pub fn group_sizes(&self) -> BTreeMap<u64, u32> {
        let mut sizes = BTreeMap::new();
        for example in &self.examples {
            *sizes.entry(example.group).or_default() += 1;
        }
        sizes
    }

    /// Splits by client into (rest, held out); `held_out` in [0, 1] is the share of clients that is held out.
    ///
    /// Each class of each origin is split on its own, so that both parts have both classes wherever two clients of a
    /// class come from one origin. The same rows and seed give the same split, and so do the same clients in another order.
    pub fn split(self, held_out: f32, seed: u64) -> (Self, Self) {
        let taken = self.held_out_groups(held_out, seed);
        let mut parts = [Self { examples: Vec::new(), origins: self.origins.clone() }, Self::default()];
        parts[1].origins = self.origins;
        for example in self.examples {
            parts[usize::from(taken.contains(&example.group))].examples.push(example);
        }
        parts.into()
    }

    fn held_out_groups(&self, held_out: f32, seed: u64) -> std::collections::HashSet<u64> {
        // (bots, rows, first origin) of each client; a client is what most of its rows are.
        let mut clients: BTreeMap<u64, (u32, u32, u16)> = BTreeMap::new();
        for example in &self.examples {
            let (bots, rows, origin) = clients.entry(example.group).or_insert((0, 0, example.origin));
            *bots += u32::from(example.is_bot);
            *rows += 1;
            *origin = example.origin.min(*origin);
        }
        let mut strata: BTreeMap<(u16, bool), Vec<u64>> = BTreeMap::new();
        for (group, (bots, rows, origin)) in clients {
            strata.entry((origin, 2 * bots > rows)).or_default().push(group);
        }
        let mut taken = std::collections::HashSet::new();
        for mut groups in strata.into_values() {
            let share = f64::from(held_out.clamp(0.0, 1.0)) * groups.len() as f64;
            let count = match groups.len() {
                _ if held_out <= 0.0 => 0,
                1 => 0,
                many => (share.round() as usize).clamp(1, many - 1),
            };
            groups.sort_unstable_by_key(|group| mix(group ^ mix(seed)));
            taken.extend(groups.into_iter().take(count));
        }
        taken
    }

    /// The same rows, each weight times `factor`.
    pub fn scaled(mut self, factor: f32) -> Self {
        self.examples.iter_mut().for_each(|example| example.weight *= factor);
        self
    }

    /// SHA-256 of all rows in their order with the names of their origins.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for name in &self.origins {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
        }
        for example in &self.examples {
            for value in example.features.values() {
                hash.update(value.to_le_bytes());
            }
            hash.update([u8::from(example.is_bot)]);
            hash.update(example.weight.to_le_bytes());
            hash.update(example.group.to_le_bytes());
            hash.update(example.origin.to_le_bytes());
        }
        hash.finalize().into()
    }

    /// An ordinary visitor: of each feature the median over people, a client's rows counting as the root of their number.
    /// All 0 without people.
    pub fn reference(&self) -> Features {
        let sizes = self.group_sizes();
        let people = self.examples.iter().filter(|example| !example.is_bot);
        let weighted: Vec<_> = people
            .map(|example| {
                let rows = sizes.get(&example.group).copied().unwrap_or(1);
                (example.features, f64::from(example.weight) / f64::from(rows).sqrt())
            })
            .collect();
        let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let median = |feature: usize| {
            let mut values: Vec<_> =
                weighted.iter().map(|(row, weight)| (row.values()[feature], *weight)).collect();
            values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let mut passed = 0.0;
            let at_half = values.iter().find(|(_, weight)| {
                passed += weight;
                passed >= total / 2.0
            });
            at_half.map_or(0.0, |(value, _)| *value)
        };
        Features::new(std::array::from_fn::<_, FEATURE_COUNT, _>(median)).unwrap_or_default()
    }

    /// Whether anything can be learned from the rows.
    ///
    /// # Errors
    /// See [`DataError`].
    pub fn check(&self) -> Result<(), DataError> {
        let (rows, bots) = (self.len(), self.bots());
        if rows < LEAST_ROWS {
            return Err(DataError::TooFew(rows));
        }
        if bots == 0 || bots == rows {
            return Err(DataError::OneClass(if bots == 0 { "human" } else { "bot" }));
        }
        let unusable = |example: &Example| !(example.weight > 0.0 && example.weight.is_finite());
        if let Some(row) = self.examples.iter().position(unusable) {
            return Err(DataError::Weight(row + 1));
        }
        match self.examples.windows(2).all(|pair| pair[0].features == pair[1].features) {
            true => Err(DataError::AllEqual),
            false => Ok(()),
        }
    }

    /// The same rows as if every client claimed a browser that nothing speaks against: the feature `user_agent` is 0.
    pub fn masked(&self) -> Self {
        let mut masked = self.clone();
        for example in &mut masked.examples {
            example.features = example.features.without_user_agent();
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(group: u64, is_bot: bool, value: f32) -> Example {
        let features = Features::new([value; FEATURE_COUNT]).expect("in range");
        Example { features, is_bot, weight: 1.0, group, origin: 0 }
    }

    fn of(rows: impl IntoIterator<Item = Example>) -> Dataset {
        let mut data = Dataset::new();
        data.origin("test");
        rows.into_iter().for_each(|example| data.push(example));
        data
    }

    #[test]
    fn what_teaches_nothing_is_refused() {
        let good = of((0..20).map(|i| row(i, i % 2 == 0, i as f32 / 20.0)));
        assert_eq!(good.check(), Ok(()));
        assert_eq!(of((0..10).map(|i| row(i, i % 2 == 0, 0.1))).check(), Err(DataError::TooFew(10)));
        assert_eq!(of((0..20).map(|i| row(i, true, 0.1))).check(), Err(DataError::OneClass("bot")));
        assert_eq!(of((0..20).map(|i| row(i, i % 2 == 0, 0.1))).check(), Err(DataError::AllEqual));
        let mut heavy = good.clone();
        heavy.push(Example { weight: f32::NAN, ..row(1, true, 0.5) });
        assert_eq!(heavy.check(), Err(DataError::Weight(21)));
    }

    #[test]
    fn origins_are_found_again() {
        let mut all = of([row(1, true, 0.5)]);
        let mut more = Dataset::new();
        let (other, test) = (more.origin("other"), more.origin("test"));
        more.push(Example { origin: other, ..row(2, false, 0.1) });
        more.push(Example { origin: test, ..row(3, false, 0.1) });
        all.append(more);
        assert_eq!(all.origins(), ["test", "other"]);
        assert_eq!(all.examples().iter().map(|row| row.origin).collect::<Vec<_>>(), [0, 1, 0]);
    }

    #[test]
    fn the_reference_is_the_median_person() {
        let people = [0.1, 0.2, 0.9].map(|value| row((value * 10.0) as u64, false, value));
        let bots = [1.0; 9].map(|value| row(77, true, value));
        assert_eq!(of(people.into_iter().chain(bots)).reference().values(), &[0.2; FEATURE_COUNT]);
        assert_eq!(of(bots).reference(), Features::default());
    }

    #[test]
    fn every_change_changes_the_fingerprint() {
        let data = of((0..4).map(|i| row(i, i % 2 == 0, 0.1)));
        let mut other = data.clone();
        other.examples[3].is_bot ^= true;
        assert_ne!(data.fingerprint(), other.fingerprint());
        assert_eq!(data.fingerprint(), data.clone().fingerprint());
    }

    #[test]
    fn masking_touches_the_user_agent_alone() {
        let masked = of([row(1, true, 0.5)]).masked();
        assert_eq!(masked.examples()[0].features.values(), &[0.5, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5]);
    }

    proptest! {
        #[test]
        fn a_split_keeps_clients_whole_and_both_classes_on_both_sides(
            rows in prop::collection::vec((0_u64..12, 0.0_f32..1.0), 1..80),
            held_out in 0.01_f32..0.99,
            seed: u64,
        ) {
            // Clients 0–5 are bots, 6–11 people.
            let data = of(rows.iter().map(|(group, value)| row(*group, *group < 6, *value)));
            let several = |is_bot: bool| {
                data.group_sizes().keys().filter(|group| (**group < 6) == is_bot).count() > 1
            };
            let both = [several(true), several(false)];
            let (rest, held) = data.clone().split(held_out, seed);
            prop_assert_eq!(rest.len() + held.len(), data.len());
            let kept = rest.group_sizes();
            prop_assert!(held.group_sizes().keys().all(|group| !kept.contains_key(group)));
            for (is_bot, several) in [true, false].into_iter().zip(both) {
                let on_both_sides = [&rest, &held].iter().all(|part| part.examples().iter().any(|row| row.is_bot == is_bot));
                prop_assert_eq!(on_both_sides, several);
            }
        }
    }
}
