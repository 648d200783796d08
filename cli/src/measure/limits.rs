//! What the memory allows: how fast two threads read and copy, measured in the run that is judged by it.
//!
//! Copying is tried in several forms, and everything several times: the best counts, because a limit that is too low flatters.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 2;
const REPETITIONS: usize = 4;
/// Parts of a half, in the form that goes through memory in small steps.
const STEP_BYTES: usize = 256 << 10;

/// The shortest time in which two threads read `memory` once.
pub fn read_time(memory: &[u8]) -> Duration {
    best_of(|| read_once(memory))
}

/// The time in which two threads read `memory` once, for a limit that is measured in turns with what it judges.
pub fn read_once(memory: &[u8]) -> Duration {
    in_halves(memory.chunks(half(memory.len())), |part| {
        black_box(fold(part));
    })
}

/// The shortest time in which two threads copy `source` to `target`, which are equally long.
pub fn copy_time(source: &[u8], target: &mut [u8]) -> Duration {
    let part = half(source.len());
    let whole = best_of(|| {
        let pairs = source.chunks(part).zip(target.chunks_mut(part));
        in_halves(pairs, |(from, to)| to.copy_from_slice(from))
    });
    let in_steps = best_of(|| {
        let pairs = source.chunks(part).zip(target.chunks_mut(part));
        in_halves(pairs, |(from, to)| {
            for (from, to) in from.chunks(STEP_BYTES).zip(to.chunks_mut(STEP_BYTES)) {
                to.copy_from_slice(from);
            }
        })
    });
    whole.min(in_steps)
}

fn best_of(mut run: impl FnMut() -> Duration) -> Duration {
    (0..REPETITIONS)
        .map(|_| run())
        .min()
        .expect("there is more than one repetition")
}

fn half(len: usize) -> usize {
    len.div_ceil(THREADS).next_multiple_of(4096)
}

/// The time from the first start to the last end of threads that work on one part each. Making the threads doesn't count.
fn in_halves<P: Send>(parts: impl Iterator<Item = P>, work: impl Fn(P) + Sync) -> Duration {
    let timed = |part| {
        let started = Instant::now();
        work(part);
        (started, Instant::now())
    };
    let times: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| timed(part))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        let times = threads.into_iter().map(join).collect::<Result<_, _>>();
        times.expect("reading and copying don't panic")
    });
    let first = times.iter().map(|(started, _)| *started).min();
    let last = times.iter().map(|(_, ended)| *ended).max();
    match (first, last) {
        (Some(first), Some(last)) => last - first,
        _ => Duration::ZERO,
    }
}

/// Reads every word. Enough independent sums that no addition waits for another one.
#[multiversion::multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn fold(memory: &[u8]) -> u64 {
    const LANES: usize = 64;
    let mut sums = [0u64; LANES];
    let (rows, rest) = memory.as_chunks::<{ LANES * 8 }>();
    for row in rows {
        let (words, _) = row.as_chunks::<8>();
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    let rest = rest.iter().map(|byte| u64::from(*byte)).sum();
    sums.into_iter().fold(rest, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read() {
        let mut memory = vec![0u8; 5000];
        assert_eq!(fold(&memory), 0);
        for at in [0, 511, 512, 4607, 4608, 4999] {
            memory[at] = 1;
            assert_ne!(fold(&memory), 0, "{at}");
            memory[at] = 0;
        }
    }

    #[test]
    fn every_byte_is_copied() {
        let source: Vec<u8> = (0..1_000_003u32).map(|i| i as u8).collect();
        let mut target = vec![0; source.len()];
        copy_time(&source, &mut target);
        assert!(source == target);
        read_time(&source);
    }
}
