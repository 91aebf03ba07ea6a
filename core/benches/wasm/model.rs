//! The model's forward pass, 100,000 times with changing features: what `cargo xtask bench model` has V8 run, the
//! machine Envoy gives the filter. A program because its `main` can be called from outside without unsafe code.

use std::hint::black_box;
use std::process::ExitCode;

use sallyport_core::{FEATURE_COUNT, Features, Model};

/// Evaluations in one call; `xtask/src/bench/model/machine.js` divides by it.
const EVALUATIONS: u32 = 100_000;

/// Fails where not every answer was a number, so that nothing is timed that did not happen.
fn main() -> ExitCode {
    let Ok(model) = Model::built_in() else { return ExitCode::FAILURE };
    let mut state = 1_u32;
    let mut sum = 0.0;
    for _ in 0..EVALUATIONS {
        sum += black_box(&model).logit(&next(&mut state));
    }
    if sum.is_finite() && sum != 0.0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Seven numbers in [0, 1) from a linear congruential generator (Numerical Recipes).
fn next(state: &mut u32) -> Features {
    let values: [f32; FEATURE_COUNT] = std::array::from_fn(|_| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 8) as f32 / (1_u32 << 24) as f32
    });
    Features::new(values).unwrap_or_default()
}
