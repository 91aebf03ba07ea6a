//! From the parts of a data set to calibrated trees.

use sallyport_core::{Features, Model, Trees};

use super::{Growth, GrowthError, Table, Watch};
use crate::training::calibration::Calibration;
use crate::training::recipe::{Parts, calibration_weights, shown, weights};
use crate::training::{self, Progress, Settings, TrainError};

/// Share of clients that trees are calibrated on where the settings hold none out.
const CALIBRATION_SHARE: f32 = 0.1;

/// Grows a kind of trees on `parts.train` and calibrates them on `parts.validation`, or on a part of the training rows
/// that is held out for it: on rows that they have seen, trees look surer than they are.
pub(in crate::training) fn fit(
    grow: impl Fn(&Table, &Growth, u64, Watch<'_>) -> Result<Trees, GrowthError>,
    growth: &Growth,
    parts: &Parts,
    settings: &Settings,
    watch: training::Watch<'_>,
) -> Result<Trees, TrainError> {
    let parts = match parts.validation.is_empty() {
        true => {
            let settings = Settings { held_out: CALIBRATION_SHARE, ..settings.clone() };
            &Parts::without_test(parts.train.clone(), &settings)
        }
        false => parts,
    };
    let table = Table::new(shown(&parts.train, &weights(&parts.train, settings), settings))?;
    let trees = grow(&table, growth, settings.seed, &mut |step, steps| {
        watch(&Progress { epoch: 1, epochs: 1, step, steps, loss: 0.0, held_out_loss: None })
    })?;
    let model = Model::random_forest(trees.clone(), Features::default());
    let judged: Vec<_> =
        shown(&parts.validation, &calibration_weights(&parts.validation, settings), settings)
            .map(|(features, is_bot, weight)| (model.logit(&features), is_bot, weight))
            .collect();
    let Calibration { slope, shift } = Calibration::platt(&judged);
    Ok(trees.calibrated(slope, shift).map_err(GrowthError::Refused)?)
}

impl From<GrowthError> for TrainError {
    fn from(error: GrowthError) -> Self {
        match error {
            GrowthError::Cancelled => Self::Cancelled,
            other => Self::Trees(other.to_string()),
        }
    }
}
