//! Taking and giving back a slice lock that nobody else wants, beside the locks that a user would pick. The peers' holders may
//! not die: std locks live in one process, and raw_sync's process-shared pthread mutex stays locked for ever.

#![expect(
    unsafe_code,
    reason = "raw_sync places its mutex into memory that the caller vouches for"
)]

use std::error::Error;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use arena_core::SlotId;
use arena_core::layout::CellRange;
use arena_core::lock::{LockArea, Locker, Mode, Request};
use raw_sync::locks::{LockInit, Mutex as ProcessMutex};

use crate::report::Report;
use crate::timing::{interleave, timed};

const SECTION: &str = "lock";
const PAIRS: u32 = 200_000;
const GENERATION: u64 = 1;
const CELL: CellRange = CellRange { first: 0, count: 1 };
const TIMEOUT: Duration = Duration::from_secs(10);

/// Nanoseconds of lock + unlock, uncontended.
pub(crate) fn run(rounds: usize, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let area = Arc::new(LockArea::anonymous()?);
    area.open_cells(CELL, GENERATION);
    let solo = Locker::solo(Arc::clone(&area), SlotId(0));
    let shared = Locker::shared(area, SlotId(1));
    let mutex = Mutex::new(0u64);
    let rwlock = RwLock::new(0u64);
    let shmem = shared_memory::ShmemConf::new().size(4096).create()?;
    // SAFETY: the segment has 4096 bytes, far more than the mutex and its one word of data, and outlives the lock.
    let (process_mutex, _) = unsafe {
        let base = shmem.as_ptr();
        ProcessMutex::new(base, base.add(2048))
    }?;

    let seconds = interleave(
        rounds,
        &mut [
            &mut || pairs(|| *mutex.lock().expect("nobody panics while it is held") += 1),
            &mut || pairs(|| drop(rwlock.read().expect("nobody panics while it is held"))),
            &mut || pairs(|| drop(process_mutex.lock().expect("the mutex was initialised"))),
            &mut || pairs(|| write(&solo)),
            &mut || pairs(|| read(&solo)),
            &mut || pairs(|| write(&shared)),
            &mut || pairs(|| read(&shared)),
        ],
    );
    let ns: Vec<f64> = seconds.iter().map(|s| s * 1e9 / f64::from(PAIRS)).collect();
    report.figure(SECTION, "std Mutex", ns[0], "ns");
    report.figure(SECTION, "std RwLock, read", ns[1], "ns");
    report.figure(SECTION, "raw_sync Mutex, process-shared", ns[2], "ns");
    report.compare(
        SECTION,
        "slice, write, one thread",
        ns[3],
        "ns",
        "std Mutex",
        Some("<= 15 ns"),
    );
    report.compare(
        SECTION,
        "slice, read, one thread",
        ns[4],
        "ns",
        "std RwLock, read",
        Some("<= 15 ns"),
    );
    report.compare(
        SECTION,
        "slice, write, shared handle",
        ns[5],
        "ns",
        "std Mutex",
        Some("<= 30 ns"),
    );
    report.compare(
        SECTION,
        "slice, read, shared handle",
        ns[6],
        "ns",
        "std RwLock, read",
        Some("<= 30 ns"),
    );
    Ok(())
}

fn pairs(mut pair: impl FnMut()) -> Duration {
    timed(|| (0..PAIRS).for_each(|_| pair()))
}

fn request(mode: Mode) -> Request {
    Request {
        cells: CELL,
        generation: GENERATION,
        mode,
        keeps_images: false,
    }
}

fn write(locker: &Locker) {
    let guard = locker
        .acquire(request(Mode::Write), TIMEOUT)
        .expect("nobody else wants the cell");
    guard.commit().expect("nobody closes the cell");
}

fn read(locker: &Locker) {
    drop(
        locker
            .acquire(request(Mode::Read), TIMEOUT)
            .expect("nobody else wants the cell"),
    );
}
