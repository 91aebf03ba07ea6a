//! What learning costs while the control plane serves: `cargo bench -p sallyport --bench learning`.
#![expect(clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sallyport::learning::{Base, Label, Learned, Learner};
use sallyport::store::RequestId;
use sallyport::training::network::{Row, Start};
use sallyport::training::{Example, Trainable};
use sallyport_core::{FEATURE_COUNT, Features, Model};

/// The new label and what is learnt again with it.
const ROWS: u32 = 16;
/// Rows per step of training.
const BATCH: u32 = 32;

/// So many rows with features that differ; every other one is a bot.
fn examples(count: u32) -> Vec<Example> {
    let feature = |row: u32, feature: usize| (row * 31 + feature as u32 * 17) % 100;
    (0..count)
        .map(|row| {
            let values: [f32; FEATURE_COUNT] = std::array::from_fn(|at| feature(row, at) as f32 / 100.0);
            Example {
                features: Features::new(values).expect("in range"),
                is_bot: row % 2 == 0,
                weight: 1.0,
                group: u64::from(row),
                origin: 0,
            }
        })
        .collect()
}

fn learning(c: &mut Criterion) {
    let mut network = Trainable::new(Start { dropout: 0.3, ..Start::MONOTONE }, 7);
    let rows: Vec<Row> = examples(BATCH).iter().map(Row::from).collect();
    c.bench_function("training step of 32 rows", |b| b.iter(|| network.step(black_box(&rows), 1e-4)));

    let base = Base::simulated().expect("built-in model");
    let model = Model::built_in().expect("built-in model");
    let learner = Learner::new(&model, &model, base, 70.0).expect("a network");
    let label = |id: i64| Label {
        id,
        request_id: RequestId::parse(""),
        created_ms: 0,
        features: *model.reference(),
        is_bot: false,
        client: Some(id.cast_unsigned()),
        token: Some(id),
    };
    // Of one client in five the labels are reserved, and cost nothing.
    let heard = (1..100).map(label).find(|label| learner.clone().learn(label) == Learned::Step);
    let heard = heard.expect("a client that is not reserved");
    c.bench_function("a label learnt as in service", |b| {
        b.iter_batched_ref(
            || learner.clone(),
            |learner| learner.learn(black_box(&heard)),
            BatchSize::LargeInput,
        );
    });
    c.bench_function("the working copy examined", |b| {
        b.iter(|| learner.reserve().examine(black_box(&model)).expect("no worse than itself"));
    });

    let mut network = Trainable::from_state(&network.to_state()).expect("its own state");
    let label = examples(ROWS);
    c.bench_function("online update: a label and 15 older rows, folded", |b| {
        b.iter(|| {
            network.online_step(black_box(&label), 1e-4);
            network.fold().expect("finite")
        });
    });
}

criterion_group!(benches, learning);
criterion_main!(benches);
