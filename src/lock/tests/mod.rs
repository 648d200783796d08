//! The lock operations on one arena's cells, from several slots and threads of this process.

mod damage;
mod images;
mod operations;
mod search;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::atomic::AtomicU32;
use super::waiting::Protocol;
use super::{CellRange, LockArea, Locker, Mode, Request, Waiting};
use crate::SlotId;

const GENERATION: u64 = 11;
const NOW: Duration = Duration::ZERO;
/// Longer than any test may take: reaching it fails the test through the error that comes back.
const LONG: Duration = Duration::from_secs(600);

/// An area with cells 0 to 63 open.
fn area() -> Arc<LockArea> {
    let area = LockArea::anonymous().expect("4 MiB of memory");
    area.open_cells(range(0, 64), GENERATION);
    Arc::new(area)
}

fn range(first: u32, count: u32) -> CellRange {
    CellRange { first, count }
}

fn request(first: u32, count: u32, mode: Mode) -> Request {
    Request {
        cells: range(first, count),
        generation: GENERATION,
        mode,
        keeps_images: false,
    }
}

fn solo(area: &Arc<LockArea>, slot: u8) -> Locker {
    Locker::solo(area.clone(), SlotId(slot))
}

/// A clock that moves by what is slept, and sleeping that does nothing else: waits of any length, at once.
#[derive(Debug, Default)]
struct SimulatedTime {
    now_ns: AtomicU64,
}

impl Waiting for &SimulatedTime {
    type Rules = Protocol;

    fn now_ns(&self) -> u64 {
        self.now_ns.load(Ordering::Relaxed)
    }

    fn wait(&self, _event: &AtomicU32, _seen: u32, timeout: Duration) {
        let slept = u64::try_from(timeout.as_nanos()).expect("a round is short");
        self.now_ns.fetch_add(slept, Ordering::Relaxed);
    }

    fn wake_all(&self, _event: &AtomicU32) {}
}
