//! What grows and must not: the supervisor's CPU per task with many workers, many objects, a huge arena; and the cold start.

use std::error::Error;

use arena_client::{Client, Object};

use crate::effort::Effort;
use crate::report::Report;
use crate::timing::{median, timed};

const TASKS: u32 = 5000;
const OBJECTS: usize = 100_000;
const BATCH: usize = 256;

/// CPU microseconds of the supervisor per task in each setting, and the start of a private arena in milliseconds.
pub(crate) fn run(rounds: usize, report: &mut Report) -> Result<(), Box<dyn Error>> {
    const SMALL: &str = "2 workers, 1 object, 64 MiB";
    let mut supervisor =
        |work: &str, workers: u32, objects: usize, bytes: u64| -> Result<(), Box<dyn Error>> {
            let client = Client::builder().size(bytes).workers(workers).embedded()?;
            let object = client.put(None, &ndarray::aview1(&[1.0f64]))?;
            let _held = many(&client, objects)?;
            let cost = median(
                (0..3)
                    .map(|_| cost(&client, &object))
                    .collect::<Result<_, _>>()?,
            );
            if work == SMALL {
                report.figure("scale", work, cost, "us");
            } else {
                report.compare("scale", work, cost, "us", SMALL, Some("<= 1.2"));
            }
            Ok(())
        };
    supervisor(SMALL, 2, 0, 64 << 20)?;
    supervisor("128 workers", 128, 0, 64 << 20)?;
    supervisor("100,000 objects", 2, OBJECTS, 2 << 30)?;
    supervisor("1 TiB arena, sparse", 2, 0, 1 << 40)?;

    let starts = (0..rounds)
        .map(|_| first_result())
        .collect::<Result<Vec<_>, _>>()?;
    report.figure(
        "start",
        "nothing to first result (goal <= 30 ms)",
        median(starts) * 1e3,
        "ms",
    );
    Ok(())
}

fn many(client: &Client, count: usize) -> Result<Vec<Object>, arena_client::Error> {
    let mut objects = Vec::with_capacity(count);
    while objects.len() < count {
        for _ in 0..BATCH {
            objects.push(client.put(None, &ndarray::aview1(&[objects.len() as u64]))?);
        }
    }
    Ok(objects)
}

fn cost(client: &Client, object: &Object) -> Result<f64, Box<dyn Error>> {
    let effort = Effort::of(&[client.supervisor_pid()?], TASKS, || {
        client
            .run("sum")
            .input(object)
            .call()
            .expect("the array suits the kernel");
    })?;
    Ok(effort.cpu_us)
}

/// Seconds from nothing to the sum of a small array.
fn first_result() -> Result<f64, Box<dyn Error>> {
    let mut outcome = Ok(());
    let seconds = timed(|| {
        outcome = Client::builder()
            .size(64 << 20)
            .embedded()
            .and_then(|client| {
                let object = client.put(None, &ndarray::aview1(&[1.0f64, 2.0]))?;
                client.run("sum").input(&object).call().map(drop)
            });
    });
    outcome?;
    Ok(seconds.as_secs_f64())
}
