//! A simulator of the supervisor's world: clients, workers, a groomer, their sockets, deaths, forks and restarts, in an order
//! that a seed decides, around the state machine that the daemon runs.
//!
//! `SIM_SEED=n` runs one seed, `SIM_SEEDS=n` that many, `SIM_STEPS=n` steps each, `SIM_TRACE=1` prints events and effects. A failure prints its seed.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]

mod child;
mod client;
mod journal;
mod locks;
mod numbers;
mod rng;
mod run;
mod world;

use run::run;
use std::panic::AssertUnwindSafe;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn nothing_goes_wrong_in_any_world() {
    let steps = from_environment("SIM_STEPS", 500);
    let one = std::env::var("SIM_SEED").is_ok();
    let first = from_environment("SIM_SEED", 1);
    let count = if one {
        1
    } else {
        from_environment("SIM_SEEDS", 1500)
    };
    let mut done = run::Done::default();
    for seed in first..first + count {
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| run(seed, steps)));
        match outcome {
            Ok(world) => done.add(&world),
            Err(failure) => {
                eprintln!(
                    "the world of seed {seed} broke (SIM_SEED={seed} SIM_STEPS={steps} runs it again)"
                );
                std::panic::resume_unwind(failure);
            }
        }
    }
    println!("{done:?}");
    assert!(
        one || done.jobs_ok > count,
        "the worlds do next to nothing: {done:?}"
    );
}
