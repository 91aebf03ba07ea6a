//! How to train: the numbers of the recipe, their defaults and limits.

use sallyport_core::ModelKind;
use serde::{Deserialize, Serialize};

/// The recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What kind of model.
    pub kind: ModelKind,
    /// Network: whether a feature that looks more like a bot may never lower the score.
    pub monotone: bool,
    /// Network: passes over the rows, 1 to 1,000.
    pub epochs: u32,
    /// Network: rows per step, 2 to 65,536; more than a 32nd of the rows means that, or 16. One row has no spread that
    /// batch normalisation could learn from.
    pub batch_size: u32,
    /// Starts every choice that is left to chance: the same rows and seed give the same model, byte for byte.
    pub seed: u64,
    /// Network: Adam's step at the start, in (0, 1].
    pub learning_rate: f32,
    /// Network: whether the step falls to 0 along half a cosine.
    pub cosine: bool,
    /// Network: share of a layer's units that is silent in a training step, in [0, 0.9].
    pub dropout: f32,
    /// Monotone network: batch norm's shift at the start, in [0, 10]. From 2 on, units begin in their linear range, which carries
    /// over best from few rows of one site; with simulated rows among them, 0 does.
    pub monotone_shift: f32,
    /// Share of rows whose feature `user_agent` is set to 0, in [0, 1], so that behaviour must carry weight.
    pub masked: f32,
    /// How much more all people together count than all bots, in [0.01, 100]: refusing people is the worse mistake. `None`
    /// leaves the classes at the weight of their rows.
    pub person_weight: Option<f32>,
    /// A client's n rows count n^(1 − this) together, in [0, 1]: 0.5 is the root of their number.
    pub client_power: f32,
    /// An origin's rows of weight w count w^(1 − this) together, in [0, 0.9], lest one log or scenario drown all others.
    pub origin_power: f32,
    /// The traffic that calibration is for: how much more all people's rows count in it than all bots', in [0.01, 100]. `None`: as in
    /// the held-out rows. Then 0.9 means nine of ten there.
    pub people_per_bot: Option<f32>,
    /// Share of clients held out for early stopping and calibration, and as many again for the metrics; in [0, 0.4].
    pub held_out: f32,
    /// Network: epochs without a lower loss on the held-out clients after which training stops; 0 never stops early.
    pub patience: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: ModelKind::Neural,
            monotone: true,
            epochs: 8,
            batch_size: 256,
            seed: 7,
            learning_rate: 0.003,
            cosine: true,
            dropout: 0.3,
            monotone_shift: 3.0,
            masked: 0.5,
            person_weight: Some(1.0),
            client_power: 0.75,
            origin_power: 0.5,
            people_per_bot: Some(8.0),
            held_out: 0.2,
            patience: 0,
        }
    }
}

impl Settings {
    /// The network's training as textbooks have it: Adam at a constant rate over all rows, each counting the same, nothing
    /// masked, nothing held out. What comparisons with other programs need.
    pub fn plain() -> Self {
        Self {
            monotone: false,
            epochs: 10,
            batch_size: 32,
            learning_rate: 1e-3,
            cosine: false,
            masked: 0.0,
            person_weight: None,
            client_power: 0.0,
            origin_power: 0.0,
            people_per_bot: None,
            held_out: 0.0,
            ..Self::default()
        }
    }

    /// The same with simulated rows among those to learn from: they reach where few rows of one site do not.
    pub fn beside_simulation(self) -> Self {
        Self { monotone_shift: 0.0, ..self }
    }

    /// Every mistake, as (setting, what to write instead).
    pub fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let within = |value: f32, low: f32, high: f32| (low..=high).contains(&value);
        let checks = [
            ("epochs", (1..=1000).contains(&self.epochs), "write 1 to 1000"),
            (
                "batch_size",
                (2..=65_536).contains(&self.batch_size),
                "write 2 to 65536: one row has no spread that batch normalisation could learn from",
            ),
            ("learning_rate", within(self.learning_rate, 1e-7, 1.0), "write 0.0000001 to 1, such as 0.001"),
            ("dropout", within(self.dropout, 0.0, 0.9), "write 0 to 0.9"),
            ("monotone_shift", within(self.monotone_shift, 0.0, 10.0), "write 0 to 10"),
            ("masked", within(self.masked, 0.0, 1.0), "write 0 to 1"),
            (
                "person_weight",
                self.person_weight.is_none_or(|weight| within(weight, 0.01, 100.0)),
                "write 0.01 to 100",
            ),
            ("client_power", within(self.client_power, 0.0, 1.0), "write 0 to 1"),
            ("origin_power", within(self.origin_power, 0.0, 0.9), "write 0 to 0.9"),
            (
                "people_per_bot",
                self.people_per_bot.is_none_or(|people| within(people, 0.01, 100.0)),
                "write 0.01 to 100",
            ),
            ("held_out", within(self.held_out, 0.0, 0.4), "write 0 to 0.4"),
            ("patience", self.patience <= 1000, "write 0 to 1000"),
        ];
        checks.into_iter().filter(|(_, fine, _)| !fine).map(|(key, _, message)| (key, message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_fine() {
        assert_eq!(Settings::default().problems(), []);
        assert_eq!(Settings::plain().problems(), []);
    }

    #[test]
    fn every_mistake_is_named() {
        let wrong = Settings {
            epochs: 1_000_000_000,
            batch_size: 1,
            learning_rate: f32::NAN,
            dropout: 1.0,
            monotone_shift: -1.0,
            masked: -0.1,
            person_weight: Some(f32::INFINITY),
            client_power: 2.0,
            origin_power: -1.0,
            people_per_bot: Some(0.0),
            held_out: 0.5,
            patience: 1001,
            ..Settings::default()
        };
        let keys: Vec<_> = wrong.problems().into_iter().map(|(key, _)| key).collect();
        let all = [
            "epochs",
            "batch_size",
            "learning_rate",
            "dropout",
            "monotone_shift",
            "masked",
            "person_weight",
            "client_power",
            "origin_power",
            "people_per_bot",
            "held_out",
            "patience",
        ];
        assert_eq!(keys, all);
        assert_eq!(Settings { epochs: 0, ..Settings::default() }.problems()[0].0, "epochs");
    }

    #[test]
    fn what_json_leaves_out_is_as_by_default() {
        let read: Settings =
            serde_json::from_str(r#"{"epochs": 3, "kind": "random_forest"}"#).expect("settings");
        assert_eq!(read, Settings { epochs: 3, kind: ModelKind::RandomForest, ..Settings::default() });
        assert!(serde_json::from_str::<Settings>(r#"{"epoch": 3}"#).is_err());
    }
}
