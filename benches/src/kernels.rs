//! Kernels over an array that lies in the arena, beside the read bandwidth of two threads over the same pages.

use std::error::Error;
use std::time::Duration;

use arena_client::{Params, Value};
use arenactl::measure::limits;

use crate::arena::Arena;
use crate::report::Report;
use crate::timing::{interleave, timed};

const SECTION: &str = "kernels";
const LIMIT: &str = "read, 2 threads";
const MEBIBYTE: f64 = 1_048_576.0;

/// GB/s of each reduction with two workers.
pub(crate) fn run(bytes: u64, rounds: usize, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let arena = Arena::start(bytes, 2)?;
    let object = arena.put()?;
    let uniform: Params = [
        ("bins".to_owned(), Value::Int(256)),
        ("range".to_owned(), Value::Floats(vec![0.0, 1.0])),
    ]
    .into();
    let kernels = [
        ("sum", 1, Params::new()),
        ("mean", 1, Params::new()),
        ("std", 1, Params::new()),
        ("min", 1, Params::new()),
        ("max", 1, Params::new()),
        ("dot", 2, Params::new()),
        ("histogram", 1, uniform),
    ];
    let mut reads = Vec::new();
    let mut runs = Vec::new();
    for (kernel, inputs, params) in &kernels {
        let seconds = interleave(
            rounds,
            &mut [&mut || limits::read_time(object.bytes()), &mut || {
                timed(|| {
                    let job = arena.client.run(kernel).params(params.clone());
                    (0..*inputs)
                        .fold(job, |job, _| job.input(&object))
                        .call()
                        .expect("the array suits the kernel")
                })
            }],
        );
        let rate = |seconds: f64| bytes as f64 / seconds / 1e9;
        reads.push(rate(seconds[0]));
        runs.push((kernel, f64::from(*inputs) * rate(seconds[1])));
    }
    report.figure(SECTION, LIMIT, crate::timing::median(reads.clone()), "GB/s");
    for ((kernel, rate), read) in runs.into_iter().zip(reads) {
        let goal = (*kernel == "sum").then_some(">= 0.9");
        report.beside(SECTION, kernel, (rate, read), "GB/s", LIMIT, goal);
    }
    Ok(())
}

/// Memory of the array with more and more workers that read it.
pub(crate) fn memory(bytes: u64, report: &mut Report) -> Result<(), Box<dyn Error>> {
    const ARRAY: &str = "the array alone";
    report.figure("memory", ARRAY, bytes as f64 / MEBIBYTE, "MiB");
    for workers in [2, 8, 32] {
        let mut arena = Arena::start(bytes, workers)?;
        let object = arena.put()?;
        arena.heap = Vec::new();
        arena
            .client
            .run("sum")
            .input(&object)
            .deadline(Duration::from_secs(60))
            .call()?;
        let family = arenactl::measure::memory::family_bytes(bytes)?;
        report.compare(
            "memory",
            &format!("supervisor, {workers} workers, client"),
            family as f64 / MEBIBYTE,
            "MiB",
            ARRAY,
            Some("<= 1.05 + 3 MiB a worker"),
        );
    }
    Ok(())
}
