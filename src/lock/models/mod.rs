//! Models of the locks under loom: every interleaving of a few processes on one cell, and every outcome that the memory model
//! allows, with a death at every named moment.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p arena-core --lib lock::models --target-dir target/loom
//! ```
//! The code is the product's; only the atomics, the sleeping and the number of reader words differ. A death is an unwinding out of
//! the middle of an operation that nothing catches on the way; the certificate is the join of the dead thread. Waits have no
//! deadline here, so a wake-up that is lost for ever is a deadlock, which loom reports.

mod closing;
mod deaths;
mod images;
mod mistakes;
mod threads;

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom::cell::Cell;
use loom::thread::{self, Thread};

use super::atomic::{AtomicU32, Ordering};
use super::cell::CellOf;
use super::entry::Entry;
use super::error::LockError;
use super::party::{Party, Wakers};
use super::patience::Patience;
use super::record::SlotRecord;
use super::slots::SlotSet;
use super::sweep::{Certificate, Sweep, Swept};
use super::waiting::{Moment, Rules, Waiting};
use super::write::Access;
use crate::SlotId;

const GENERATION: u64 = 1;

/// One cell, the pair of values that it guards, the records of four slots, and what stands for the kernel.
struct Scene {
    cell: CellOf<1>,
    left: Cell<u64>,
    right: Cell<u64>,
    image: Cell<u64>,
    records: [SlotRecord; 4],
    /// Orders what the kernel does under its lock: see [`Process::wait`].
    kernel: AtomicU32,
    sleepers: Mutex<Vec<Thread>>,
}

impl Scene {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            cell: CellOf::open_for_test(GENERATION),
            left: Cell::new(7),
            right: Cell::new(7),
            image: Cell::new(0),
            records: std::array::from_fn(|_| SlotRecord::new_for_test()),
            kernel: AtomicU32::new(0),
            sleepers: Mutex::new(Vec::new()),
        })
    }

    /// Looks at both values, as a reader.
    fn assert_whole(&self) {
        assert_eq!(self.left.get(), self.right.get(), "torn data read as valid");
    }
}

/// When a process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Death {
    Never,
    At(Moment),
    /// Between the stores to the two values.
    HalfWritten,
    /// Behind the stores, before the commit.
    Written,
}

/// The unwinding that stands for a death.
struct Died;

/// One process on the scene.
struct Process<R> {
    scene: Arc<Scene>,
    slot: SlotId,
    death: Death,
    wakers: Wakers,
    rules: PhantomData<R>,
}

impl<R: Rules> Process<R> {
    fn new(scene: &Arc<Scene>, slot: u8, death: Death) -> Self {
        Self {
            scene: scene.clone(),
            slot: SlotId(slot),
            death,
            wakers: Wakers::new(),
            rules: PhantomData,
        }
    }

    /// Runs the process to its end or to its death. `None` where it died.
    fn live<T>(self, life: impl FnOnce(&Self) -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(|| life(&self))) {
            Ok(value) => Some(value),
            Err(payload) if payload.is::<Died>() => None,
            Err(payload) => resume_unwind(payload),
        }
    }

    fn entry(&self) -> Entry<'_, Self, 1> {
        self.entry_of(GENERATION)
    }

    fn entry_of(&self, generation: u64) -> Entry<'_, Self, 1> {
        Entry {
            cell: &self.scene.cell,
            index: 0,
            generation,
            party: Party {
                slot: self.slot,
                record: &self.scene.records[self.slot.index()],
                wakers: &self.wakers,
                waiting: self,
            },
        }
    }

    fn read(&self) -> Result<(), LockError> {
        read(&self.entry())?;
        self.scene.assert_whole();
        self.entry().leave_reading();
        Ok(())
    }

    fn write(&self, access: Access, value: u64) -> Result<(), LockError> {
        self.entry().write(access, &mut forever())?;
        self.scene.left.set(value);
        self.die_if(Death::HalfWritten);
        self.scene.right.set(value);
        self.die_if(Death::Written);
        self.entry().commit()
    }

    fn sweep(&self, dead: u8) -> Swept {
        let slot = SlotId(dead);
        let mut swept = Swept::default();
        let sweep = Sweep::start(
            Certificate::of_dead_process(slot),
            &self.scene.records[slot.index()],
            SlotSet::ALL,
            self,
        );
        sweep.cell(&self.scene.cell, 0, &mut swept);
        swept
    }

    fn die_if(&self, death: Death) {
        if self.death == death {
            resume_unwind(Box::new(Died));
        }
    }
}

impl<R: Rules> Waiting for Process<R> {
    type Rules = R;

    fn now_ns(&self) -> u64 {
        0
    }

    /// The kernel enters the sleeper in its list and compares the word in one step, and takes sleepers from the list in one step.
    /// Here the sleeper is in the list before it compares, and the two sides meet in `kernel`: if the waker is first, the sleeper
    /// sees the counted event; else the waker finds the sleeper in the list.
    fn wait(&self, event: &AtomicU32, seen: u32, _timeout: Duration) {
        let me = thread::current();
        self.scene.sleepers.lock().unwrap().push(me.clone());
        self.scene.kernel.fetch_add(1, Ordering::AcqRel);
        let asleep = event.load(Ordering::Relaxed) == seen;
        let taken = {
            let mut sleepers = self.scene.sleepers.lock().unwrap();
            let at = sleepers.iter().position(|sleeper| sleeper.id() == me.id());
            if let Some(at) = at.filter(|_| !asleep) {
                sleepers.remove(at);
            }
            at.is_none()
        };
        // A waker that took this thread from the list has unparked it: that is used up here, where it belongs.
        if asleep || taken {
            thread::park();
        }
    }

    fn wake_all(&self, _event: &AtomicU32) {
        self.scene.kernel.fetch_add(1, Ordering::AcqRel);
        let sleepers = std::mem::take(&mut *self.scene.sleepers.lock().unwrap());
        for sleeper in sleepers {
            sleeper.unpark();
        }
    }

    fn reached(&self, moment: Moment) {
        self.die_if(Death::At(moment));
    }
}

/// Reads as the only thread of a process.
fn read<W: Waiting>(entry: &Entry<'_, W, 1>) -> Result<(), LockError> {
    entry.read_alone(&mut forever())
}

fn forever() -> Patience {
    Patience::new(Duration::MAX)
}

/// Explores a model. `preemptions` bounds how often a running thread is interrupted; models of two processes need no bound.
fn explore(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = preemptions;
    builder.check(model);
}
