//! Simulated rows of every scenario: what is rehearsed with each label, and what is measured on.

use std::sync::OnceLock;

use sallyport_core::{Engine, FEATURE_COUNT, Features, HashKey, Model, ModelError, Policy, Ranges};

use crate::simulate;
pub(super) use crate::simulate::Settings;
use crate::training::random::{Random, mix};
use crate::training::{Dataset, Example};

/// Another world than the one that the model of the first day was trained on.
const SEED: u64 = 0xba5e;

/// How large a simulation the rows are drawn from; 1 is about 120,000 requests.
const SCALE: f32 = 0.2;

/// Rows of each scenario in either part.
const ROWS: usize = 60;

/// Rows of every kind of visitor, to hold on to what was learned before.
#[derive(Clone, Debug)]
pub struct Base {
    /// To be learned again with every label.
    pub rehearsed: Dataset,
    /// To measure on; of other visitors.
    pub reserved: Dataset,
}

impl Base {
    /// Simulated rows: always the same ones, whatever judges. The first call takes up to a second.
    ///
    /// # Errors
    /// None as built: the model that ships is read.
    pub fn simulated() -> Result<&'static Self, ModelError> {
        static BASE: OnceLock<Base> = OnceLock::new();
        match BASE.get() {
            Some(base) => Ok(base),
            None => {
                let made = Self::of(&Settings { seed: SEED, scale: SCALE, ..Settings::default() }, ROWS)?;
                Ok(BASE.get_or_init(|| made))
            }
        }
    }

    /// Of each scenario at most `rows` in either part, drawn evenly from all its requests.
    pub(super) fn of(settings: &Settings, rows: usize) -> Result<Self, ModelError> {
        let ranges = Ranges::default();
        let key = HashKey::from_bytes(*b"sallyport's base");
        let engine = Engine::new(Policy::default(), Model::built_in()?, ranges, key, 0).refusing_nobody();
        let mut parts = [Draw::new(rows, SEED), Draw::new(rows, SEED + 1)];
        simulate::judged(settings, &engine, |request, judged| {
            let visitor = mix(u64::from(request.visitor) ^ mix(request.scenario as u64));
            let half = usize::from(visitor & 1 == 1);
            parts[half].offer(request.scenario as usize, visitor, judged.decision.features);
        });
        let [rehearsed, reserved] = parts.map(Draw::into_dataset);
        Ok(Self { rehearsed, reserved })
    }
}

/// An even choice of rows for each scenario (reservoir sampling, Vitter 1985).
struct Draw {
    rows: usize,
    random: Random,
    /// Per scenario: how many were offered, and those that were chosen, with their visitors.
    chosen: Vec<(u32, Vec<(u64, Features)>)>,
}

impl Draw {
    fn new(rows: usize, seed: u64) -> Self {
        let chosen = simulate::Scenario::ALL.iter().map(|_| (0, Vec::new())).collect();
        Self { rows, random: Random::new(seed), chosen }
    }

    fn offer(&mut self, scenario: usize, visitor: u64, features: Features) {
        let Some((offered, chosen)) = self.chosen.get_mut(scenario) else { return };
        *offered += 1;
        if chosen.len() < self.rows {
            chosen.push((visitor, features));
        } else if let Some(slot) = chosen.get_mut(self.random.below(*offered) as usize) {
            *slot = (visitor, features);
        }
    }

    /// Every other row as if its client claimed a browser that nothing speaks against, so that behaviour counts.
    fn into_dataset(self) -> Dataset {
        let mut data = Dataset::new();
        for (scenario, (_, rows)) in simulate::Scenario::ALL.into_iter().zip(self.chosen) {
            let origin = data.origin(scenario.name());
            for (number, (group, features)) in rows.into_iter().enumerate() {
                let mut values: [f32; FEATURE_COUNT] = *features.values();
                if number % 2 == 1 {
                    values[1] = 0.0;
                }
                let features = Features::new(values).unwrap_or(features);
                data.push(Example { features, is_bot: scenario.is_bot(), weight: 1.0, group, origin });
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_scenario_is_in_both_parts_and_no_visitor_is() {
        let settings = Settings { seed: 1, scale: 0.02, ..Settings::default() };
        let base = Base::of(&settings, 5).expect("built-in model");
        let groups = |data: &Dataset| data.examples().iter().map(|row| row.group).collect::<HashSet<_>>();
        assert!(groups(&base.rehearsed).is_disjoint(&groups(&base.reserved)));
        for part in [&base.rehearsed, &base.reserved] {
            part.check().expect("fit to train on");
            assert!(part.len() <= 5 * simulate::Scenario::ALL.len());
        }
        let again = Base::of(&settings, 5).expect("built-in model");
        assert_eq!(again.reserved.fingerprint(), base.reserved.fingerprint());
    }
}
