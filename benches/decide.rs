//! Regressions of the engine alone: `cargo bench --bench decide`.
#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use retain::core::decide::decide;

mod records;

fn million(c: &mut Criterion) {
    let inventory = records::inventory(1_000_000, 50_000);
    let policy = records::policy(&inventory);
    let mut group = c.benchmark_group("1M checkpoints in 50k sessions");
    group.sample_size(10).throughput(Throughput::Elements(1_000_000));
    group.bench_function("decide: best 3, last 2, quota per owner", |b| {
        // What was decided is dropped outside the measurement.
        b.iter_batched(
            || (),
            |()| decide(&inventory, &policy, records::NOW),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("sort once per session", |b| b.iter(|| records::sort_once(&inventory)));
    group.finish();
}

criterion_group!(benches, million);
criterion_main!(benches);
