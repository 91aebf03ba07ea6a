//! Rows and labels for the tests of this module.

use sallyport_core::{FEATURE_COUNT, Features, Model, Network};

use super::Label;
use crate::store::RequestId;
use crate::training::random::Random;
use crate::training::{Dataset, Example};

/// A row whose features are all `value`.
pub(super) fn example(value: f32, is_bot: bool) -> Example {
    let features = Features::new([value; FEATURE_COUNT]).expect("in range");
    Example { features, is_bot, weight: 1.0, group: 0, origin: 0 }
}

/// A label of client `client` whose features are all `value`.
pub(super) fn label(id: i64, client: u64, value: f32, is_bot: bool) -> Label {
    let features = Features::new([value; FEATURE_COUNT]).expect("in range");
    let request_id = RequestId::parse(&format!("request-{id}"));
    Label {
        id,
        request_id,
        created_ms: 1_000 + id.cast_unsigned(),
        features,
        is_bot,
        client: Some(client),
        token: Some(1),
    }
}

/// People with low features and bots with high ones, `count` of each, the borders overlapping.
pub(super) fn two_kinds(count: usize) -> Dataset {
    let mut random = Random::new(3);
    let mut data = Dataset::new();
    let origin = data.origin("two kinds");
    for group in 0..2 * count as u64 {
        let is_bot = group % 2 == 1;
        let from = if is_bot { 0.25 } else { 0.0 };
        let features = std::array::from_fn(|_| from + 0.5 * random.unit() as f32);
        let features = Features::new(features).expect("in range");
        data.push(Example { features, is_bot, weight: 1.0, group, origin });
    }
    data
}

/// A network whose log-odds are higher by `by`.
pub(super) fn shifted(model: &Model, by: f32) -> Model {
    let mut parameters: Vec<_> = model.network().expect("a network").parameters().collect();
    *parameters.last_mut().expect("a bias") += by;
    Model::neural(Network::new(&parameters).expect("finite"), *model.reference())
}

/// A network whose log-odds are 12 times the feature `request_rate` less 4.5: nowhere as sure as can be.
pub(super) fn gentle() -> Model {
    let mut parameters = vec![0.0; Network::PARAMETERS];
    let mut layer = 0;
    for pair in Network::LAYERS.windows(2) {
        parameters[layer] = if pair[1] == 1 { 12.0 } else { 1.0 };
        layer += (pair[0] + 1) * pair[1];
    }
    *parameters.last_mut().expect("a bias") = -4.5;
    Model::neural(Network::new(&parameters).expect("finite"), Features::default())
}
