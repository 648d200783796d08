//! Medians of interleaved rounds. The machine's state moves figures by up to two, so what is compared is measured in turns.

use std::time::{Duration, Instant};

/// One of the things measured in turns: does its work once and says how long the part that counts took.
pub(crate) type Contender<'a> = &'a mut dyn FnMut() -> Duration;

/// Runs every contender once per round, in turns, and returns the median seconds of each.
pub(crate) fn interleave(rounds: usize, contenders: &mut [Contender<'_>]) -> Vec<f64> {
    let mut seconds = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        for (contender, seconds) in contenders.iter_mut().zip(&mut seconds) {
            seconds.push(contender().as_secs_f64());
        }
    }
    seconds.into_iter().map(median).collect()
}

/// How long `work` takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

/// The middle value; the lower of two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
