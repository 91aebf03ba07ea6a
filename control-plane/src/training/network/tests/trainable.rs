//! Folding, state, monotonicity and online steps.

use proptest::prelude::*;
use sallyport_core::{Features, Model, Network};

use super::super::{OnlineStep, Row, Start, StateError, Step, Trainable};
use crate::training::Example;
use crate::training::random::Random;
use pulp::NullaryFnOnce as _;

fn features(random: &mut Random) -> Features {
    Features::new(std::array::from_fn(|_| random.unit() as f32)).expect("in range")
}

fn example(random: &mut Random) -> Example {
    let features = features(random);
    let is_bot = features.values()[1] + features.values()[2] > 1.0;
    Example { features, is_bot, weight: 1.0, group: 0, origin: 0 }
}

/// A network after some steps.
fn trained(monotone: bool, seed: u64) -> Trainable {
    let mut random = Random::new(seed);
    let mut network = Trainable::new(
        Start { dropout: 0.3, ..if monotone { Start::MONOTONE } else { Start::UNCONSTRAINED } },
        seed,
    );
    for _ in 0..20 {
        let rows: Vec<_> = (0..16).map(|_| Row::from(&example(&mut random))).collect();
        network.step(&rows, 0.01);
    }
    network
}

fn model(network: &Trainable) -> Model {
    Model::neural(network.fold().expect("finite"), Features::default())
}

#[test]
fn core_computes_what_the_trainer_evaluates() {
    for monotone in [false, true] {
        let mut network = trained(monotone, 2);
        let model = model(&network);
        let mut random = Random::new(5);
        for _ in 0..5_000 {
            let features = features(&mut random);
            let (core, own) = (model.logit(&features), network.evaluate(&features).clamp(-8.0, 8.0));
            assert!((core - own).abs() < 1e-5, "{core} is not {own}");
        }
    }
}

#[test]
fn a_state_comes_back_whole_or_not_at_all() {
    let network = trained(true, 1);
    let state = network.to_state();
    let again = Trainable::from_state(&state).expect("a state");
    assert!(again.is_monotone());
    assert_eq!(again.fold(), network.fold());
    assert_eq!(again.to_state(), state);
    for at in (0..state.len()).step_by(331) {
        let mut flipped = state.clone();
        flipped[at] ^= 4;
        assert_eq!(Trainable::from_state(&flipped).err(), Some(StateError::Damaged), "byte {at}");
        assert_eq!(Trainable::from_state(&state[..at]).err(), Some(StateError::Damaged), "cut at {at}");
    }
}

#[test]
fn wide_vectors_give_the_same_bits() {
    let mut random = Random::new(8);
    let examples: Vec<_> = (0..19).map(|_| example(&mut random)).collect();
    let rows: Vec<_> = examples.iter().map(Row::from).collect();
    let (mut wide, mut narrow) = (trained(false, 3), trained(false, 3));
    let losses = (wide.step(&rows, 0.01), wide.online_step(&examples, 0.01));
    narrow.batch.fill(&rows);
    let step = Step { network: &mut narrow, rows: &rows, rate: 0.01 }.call();
    let online = OnlineStep { network: &mut narrow, rows: &rows, rate: 0.01 }.call();
    assert_eq!(losses, (step, online));
    assert_eq!(wide.to_state(), narrow.to_state());
}

#[test]
fn one_row_alone_is_no_batch() {
    let mut network = trained(false, 1);
    let before = network.to_state();
    assert_eq!(network.step(&[Row::from(&example(&mut Random::new(1)))], 0.1), 0.0);
    assert_eq!(network.online_step(&[], 0.1), 0.0);
    assert_eq!(network.to_state(), before);
}

#[test]
fn an_online_step_goes_towards_its_label_and_only_so_far() {
    let mut random = Random::new(6);
    let mut network = trained(true, 4);
    for weight in [1.0, 1e9] {
        let row = Example { is_bot: true, weight, ..example(&mut random) };
        let before = network.clone();
        let logit = network.evaluate(&row.features);
        let loss = network.online_step(&[row], 0.01);
        assert!(loss > 0.0 && network.evaluate(&row.features) > logit);
        let moved = network
            .parameters
            .slices()
            .into_iter()
            .flatten()
            .zip(before.parameters.slices().into_iter().flatten());
        let length = moved.map(|(now, then)| (now - then).powi(2)).sum::<f32>().sqrt();
        assert!(length < 0.0101, "{length}");
        assert_eq!(network.running, before.running);
    }
}

#[test]
fn calibration_stretches_the_log_odds() {
    let mut network = trained(true, 4);
    let features = features(&mut Random::new(2));
    let before = network.evaluate(&features);
    network.calibrate(2.0, -0.5);
    assert!((network.evaluate(&features) - (2.0 * before - 0.5)).abs() < 1e-5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_monotone_network_stays_so_whatever_it_is_taught(
        seed: u64,
        rate in 0.001_f32..0.3,
        feature in 0_usize..7,
        raised in 0.0_f32..=1.0,
    ) {
        let mut random = Random::new(seed);
        let mut network = Trainable::new(Start { dropout: 0.3, ..Start::MONOTONE }, seed);
        for _ in 0..4 {
            // Labels that contradict the order.
            let rows: Vec<_> = (0..8).map(|_| Row { target: random.unit() as f32, ..Row::from(&example(&mut random)) }).collect();
            network.step(&rows, rate);
            network.online_step(&[Example { is_bot: false, ..example(&mut random) }], rate);
        }
        prop_assert!(network.fold().is_some_and(|network| Network::is_monotone(&network)));
        let model = model(&network);
        for _ in 0..20 {
            let low = features(&mut random);
            let mut more = *low.values();
            more[feature] = more[feature].max(raised);
            let high = Features::new(more).expect("in range");
            prop_assert!(model.logit(&high) >= model.logit(&low) - 1e-5);
        }
    }
}
