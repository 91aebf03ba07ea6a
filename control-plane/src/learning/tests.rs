//! What learning can do, and what it cannot be made to do.

use sallyport_core::{Model, Network};

use super::base::{Base, Settings};
use super::reserve::Quality;
use super::testing::label;
use super::{Examined, Label, Learned, Learner, Recipe};
use crate::simulate::Scenario;
use crate::store::RequestId;
use crate::training::metrics::measure;
use crate::training::{Dataset, Example};

/// The policy's threshold.
const CHALLENGE: f32 = 70.0;

/// Cheaper than in service.
const RECIPE: Recipe = Recipe { steps: 1, pace: 4.0, base_rows: 48, label_rows: 8 };

fn base() -> Base {
    Base::of(&Settings { seed: 11, scale: 0.06, ..Settings::default() }, 24).expect("built-in model")
}

fn learner(model: &Model, base: &Base) -> Learner {
    Learner::new(model, model, base, CHALLENGE).expect("a network").by(RECIPE)
}

fn labels<'a>(rows: impl IntoIterator<Item = &'a Example>, is_true: bool) -> impl Iterator<Item = Label> {
    let rows: Vec<_> = rows.into_iter().copied().collect();
    rows.into_iter().zip(1..).map(move |(row, id)| Label {
        id,
        request_id: RequestId::parse(&id.to_string()),
        created_ms: 1,
        features: row.features,
        is_bot: row.is_bot == is_true,
        client: Some(id.cast_unsigned()),
        token: Some(1),
    })
}

/// Learns all labels, examined after every so many, and answers what judges at the end.
fn taught(learner: &mut Learner, model: &Model, labels: impl Iterator<Item = Label>, every: i64) -> Model {
    let mut judging = model.clone();
    for label in labels {
        learner.learn(&label);
        if label.id % every == 0
            && let Examined::Fit(model, _) = learner.examine()
        {
            judging = *model;
        }
    }
    judging
}

/// The model as if it had never learned to look at some features.
fn blind(model: &Model, features: &[usize]) -> Model {
    let mut parameters: Vec<_> = model.network().expect("a network").parameters().collect();
    for feature in features {
        parameters[feature * Network::LAYERS[1]..][..Network::LAYERS[1]].fill(0.0);
    }
    Model::neural(Network::new(&parameters).expect("finite"), *model.reference())
}

#[test]
fn five_thousand_wrong_labels_of_one_token_move_nothing_that_counts() {
    let (base, model) = (base(), Model::built_in().expect("built-in model"));
    let before = learner(&model, &base).reserve().anchor_quality();
    let rows = base.rehearsed.examples();
    let wrong = labels(rows.iter().cycle().take(5_000), false);
    // Hardly anything is rehearsed, so that the bounds alone must hold.
    let mut learner = learner(&model, &base).by(Recipe { base_rows: 6, label_rows: 4, ..RECIPE });
    let judging = taught(&mut learner, &model, wrong, 125);
    let Quality { roc_auc, log_loss, false_positive_rate } = learner.reserve().quality(&judging);
    assert!((roc_auc - before.roc_auc).abs() < 0.01, "{before:?}, then {roc_auc}");
    assert!(log_loss < before.log_loss + 0.02, "{before:?}, then {log_loss}");
    assert!(false_positive_rate <= before.false_positive_rate, "{before:?}, then {false_positive_rate}");
    let counts = learner.counts();
    assert!(counts.said_enough > 3_000 && counts.learned < 1_000, "{counts:?}");
}

#[test]
fn two_hundred_honest_labels_teach_a_scenario_that_the_model_was_bad_at() {
    let base = base();
    let model = blind(&Model::built_in().expect("built-in model"), &[2, 3]);
    let settings =
        Settings { seed: 5, scale: 0.5, scenarios: vec![Scenario::FixedScraper], ..Settings::default() };
    let scenario = Base::of(&settings, 200).expect("built-in model");
    let honest = labels(scenario.rehearsed.examples(), true);
    let judging = taught(&mut learner(&model, &base), &model, honest, 40);

    let of = |rows: &[&[Example]]| {
        let mut data = Dataset::new();
        let origin = data.origin("held out");
        rows.concat().into_iter().for_each(|row| data.push(Example { origin, ..row }));
        data
    };
    let people: Vec<_> = base.reserved.examples().iter().filter(|row| !row.is_bot).copied().collect();
    let bots = of(&[scenario.reserved.examples()]);
    let (before, after) = (measure(&model, &bots).log_loss, measure(&judging, &bots).log_loss);
    assert!(after < 0.9 * before, "{before} then {after}");
    let all = of(&[scenario.reserved.examples(), &people]);
    let (before, after) = (measure(&model, &all), measure(&judging, &all));
    assert!(after.roc_auc > before.roc_auc, "{:?} then {:?}", before.roc_auc, after.roc_auc);
    assert!(judging.network().is_some_and(Network::is_monotone));
    assert!(after.at_challenge().false_positive_rate <= before.at_challenge().false_positive_rate);
}

#[test]
fn a_label_is_learned_at_once_and_one_client_is_soon_heard_enough() {
    let (base, model) = (base(), Model::built_in().expect("built-in model"));
    let mut learner = learner(&model, &base);
    assert_eq!(learner.examine(), Examined::Unchanged);
    let client = (0..).find(|client| !super::reserve::Reserve::holds(Some(*client))).expect("one");
    assert_eq!(learner.learn(&label(1, client, 0.4, true)), Learned::Step);
    let Examined::Fit(after, _) = learner.examine() else { panic!("one label does no harm") };
    let features = label(1, client, 0.4, true).features;
    assert!(after.logit(&features) > model.logit(&features));
    let later: Vec<_> = (2..40).map(|id| learner.learn(&label(id, client, 0.4, true))).collect();
    assert_eq!((later[0], later[37]), (Learned::Step, Learned::SaidEnough));
    assert_eq!(learner.learn(&label(41, client + 1, 0.4, false)), Learned::Contradicts);
    assert_eq!(learner.contradictions().0, 1);
}

#[test]
fn what_makes_it_worse_is_reverted_whole() {
    let (base, model) = (base(), Model::built_in().expect("built-in model"));
    let reckless = Recipe { steps: 4, pace: 1_000.0, base_rows: 0, label_rows: 8 };
    let mut learner = Learner::new(&model, &model, &base, CHALLENGE).expect("a network").by(reckless);
    let bots = base.rehearsed.examples().iter().filter(|row| row.is_bot);
    for label in labels(bots, false) {
        learner.learn(&label);
    }
    assert!(matches!(learner.examine(), Examined::Reverted(_)));
    assert_eq!(learner.examine(), Examined::Unchanged);
    let client = (0..).find(|client| !super::reserve::Reserve::holds(Some(*client))).expect("one");
    let mut learner = learner.by(Recipe { pace: 0.0, ..RECIPE });
    learner.learn(&Label { token: Some(2), ..label(9_999, client, 0.11, false) });
    let Examined::Fit(after, _) = learner.examine() else { panic!("nothing of it is left") };
    assert!(learner.reserve().distance(&after) < 1e-3);
}

#[test]
fn who_has_said_enough_cannot_take_back_what_others_said() {
    let (base, model) = (base(), Model::built_in().expect("built-in model"));
    let mut learner = learner(&model, &base).by(Recipe { base_rows: 1, ..RECIPE });
    // One token talks until nobody listens, each time of another client that behaves in its own way.
    let mut heard = 0;
    for id in 1..1_000 {
        let row = label(id, id.cast_unsigned(), 0.0, false);
        heard += i64::from(learner.learn(&row) != Learned::SaidEnough);
    }
    assert!((500..900).contains(&heard), "{heard}");
    let client = (10_000..).find(|client| !super::reserve::Reserve::holds(Some(*client))).expect("one");
    let honest = |id, client| Label { token: Some(2), ..label(id, client, 0.9, true) };
    assert_eq!(learner.learn(&honest(2_000, client)), Learned::Step);
    for id in 2_001..2_020 {
        assert_eq!(learner.learn(&label(id, client, 0.9, false)), Learned::SaidEnough);
    }
    assert!(learner.contradictions().0 >= 19, "it is shown");
    let next = (client + 1..).find(|client| !super::reserve::Reserve::holds(Some(*client))).expect("one");
    assert_eq!(learner.learn(&honest(2_020, client)), Learned::Step, "and takes nothing back");
    assert_eq!(learner.learn(&honest(2_021, next)), Learned::Step);
}

#[test]
fn labels_that_contradict_or_were_reverted_are_rehearsed_no_more() {
    let (base, model) = (base(), Model::built_in().expect("built-in model"));
    let mut clients = (1..).filter(|client| !super::reserve::Reserve::holds(Some(*client)));
    let mut next = || clients.next().expect("one");
    let mut learner = learner(&model, &base);
    learner.learn(&label(1, next(), 0.3, true));
    learner.learn(&label(2, next(), 0.6, true));
    assert_eq!(learner.rehearsed(), [1, 2]);
    learner.learn(&label(3, next(), 0.3, false));
    assert_eq!(learner.rehearsed(), [2]);
    assert!(matches!(learner.examine(), Examined::Fit(..)));

    let mut learner = learner.by(Recipe { steps: 4, pace: 1_000.0, base_rows: 0, label_rows: 8 });
    for id in 4..30 {
        learner.learn(&Label { token: Some(id), ..label(id, next(), 0.97, false) });
    }
    assert!(matches!(learner.examine(), Examined::Reverted(_)));
    assert_eq!(learner.rehearsed(), [2], "what was fit stays");
}

#[test]
fn the_same_labels_give_the_same_model() {
    let (base, model) = (base(), Model::built_in().expect("built-in model"));
    let run = || {
        let honest = labels(base.rehearsed.examples().iter().take(60), true);
        taught(&mut learner(&model, &base), &model, honest, 40).to_bytes()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_forest_does_not_learn() {
    let base = base();
    let leaf = vec![sallyport_core::TreeNode::leaf(0.5)];
    let trees = sallyport_core::Trees::new([1.0, 0.0, 0.0], &[leaf]).expect("sound");
    let forest = Model::random_forest(trees, sallyport_core::Features::default());
    assert!(Learner::new(&forest, &forest, &base, CHALLENGE).is_none());
}
