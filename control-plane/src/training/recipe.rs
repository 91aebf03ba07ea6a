//! What the recipe makes of a data set before any model learns: parts, and weights of rows.

use sallyport_core::Features;

use super::data::{Dataset, Example};
use super::settings::Settings;

/// A data set split by client. The held-out parts may be empty.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// What the model learns from.
    pub train: Dataset,
    /// Held out for early stopping and calibration.
    pub validation: Dataset,
    /// Held out for the metrics.
    pub test: Dataset,
}

impl Parts {
    /// Splits by [`Settings::held_out`] and seed. A held-out part that would lack bots or people goes back into training.
    pub fn of(data: Dataset, settings: &Settings) -> Self {
        let (rest, test) = hold_out(data, settings.held_out, settings.seed);
        let share = settings.held_out / (1.0 - settings.held_out);
        let (train, validation) = hold_out(rest, share, settings.seed.wrapping_add(1));
        Self { train, validation, test }
    }

    /// Splits no test part off: for data that is judged elsewhere.
    pub fn without_test(data: Dataset, settings: &Settings) -> Self {
        let (train, validation) = hold_out(data, settings.held_out, settings.seed.wrapping_add(1));
        Self { train, validation, test: Dataset::default() }
    }
}

fn hold_out(data: Dataset, share: f32, seed: u64) -> (Dataset, Dataset) {
    let has_both = |part: &Dataset| (1..part.len()).contains(&part.bots());
    let (mut rest, held) = data.split(share, seed);
    if has_both(&held) && has_both(&rest) {
        return (rest, held);
    }
    rest.append(held);
    (rest, Dataset::default())
}

/// What each row counts in training, Σ = 1: its own weight over the `client_power` of its client's rows, over the
/// `origin_power` of its origin's weight; then, where it is set, all people together `person_weight` times as much as all bots.
pub fn weights(data: &Dataset, settings: &Settings) -> Vec<f64> {
    weights_by(data, settings, settings.person_weight)
}

/// What each row counts in calibration: the same, with `people_per_bot` instead of `person_weight`.
pub fn calibration_weights(data: &Dataset, settings: &Settings) -> Vec<f64> {
    weights_by(data, settings, settings.people_per_bot)
}

fn weights_by(data: &Dataset, settings: &Settings, people_per_bot: Option<f32>) -> Vec<f64> {
    let mut weights = client_weights(data, settings);
    let power = f64::from(settings.origin_power);
    let factors: Vec<_> =
        origin_weights(data, &weights).into_iter().map(|weight| libm::pow(weight, -power)).collect();
    for (row, weight) in data.examples().iter().zip(&mut weights) {
        *weight *= factors[usize::from(row.origin)];
    }
    let rows = || data.examples().iter().zip(&weights);
    let of_class =
        |is_bot| rows().filter(|(row, _)| row.is_bot == is_bot).map(|(_, weight)| weight).sum::<f64>();
    let (bots, people) = (of_class(true), of_class(false));
    let [bot, person] = match people_per_bot.map(f64::from) {
        Some(ratio) => [1.0 / bots, ratio / people].map(|share| share / (1.0 + ratio)),
        None => [1.0 / (bots + people); 2],
    };
    for (weight, row) in weights.iter_mut().zip(data.examples()) {
        *weight *= if row.is_bot { bot } else { person };
    }
    weights
}

/// A row's own weight over the `client_power` of its client's rows.
fn client_weights(data: &Dataset, settings: &Settings) -> Vec<f64> {
    let sizes = data.group_sizes();
    let power = f64::from(settings.client_power);
    let weight = |row: &Example| {
        let rows = f64::from(sizes.get(&row.group).copied().unwrap_or(1));
        f64::from(row.weight) / libm::pow(rows, power)
    };
    data.examples().iter().map(weight).collect()
}

/// Adds `other` to `data` so that its rows make up `share`, in (0, 1), of the weight of all before classes are balanced. All of
/// it where `data` is empty. The two have no origin in common.
pub fn mix(data: Dataset, other: Dataset, share: f32, settings: &Settings) -> Dataset {
    let power = 1.0 - f64::from(settings.origin_power);
    let total = |part: &Dataset| {
        let weights = origin_weights(part, &client_weights(part, settings));
        weights.into_iter().map(|weight| libm::pow(weight, power)).sum::<f64>()
    };
    let share = f64::from(share);
    let factor = libm::pow(share / (1.0 - share) * total(&data) / total(&other), 1.0 / power);
    let mut mixed = data;
    let factor = if mixed.is_empty() || other.is_empty() { 1.0 } else { factor as f32 };
    mixed.append(other.scaled(factor));
    mixed
}

/// The weight of each origin's rows.
fn origin_weights(data: &Dataset, weights: &[f64]) -> Vec<f64> {
    let mut of_origin = vec![0.0; data.origins().len().max(1)];
    for (row, weight) in data.examples().iter().zip(weights) {
        of_origin[usize::from(row.origin)] += weight;
    }
    of_origin
}

/// The rows as the recipe shows them to a model, in the long run: each as it is and with its feature `user_agent` put to
/// 0, in the shares that [`Settings::masked`] says. Features, whether it is a bot, weight.
pub fn shown<'a>(
    data: &'a Dataset,
    weights: &'a [f64],
    settings: &Settings,
) -> impl Iterator<Item = (Features, bool, f64)> + 'a {
    let masked = f64::from(settings.masked);
    data.examples().iter().zip(weights).flat_map(move |(row, weight)| {
        let shares = [(row.features, 1.0 - masked), (row.features.without_user_agent(), masked)];
        let shown = move |(features, share)| (features, row.is_bot, weight * share);
        shares.into_iter().filter(|(_, share)| *share > 0.0).map(shown)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(rows: &[(u64, bool)]) -> Dataset {
        let mut data = Dataset::new();
        data.origin("test");
        let features = Features::default();
        let example = |(group, is_bot): &(u64, bool)| Example {
            features,
            is_bot: *is_bot,
            weight: 1.0,
            group: *group,
            origin: 0,
        };
        rows.iter().for_each(|row| data.push(example(row)));
        data
    }

    #[test]
    fn clients_count_as_the_root_of_their_rows_and_people_more() {
        let rows = [(1, true), (1, true), (1, true), (1, true), (2, true), (3, false)];
        let settings = Settings {
            person_weight: Some(3.0),
            client_power: 0.5,
            origin_power: 0.0,
            ..Settings::default()
        };
        let weights = weights(&data(&rows), &settings);
        let expected = [1.0 / 24.0, 1.0 / 24.0, 1.0 / 24.0, 1.0 / 24.0, 1.0 / 12.0, 0.75];
        assert!(
            weights.iter().zip(expected).all(|(found, right)| (found - right).abs() < 1e-12),
            "{weights:?}"
        );
    }

    #[test]
    fn origins_and_classes_are_balanced() {
        let mut rows = data(&[(1, true), (2, false), (3, false), (4, true), (5, false)]);
        let mut more = Dataset::new();
        let origin = more.origin("other");
        rows.examples()[..2]
            .iter()
            .for_each(|row| more.push(Example { origin, group: row.group + 9, ..*row }));
        rows.append(more);
        let settings = Settings { origin_power: 1.0, people_per_bot: Some(3.0), ..Settings::default() };
        let found = calibration_weights(&rows, &settings);
        let sum = |keep: &dyn Fn(&Example) -> bool| {
            rows.examples()
                .iter()
                .zip(&found)
                .filter(|(row, _)| keep(row))
                .map(|(_, weight)| weight)
                .sum::<f64>()
        };
        assert!((sum(&|row| row.is_bot) - 0.25).abs() < 1e-12);
        // The other origin has two rows of seven; as much as the first, its bot counts 5/2 of each of the first's two.
        assert!((found[5] / found[0] - 2.5).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn mixed_in_rows_make_up_their_share() {
        let settings = Settings { client_power: 1.0, person_weight: None, ..Settings::default() };
        let own = data(&[(1, true), (1, true), (2, false)]);
        let mut scenarios = Dataset::new();
        for (name, group) in [("one", 3), ("two", 4), ("two", 5)] {
            let origin = scenarios.origin(name);
            scenarios.push(Example { origin, group, ..own.examples()[0] });
        }
        let mixed = mix(own.clone(), scenarios, 0.25, &settings);
        let share: f64 = weights(&mixed, &settings)[3..].iter().sum();
        assert!((share - 0.25).abs() < 1e-6, "{share}");
        assert_eq!(mix(Dataset::new(), own.clone(), 0.25, &settings), own);
    }

    #[test]
    fn plainly_every_row_counts_the_same() {
        let rows = [(1, true), (1, true), (2, false)];
        assert!(
            weights(&data(&rows), &Settings::plain()).iter().all(|weight| (weight - 1.0 / 3.0).abs() < 1e-12)
        );
    }

    #[test]
    fn rows_are_shown_as_they_are_and_masked() {
        let rows = data(&[(1, true)]);
        let weights = |masked| {
            let settings = Settings { masked, ..Settings::default() };
            shown(&rows, &[2.0], &settings).map(|(_, _, weight)| weight).collect::<Vec<_>>()
        };
        assert_eq!(weights(0.25), [1.5, 0.5]);
        assert_eq!(weights(0.0), [2.0]);
        assert_eq!(weights(1.0), [2.0]);
    }

    #[test]
    fn a_part_without_both_classes_goes_back_into_training() {
        let few = Parts::of(data(&[(1, true), (2, true), (3, false)]), &Settings::default());
        assert_eq!((few.train.len(), few.validation.len(), few.test.len()), (3, 0, 0));
        let many: Vec<_> = (0..100).map(|group| (group, group % 2 == 0)).collect();
        let parts = Parts::of(data(&many), &Settings::default());
        assert_eq!((parts.train.len(), parts.validation.len(), parts.test.len()), (60, 20, 20));
    }
}
