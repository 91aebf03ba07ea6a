//! Training as a whole: it learns, it repeats itself, it refuses what it cannot learn from.

use std::ops::ControlFlow;

use sallyport_core::{Features, Network};

use super::random::Random;
use super::*;

/// Rows of 40 clients each class; bots are higher in every feature, with much overlap. `rows` per client.
fn clients(rows: usize, seed: u64) -> Dataset {
    let mut random = Random::new(seed);
    let mut data = Dataset::new();
    let origin = data.origin("made up");
    for group in 0..80 {
        let is_bot = group % 2 == 0;
        for _ in 0..rows {
            let base = if is_bot { 0.55 } else { 0.35 };
            let values = std::array::from_fn(|_| (base + 0.2 * random.normal()).clamp(0.0, 1.0) as f32);
            let features = Features::new(values).expect("in range");
            data.push(Example { features, is_bot, weight: 1.0, group, origin });
        }
    }
    data
}

fn quick() -> Settings {
    Settings { epochs: 6, batch_size: 32, ..Settings::default() }
}

fn trained(data: &Dataset, settings: &Settings) -> Result<Trained, TrainError> {
    train(data, settings, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn both_networks_learn_and_say_what_from() {
    let data = clients(10, 1);
    for monotone in [true, false] {
        let trained = trained(&data, &Settings { monotone, ..quick() }).expect("a model");
        let auc = trained.metrics.roc_auc.expect("both classes");
        assert!(auc > 0.9, "{auc}");
        assert_eq!(trained.metrics.rows, 160);
        assert_eq!((trained.data.rows, trained.data.groups, trained.data.held_out), (800, 80, true));
        assert_eq!(trained.histograms.rows(), 480);
        assert!(!monotone || trained.model.network().is_some_and(Network::is_monotone));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let data = clients(5, 1);
    let [one, same, other] = [7, 7, 8].map(|seed| {
        let trained = trained(&data, &Settings { seed, epochs: 2, ..quick() }).expect("a model");
        (trained.model.to_bytes(), trained.state)
    });
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[test]
fn probabilities_are_shares_on_clients_never_seen() {
    // Made-up rows of a client resemble one another no more than others, so each can be a client of its own.
    let mut data = Dataset::new();
    let origin = data.origin("made up");
    for (row, group) in clients(25, 3).examples().iter().zip(0..) {
        data.push(Example { group, origin, ..*row });
    }
    let settings = Settings { people_per_bot: None, masked: 0.0, epochs: 4, ..quick() };
    for monotone in [true, false] {
        let metrics = trained(&data, &Settings { monotone, ..settings.clone() }).expect("a model").metrics;
        assert!(metrics.calibration_error < 0.05, "{metrics:?}");
    }
}

#[test]
fn behaviour_carries_weight_where_the_user_agent_is_masked() {
    // The user agent tells all, behaviour most.
    let mut random = Random::new(9);
    let mut data = Dataset::new();
    let origin = data.origin("made up");
    for group in 0..600 {
        let is_bot = group % 2 == 0;
        let mut values = [if is_bot { 0.6 } else { 0.4 }; 7];
        values.iter_mut().for_each(|value| *value += (0.1 * random.normal()) as f32);
        values[1] = f32::from(u8::from(is_bot));
        let features = Features::new(values.map(|value| value.clamp(0.0, 1.0))).expect("in range");
        data.push(Example { features, is_bot, weight: 1.0, group, origin });
    }
    // Of the way from a person to a bot, how much behaviour alone makes up: calibration changes nothing about it.
    let [open, masked] = [0.0, 0.5].map(|masked| {
        let model = trained(&data, &Settings { masked, ..quick() }).expect("a model").model;
        let mut bot = [0.5; 7];
        bot[1] = 1.0;
        let [person, bot] = [[0.45, 0.0, 0.45, 0.45, 0.45, 0.45, 0.45], bot]
            .map(|values| Features::new(values).expect("in range"));
        let all = model.logit(&bot) - model.logit(&person);
        (model.logit(&bot.without_user_agent()) - model.logit(&person)) / all
    });
    assert!(masked > 1.5 * open, "{open} of it, then {masked}");
}

#[test]
fn what_cannot_be_learned_is_refused() {
    let refused = |data: &Dataset, settings: &Settings| trained(data, settings).expect_err("no model");
    let data = clients(5, 1);
    let of = |keep: &dyn Fn(&Example) -> bool| {
        let mut part = Dataset::new();
        part.origin("part");
        data.examples().iter().filter(|row| keep(row)).for_each(|row| part.push(*row));
        part
    };
    assert_eq!(refused(&of(&|row| row.is_bot), &quick()), DataError::OneClass("bot").into());
    assert_eq!(refused(&of(&|row| row.group < 2), &quick()), DataError::TooFew(10).into());
    for (epochs, batch_size) in [(0, 32), (1_000_000_000, 32), (5, 1), (5, 0)] {
        let error = refused(&data, &Settings { epochs, batch_size, ..quick() });
        assert!(matches!(error, TrainError::Settings(_)), "{error}");
    }
}

#[test]
fn few_rows_are_learned_from_in_smaller_batches() {
    let data = clients(2, 1);
    let bytes =
        |batch_size| trained(&data, &Settings { batch_size, ..quick() }).expect("a model").model.to_bytes();
    assert_eq!(bytes(65_536), bytes(16));
}

#[test]
fn training_stops_when_told_to() {
    let mut looks = 0;
    let error = train(&clients(20, 1), &Settings { batch_size: 2, ..quick() }, &mut |progress| {
        looks += 1;
        assert_eq!((progress.epoch, progress.held_out_loss), (1, None));
        ControlFlow::Break(())
    });
    assert_eq!((error.err(), looks), (Some(TrainError::Cancelled), 1));
}

#[test]
fn progress_counts_up_to_the_last_epoch() {
    let mut epochs = Vec::new();
    let watch = &mut |progress: &Progress| {
        if progress.step == progress.steps {
            epochs.push((progress.epoch, progress.held_out_loss.is_some()));
        }
        ControlFlow::Continue(())
    };
    train(&clients(2, 1), &Settings { epochs: 3, ..quick() }, watch).expect("a model");
    assert_eq!(epochs, [(1, true), (2, true), (3, true)]);
}

#[test]
fn patience_ends_what_no_longer_improves() {
    let settings = Settings { patience: 1, epochs: 60, learning_rate: 0.05, cosine: false, ..quick() };
    let trained = trained(&clients(4, 1), &settings).expect("a model");
    assert!(trained.epochs_run < 60, "{}", trained.epochs_run);
    assert!(trained.metrics.roc_auc.expect("both classes") > 0.85);
}

#[test]
fn trees_learn_by_the_same_recipe_and_are_calibrated() {
    let data = clients(20, 1);
    for kind in [ModelKind::RandomForest, ModelKind::GradientBoosting] {
        let plainly = Settings { kind, masked: 0.0, person_weight: None, people_per_bot: None, ..quick() };
        let trained = trained(&data, &plainly).expect("a model");
        assert_eq!((trained.model.kind(), trained.state, trained.epochs_run), (kind, None, 0));
        let auc = trained.metrics.roc_auc.expect("both classes");
        assert!(auc > 0.9, "{}: {auc}", kind.name());
        assert!(trained.metrics.calibration_error < 0.08, "{}", trained.metrics.calibration_error);
    }
}

#[test]
fn growing_trees_can_be_cancelled() {
    let settings = Settings { kind: ModelKind::RandomForest, ..quick() };
    let cancelled = train(&clients(10, 1), &settings, &mut |progress| {
        if progress.step >= 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(cancelled.err(), Some(TrainError::Cancelled));
}

#[test]
fn trees_are_calibrated_on_rows_they_have_not_seen_even_if_nothing_is_held_out() {
    let unseen = clients(20, 2);
    for kind in [ModelKind::RandomForest, ModelKind::GradientBoosting] {
        let trained = trained(&clients(20, 1), &Settings { kind, ..Settings::plain() }).expect("a model");
        assert!(!trained.data.held_out);
        let error = metrics::measure(&trained.model, &unseen).calibration_error;
        assert!(error < 0.08, "{}: {error}", kind.name());
    }
}
