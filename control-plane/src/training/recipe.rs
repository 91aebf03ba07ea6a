//! What the recipe makes of a data set before any model learns: parts, and weights of rows.

use sallyport_core::Features;

use super::data::Dataset;
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

/// What each row counts, Σ = 1: its own weight over the `client_power` of its client's rows; then, where
/// it is set, all people together `person_weight` times as much as all bots.
pub fn weights(data: &Dataset, settings: &Settings) -> Vec<f64> {
    let sizes = data.group_sizes();
    let power = f64::from(settings.client_power);
    let mut weights: Vec<_> = data
        .examples()
        .iter()
        .map(|row| {
            let rows = f64::from(sizes.get(&row.group).copied().unwrap_or(1));
            f64::from(row.weight) / libm::pow(rows, power)
        })
        .collect();
    let of_class = |is_bot: bool| -> f64 {
        data.examples()
            .iter()
            .zip(&weights)
            .filter(|(row, _)| row.is_bot == is_bot)
            .map(|(_, weight)| weight)
            .sum()
    };
    let (bots, people) = (of_class(true), of_class(false));
    let [bot, person] = match settings.person_weight {
        Some(person) => {
            [1.0 / bots, f64::from(person) / people].map(|share| share / (1.0 + f64::from(person)))
        }
        None => [1.0 / (bots + people); 2],
    };
    for (weight, row) in weights.iter_mut().zip(data.examples()) {
        *weight *= if row.is_bot { bot } else { person };
    }
    weights
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
    use crate::training::data::Example;

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
        let settings = Settings { person_weight: Some(3.0), client_power: 0.5, ..Settings::default() };
        let weights = weights(&data(&rows), &settings);
        let expected = [1.0 / 24.0, 1.0 / 24.0, 1.0 / 24.0, 1.0 / 24.0, 1.0 / 12.0, 0.75];
        assert!(
            weights.iter().zip(expected).all(|(found, right)| (found - right).abs() < 1e-12),
            "{weights:?}"
        );
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
