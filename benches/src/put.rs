//! An array from private memory into the arena, beside the best copy by two threads into memory with the same pages.

use std::error::Error;
use std::time::Duration;

use arena_client::{ArrayLayout, Dtype};
use arenactl::measure::limits;

use crate::arena::{Arena, arena_bytes};
use crate::report::Report;
use crate::timing::{interleave, median, timed};

const SECTION: &str = "put";

/// GB/s of `put`: into warm pages, and as the first thing after the start.
pub(crate) fn run(bytes: u64, rounds: usize, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let arena = Arena::start(bytes, 2)?;
    let source: &[u8] = bytemuck::cast_slice(&arena.heap);
    let layout = ArrayLayout::c_order(Dtype::Uint8, &[source.len() as u64])?;
    let mut target = arena.client.create(layout, None)?;
    let target = target.bytes_mut()?;
    drop(arena.put()?);
    let seconds = interleave(
        rounds,
        &mut [&mut || limits::copy_time(source, target), &mut || {
            timed(|| arena.put().expect("there is room"))
        }],
    );
    let rate = |seconds: f64| bytes as f64 / seconds / 1e9;
    report.figure(
        SECTION,
        "copy, 2 threads, warm 2 MiB pages",
        rate(seconds[0]),
        "GB/s",
    );
    report.compare(
        SECTION,
        "put, steady",
        rate(seconds[1]),
        "GB/s",
        "copy, 2 threads, warm 2 MiB pages",
        Some(">= 0.95"),
    );
    drop(arena);
    let first = (0..rounds.min(3))
        .map(|_| first_put(bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let first = median(first.iter().map(Duration::as_secs_f64).collect());
    report.compare(
        SECTION,
        "put, at once after the start",
        rate(first),
        "GB/s",
        "put, steady",
        None,
    );
    Ok(())
}

/// The first put of a supervisor that was just started, in an arena larger than its warm floor.
fn first_put(bytes: u64) -> Result<Duration, Box<dyn Error>> {
    let arena = Arena::start(arena_bytes(bytes), 2)?;
    let part = &arena.heap[..bytes as usize / 8];
    Ok(timed(|| {
        arena
            .client
            .put(None, &ndarray::aview1(part))
            .expect("there is room")
    }))
}
