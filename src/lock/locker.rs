//! A process's handle on the locks of an arena.
//!
//! Ranges are taken in ascending order of cells, over several objects too, so that no two requests wait for each other in a circle.
//! Locks taken by separate requests know no order: where they form a circle, the deadlines end it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::area::LockArea;
use super::entry::Entry;
use super::error::LockError;
use super::guard::Guard;
use super::local::{LocalTable, Thread};
use super::party::{Party, Wakers};
use super::patience::Patience;
use super::range::{Mode, Request, check, in_global_order};
use super::waiting::{FutexWaiting, Waiting};
use super::write::Access;
use crate::SlotId;
use crate::layout::{CELL_COUNT, CellRange};

/// The arena's locks, used from one slot.
#[derive(Debug)]
pub struct Locker<W = FutexWaiting> {
    area: Arc<LockArea>,
    slot: SlotId,
    threads: Option<LocalTable>,
    wakers: Wakers,
    waiting: W,
}

/// Locks that are held: one range, one mode. A plain value: whoever drops it without giving it back to its [`Locker`] holds the
/// lock until the process dies. [`Guard`] gives it back by itself.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the lock is held until this is given back to its locker"]
pub struct Held {
    pub(super) request: Request,
    pub(super) thread: Thread,
}

impl Held {
    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }
}

impl Locker {
    /// A handle for a process that uses locks from one thread only, like a native worker: no bookkeeping of threads. Nothing may
    /// use the same slot beside it.
    #[must_use]
    pub fn solo(area: Arc<LockArea>, slot: SlotId) -> Self {
        Self::solo_with(area, slot, FutexWaiting)
    }

    /// A handle for all threads of a process.
    #[must_use]
    pub fn shared(area: Arc<LockArea>, slot: SlotId) -> Self {
        Self::shared_with(area, slot, FutexWaiting)
    }
}

impl<W: Waiting> Locker<W> {
    /// [`Locker::solo`] with another way of waiting.
    #[must_use]
    pub fn solo_with(area: Arc<LockArea>, slot: SlotId, waiting: W) -> Self {
        Self {
            area,
            slot,
            threads: None,
            wakers: Wakers::new(),
            waiting,
        }
    }

    /// [`Locker::shared`] with another way of waiting.
    #[must_use]
    pub fn shared_with(area: Arc<LockArea>, slot: SlotId, waiting: W) -> Self {
        Self {
            threads: Some(LocalTable::new(CELL_COUNT as usize)),
            ..Self::solo_with(area, slot, waiting)
        }
    }

    /// The slot that the locks are held by.
    #[must_use]
    pub fn slot(&self) -> SlotId {
        self.slot
    }

    /// The mapped locks file.
    #[must_use]
    pub fn area(&self) -> &Arc<LockArea> {
        &self.area
    }

    /// Locks one range, waiting at most `timeout` in all; zero does not wait.
    ///
    /// # Errors
    /// See [`LockError`]. Nothing is held then.
    #[inline]
    pub fn acquire(&self, request: Request, timeout: Duration) -> Result<Guard<'_, W>, LockError> {
        self.lock(request, timeout)
            .map(|held| Guard::new(self, held))
    }

    /// Locks ranges of several objects, all or none, waiting at most `timeout` in all. The guards come in ascending order of cells.
    ///
    /// # Errors
    /// See [`LockError`]. Nothing is held then.
    pub fn acquire_all(
        &self,
        requests: &[Request],
        timeout: Duration,
    ) -> Result<Vec<Guard<'_, W>>, LockError> {
        let mut patience = Patience::new(timeout);
        let mut guards: Vec<Guard<'_, W>> = Vec::with_capacity(requests.len());
        for request in in_global_order(requests)? {
            match self.lock_patiently(request, &mut patience) {
                Ok(held) => guards.push(Guard::new(self, held)),
                Err(error) => {
                    guards.into_iter().for_each(Guard::withdraw);
                    return Err(error);
                }
            }
        }
        Ok(guards)
    }

    /// Locks one range without a guard.
    ///
    /// # Errors
    /// See [`LockError`]. Nothing is held then.
    #[inline]
    pub fn lock(&self, request: Request, timeout: Duration) -> Result<Held, LockError> {
        check(request.cells)?;
        self.lock_patiently(request, &mut Patience::new(timeout))
    }

    #[inline]
    fn lock_patiently(&self, request: Request, patience: &mut Patience) -> Result<Held, LockError> {
        let thread = self.this_thread();
        for index in request.cells.iter() {
            if let Err(error) = self.enter(index, &request, thread, patience) {
                let count = index - request.cells.first;
                let cells = CellRange {
                    count,
                    ..request.cells
                };
                self.withdraw(Held {
                    request: Request { cells, ..request },
                    thread,
                });
                return Err(error);
            }
        }
        Ok(Held { request, thread })
    }

    /// Gives a read lock back, or a write lock whose stripes are complete, and lets others in, stripe by stripe.
    ///
    /// # Errors
    /// The first stripe that was taken away meanwhile; the others are given back all the same.
    #[inline]
    pub fn commit(&self, held: Held) -> Result<(), LockError> {
        self.leave_each(&held, Entry::commit)
    }

    /// Gives a write lock back under which stripes may be half written: they are poisoned, save those that cannot have been
    /// written because their object keeps images and none was marked. A read lock is just given back.
    pub fn abandon(&self, held: Held) {
        let keeps_images = held.request.keeps_images;
        let _taken_away = self.leave_each(&held, |entry| {
            let state = entry.held_state();
            if keeps_images && !state.has_image() {
                entry.leave_unwritten()
            } else {
                entry.poison()
            }
        });
    }

    /// Gives a lock back under which nothing was written.
    pub fn withdraw(&self, held: Held) {
        let _taken_away = self.leave_each(&held, Entry::leave_unwritten);
    }

    /// Keeps the before-image of each held stripe: calls `copy` with the cell, then marks the image. Before the first store to the
    /// stripes. A stripe whose image is marked is left as it is: the older image is the good one. A poisoned stripe without a mark was
    /// not written yet, so it is copied like a whole one: that keeps a poisoned stripe without a mark unwritten for ever.
    pub fn keep_images(&self, held: &Held, mut copy: impl FnMut(u32)) {
        for index in held.request.cells.iter() {
            let entry = self.entry(index, &held.request);
            if !entry.held_state().has_image() {
                copy(index);
                entry.mark_image();
            }
        }
    }

    /// Gives a write lock back after `copy_back` has put the marked before-images back. A stripe without image was not written,
    /// or cannot be helped: it stays poisoned if it was.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn roll_back(&self, held: Held, mut copy_back: impl FnMut(u32)) -> Result<(), LockError> {
        self.leave_each(&held, |entry| {
            if entry.held_state().has_image() {
                copy_back(entry.index);
                entry.commit()
            } else {
                entry.leave_unwritten()
            }
        })
    }

    #[inline]
    fn enter(
        &self,
        index: u32,
        request: &Request,
        thread: Thread,
        patience: &mut Patience,
    ) -> Result<(), LockError> {
        let entry = self.entry(index, request);
        let access = match request.mode {
            Mode::Read => {
                return match &self.threads {
                    Some(threads) => threads.read(&entry, thread, patience),
                    None => entry.read_alone(patience),
                };
            }
            Mode::Write => Access::Change,
            Mode::Overwrite => Access::Overwrite,
        };
        match &self.threads {
            Some(threads) => threads.write(&entry, access, thread, patience),
            None => entry.write(access, patience),
        }
    }

    /// Leaves every cell of the range, a write lock by `leave`.
    #[inline]
    fn leave_each<'a>(
        &'a self,
        held: &Held,
        mut leave: impl FnMut(&Entry<'a, W, 4>) -> Result<(), LockError>,
    ) -> Result<(), LockError> {
        let mut result = Ok(());
        for index in held.request.cells.iter() {
            let entry = self.entry(index, &held.request);
            let left = match (held.request.mode, &self.threads) {
                (Mode::Read, None) => {
                    entry.leave_reading();
                    Ok(())
                }
                (Mode::Read, Some(threads)) => {
                    threads.leave_read(&entry, held.thread);
                    Ok(())
                }
                (Mode::Write | Mode::Overwrite, None) => leave(&entry),
                (Mode::Write | Mode::Overwrite, Some(threads)) => {
                    let left = leave(&entry);
                    threads.settle(&entry);
                    left
                }
            };
            result = result.and(left);
        }
        result
    }

    #[inline]
    fn entry(&self, index: u32, request: &Request) -> Entry<'_, W, 4> {
        Entry {
            cell: &self.area.cells()[index as usize],
            index,
            generation: request.generation,
            party: Party {
                slot: self.slot,
                record: self.area.record(self.slot),
                wakers: &self.wakers,
                waiting: &self.waiting,
            },
        }
    }

    #[inline]
    fn this_thread(&self) -> Thread {
        match self.threads {
            Some(_) => current_thread(),
            None => Thread(1),
        }
    }
}

/// The number of the calling thread, given at its first lock.
#[inline]
fn current_thread() -> Thread {
    static LAST: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: Cell<u32> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Thread(number.get())
    })
}
