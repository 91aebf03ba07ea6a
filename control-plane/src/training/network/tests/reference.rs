//! The forward pass once more, in f64 and as plainly as can be.

use super::super::batch::Batch;
use super::super::hidden::{EPSILON, Hidden, Kept, Statistics};
use super::super::parameters::{Parameters, Running};
use super::super::{Row, Trainable};

/// All parameters as f64, in the order of [`Parameters::slices`].
pub(super) fn values(parameters: &Parameters) -> Vec<Vec<f64>> {
    parameters.slices().iter().map(|slice| slice.iter().map(|value| f64::from(*value)).collect()).collect()
}

/// What stays the same while parameters are moved a little: normalisation by the batch or by running statistics, and the
/// gates of ReLU and dropout.
pub(super) struct Frozen {
    running: Option<[[Vec<f64>; 2]; 3]>,
    gates: [Vec<Vec<f64>>; 3],
}

impl Frozen {
    /// As the network's last pass went; `steady` with its running statistics.
    pub(super) fn of(network: &Trainable, steady: bool) -> Self {
        let Running { first, second, third } = &network.running;
        let Batch { first: a, second: b, third: c, .. } = &network.batch;
        Self {
            running: steady.then(|| [statistics(first), statistics(second), statistics(third)]),
            gates: [gates(a), gates(b), gates(c)],
        }
    }

    /// The loss of the rows under the parameters.
    pub(super) fn loss(&self, parameters: &[Vec<f64>], rows: &[Row]) -> f64 {
        let mut values: Vec<Vec<f64>> =
            rows.iter().map(|row| row.features.iter().map(|value| f64::from(*value)).collect()).collect();
        for layer in 0..3 {
            let [weights, biases, scales, shifts] = &parameters[4 * layer..4 * layer + 4] else {
                unreachable!()
            };
            let sums: Vec<_> = values.iter().map(|row| dense(row, weights, biases)).collect();
            let [mean, variance] = match &self.running {
                Some(running) => running[layer].clone(),
                None => moments(&sums),
            };
            let activated = |(sums, gates): (&Vec<f64>, &Vec<f64>)| {
                let unit = |unit: usize| {
                    let normal = (sums[unit] - mean[unit]) / (variance[unit] + f64::from(EPSILON)).sqrt();
                    (normal * scales[unit] + shifts[unit]) * gates[unit]
                };
                (0..sums.len()).map(unit).collect::<Vec<_>>()
            };
            values = sums.iter().zip(&self.gates[layer]).map(activated).collect();
        }
        let loss = |(row, values): (&Row, &Vec<f64>)| {
            let logit = dense(values, &parameters[12], &parameters[13])[0];
            let target = f64::from(row.target);
            let [bot, person] = [-logit, logit].map(|wrong| wrong.exp().ln_1p());
            f64::from(row.weight) * (target * bot + (1.0 - target) * person)
        };
        rows.iter().zip(&values).map(loss).sum::<f64>() / rows.len() as f64
    }
}

fn dense(input: &[f64], weights: &[f64], biases: &[f64]) -> Vec<f64> {
    let outputs = biases.len();
    let sum = |out: usize| {
        biases[out]
            + input
                .iter()
                .enumerate()
                .map(|(index, value)| value * weights[index * outputs + out])
                .sum::<f64>()
    };
    (0..outputs).map(sum).collect()
}

/// Mean and biased variance of each column.
fn moments(rows: &[Vec<f64>]) -> [Vec<f64>; 2] {
    let column = |unit: usize, of: &dyn Fn(f64) -> f64| {
        rows.iter().map(|row| of(row[unit])).sum::<f64>() / rows.len() as f64
    };
    let mean: Vec<_> = (0..rows[0].len()).map(|unit| column(unit, &|value| value)).collect();
    let variance = (0..mean.len()).map(|unit| column(unit, &|value| (value - mean[unit]).powi(2))).collect();
    [mean, variance]
}

fn statistics<const OUT: usize>(running: &Statistics<OUT>) -> [Vec<f64>; 2] {
    [&running.mean, &running.variance].map(|values| values.iter().map(|value| f64::from(*value)).collect())
}

fn gates<const OUT: usize>(kept: &Kept<OUT>) -> Vec<Vec<f64>> {
    kept.gates.iter().map(|row| row.iter().map(|value| f64::from(*value)).collect()).collect()
}

/// Moves every bias, scale and shift off its start, so that no term is 0 or 1 by chance.
pub(super) fn unsettle(network: &mut Trainable) {
    let mut random = crate::training::random::Random::new(3);
    fn layer<const IN: usize, const OUT: usize>(
        hidden: &mut Hidden<IN, OUT>,
        draw: &mut impl FnMut() -> f32,
    ) {
        for value in hidden.biases.iter_mut().chain(&mut hidden.scales).chain(&mut hidden.shifts) {
            *value += 0.5 * draw();
        }
    }
    let mut draw = || random.unit() as f32;
    let parameters = &mut network.parameters;
    layer(&mut parameters.first, &mut draw);
    layer(&mut parameters.second, &mut draw);
    layer(&mut parameters.third, &mut draw);
    for value in network.running.slices_mut().into_iter().flatten() {
        *value += 0.3 * draw();
    }
}
