//! The threads of one process on one slot.
//!
//! **The race.** A slot has one reader bit per cell. Two threads of its process read the same stripe; the one that leaves first
//! clears the bit, and a writer enters beside the other. So the threads of a process agree here, in memory of their own, before
//! they touch the shared cell: the first reader sets the bit, the last one clears it, and a writer is alone.
//!
//! A thread that finds another one in its way waits like a stranger. One that joins readers of its own process still looks at the
//! shared state: where a stranger waits to write, it stays out, or the process would hold the bit for ever.
//!
//! One word per cell:
//!
//! | word | meaning | moves to |
//! |---|---|---|
//! | free | no thread | owned by a reader or writer that enters |
//! | `owner`, `count` | one thread reads, `count` times | count up and down by its owner; SEVERAL when another joins; LEAVING at the last |
//! | SEVERAL, `count` | several threads read; who, is in `readers` under the mutex | count up and down under the mutex; LEAVING at the last |
//! | LEAVING | the last reader clears the shared bit: nobody may set it meanwhile | free |
//! | WRITER, `owner` | one thread writes, or waits to | free |
//!
//! WANTED asks joining readers to let a writer of this process go first; SLEEPERS says that somebody waits for `event`. Both lie in the
//! same word as what they wait for, so setting them and looking is one step. A death ends all threads at once and takes this memory
//! with it: nothing here outlives it.

use std::sync::OnceLock;

use super::atomic::{AtomicU32, AtomicU64, Mutex, Ordering};
use super::entry::{Entry, Refusal};
use super::error::{Blocker, LockError};
use super::patience::Patience;
use super::read::Hint;
use super::waiting::Waiting;
use super::write::Access;

const OWNER: u64 = 0xffff_ffff;
const COUNT_ONE: u64 = 1 << 32;
const COUNT: u64 = 0x00ff_ffff << 32;
const WRITER: u64 = 1 << 56;
const SEVERAL: u64 = 1 << 57;
const LEAVING: u64 = 1 << 58;
const WANTED: u64 = 1 << 59;
const SLEEPERS: u64 = 1 << 60;
const HINTS: u64 = WANTED | SLEEPERS;

/// Cells per lazily made part of the table: one page of words.
const PART: usize = if cfg!(loom) { 1 } else { 512 };

/// The number of a thread in its process: never zero, never used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Thread(pub(super) u32);

/// Which threads of this process hold which cells.
#[derive(Debug)]
pub(super) struct LocalTable {
    parts: Box<[OnceLock<Box<[AtomicU64]>>]>,
    readers: Mutex<Vec<SharedRead>>,
    event: AtomicU32,
}

/// One thread's reads of a cell that several threads read.
#[derive(Debug)]
struct SharedRead {
    cell: u32,
    thread: Thread,
    count: u32,
}

/// How a reader got into the local table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Joined {
    /// The thread was in before: it holds the shared lock.
    Again,
    /// The thread is new: it must set the bit and look.
    New,
}

/// What a thread found in its way.
struct Taken {
    word: u64,
}

impl LocalTable {
    pub(super) fn new(cells: usize) -> Self {
        Self {
            parts: (0..cells.div_ceil(PART)).map(|_| OnceLock::new()).collect(),
            readers: Mutex::new(Vec::new()),
            event: AtomicU32::new(0),
        }
    }

    /// Enters as a reader, waiting as long as `patience` lasts.
    pub(super) fn read<W: Waiting, const N: usize>(
        &self,
        entry: &Entry<'_, W, N>,
        me: Thread,
        patience: &mut Patience,
    ) -> Result<(), LockError> {
        let mut hint = Hint::Heed;
        loop {
            let refusal = match entry.look_before_bit(hint) {
                Err(refusal) if !self.reads(entry.index, me) => refusal,
                _ => match self.join(entry, me)? {
                    Err(taken) => {
                        self.sleep(entry, taken.word, 0, patience)?;
                        continue;
                    }
                    Ok(Joined::Again) => return Ok(()),
                    Ok(Joined::New) => {
                        entry.set_reader_bit();
                        let Err(refusal) = entry.look_after_bit(hint) else {
                            return Ok(());
                        };
                        self.leave_read(entry, me);
                        refusal
                    }
                },
            };
            match refusal {
                Refusal::Failed(error) => return Err(error),
                Refusal::Blocked(blocker) => hint = entry.wait_to_read(blocker, hint, patience)?,
            }
        }
    }

    /// Leaves a read lock; the last one out clears the shared bit.
    pub(super) fn leave_read<W: Waiting, const N: usize>(
        &self,
        entry: &Entry<'_, W, N>,
        me: Thread,
    ) {
        if self.count_down(entry.index, me) {
            entry.leave_reading();
            self.settle(entry);
        }
    }

    /// Enters as a writer, waiting as long as `patience` lasts.
    pub(super) fn write<W: Waiting, const N: usize>(
        &self,
        entry: &Entry<'_, W, N>,
        access: Access,
        me: Thread,
        patience: &mut Patience,
    ) -> Result<(), LockError> {
        let mut wanted = false;
        while let Err(taken) = self.own(entry.index, me, wanted)? {
            let slept = self.sleep(entry, taken.word, WANTED, patience);
            wanted = true;
            slept.inspect_err(|_| self.take_want_back(entry))?;
        }
        entry
            .write(access, patience)
            .inspect_err(|_| self.settle(entry))
    }

    /// Frees the local word after the shared cell was left.
    pub(super) fn settle<W: Waiting, const N: usize>(&self, entry: &Entry<'_, W, N>) {
        // AcqRel: the next thread enters behind everything done under this one.
        let before = self.word(entry.index).fetch_and(WANTED, Ordering::AcqRel);
        if before & SLEEPERS != 0 {
            self.wake(entry);
        }
    }

    fn word(&self, cell: u32) -> &AtomicU64 {
        let cell = cell as usize;
        let part =
            self.parts[cell / PART].get_or_init(|| (0..PART).map(|_| AtomicU64::new(0)).collect());
        &part[cell % PART]
    }

    /// Counts the thread in as a reader, or says what is in the way.
    fn join<W: Waiting, const N: usize>(
        &self,
        entry: &Entry<'_, W, N>,
        me: Thread,
    ) -> Result<Result<Joined, Taken>, LockError> {
        let cell = entry.index;
        let local = self.word(cell);
        let mut word = local.load(Ordering::Relaxed);
        loop {
            let owner = word & OWNER;
            let (next, joined) = if word & WRITER != 0 && owner == me.0.into() {
                return Err(LockError::AlreadyHeld { cell });
            } else if word & (WRITER | LEAVING) != 0 {
                return Ok(Err(Taken { word }));
            } else if word & SEVERAL != 0 || (owner != 0 && owner != me.0.into()) {
                match self.join_several(cell, me) {
                    Some(answer) => return Ok(answer),
                    None => {
                        word = local.load(Ordering::Relaxed);
                        continue;
                    }
                }
            } else if owner != 0 {
                (word + COUNT_ONE, Joined::Again)
            } else if word & WANTED != 0 {
                return Ok(Err(Taken { word }));
            } else {
                (word | COUNT_ONE | u64::from(me.0), Joined::New)
            };
            match local.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Ok(joined)),
                Err(found) => word = found,
            }
        }
    }

    /// Joins readers of other threads. `None` where the word changed meanwhile.
    fn join_several(&self, cell: u32, me: Thread) -> Option<Result<Joined, Taken>> {
        let mut readers = self.lock_readers();
        let local = self.word(cell);
        let word = local.load(Ordering::Relaxed);
        let owner = (word & OWNER) as u32;
        if word & (WRITER | LEAVING) != 0 || (word & SEVERAL == 0 && (owner == 0 || owner == me.0))
        {
            return None;
        }
        let again = word & SEVERAL != 0 && position(&readers, cell, me).is_some();
        if word & WANTED != 0 && !again {
            return Some(Err(Taken { word }));
        }
        let next = ((word & (COUNT | HINTS)) + COUNT_ONE) | SEVERAL;
        local
            .compare_exchange(word, next, Ordering::AcqRel, Ordering::Relaxed)
            .ok()?;
        if word & SEVERAL == 0 {
            let count = ((word & COUNT) / COUNT_ONE) as u32;
            let thread = Thread(owner);
            readers.push(SharedRead {
                cell,
                thread,
                count,
            });
        }
        match position(&readers, cell, me) {
            Some(at) => readers[at].count += 1,
            None => readers.push(SharedRead {
                cell,
                thread: me,
                count: 1,
            }),
        }
        Some(Ok(if again { Joined::Again } else { Joined::New }))
    }

    /// Counts one read of the thread down. True: it was the last of the process, the word says LEAVING, and the caller clears the
    /// shared bit and settles.
    fn count_down(&self, cell: u32, me: Thread) -> bool {
        let local = self.word(cell);
        let mut word = local.load(Ordering::Relaxed);
        while word & SEVERAL == 0 {
            debug_assert_eq!(word & OWNER, u64::from(me.0), "left by who entered");
            let last = word & COUNT == COUNT_ONE;
            let next = if last {
                word & HINTS | LEAVING
            } else {
                word - COUNT_ONE
            };
            // AcqRel: the last one out publishes the reads of all who left before it.
            match local.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return last,
                Err(found) => word = found,
            }
        }
        let mut readers = self.lock_readers();
        if let Some(at) = position(&readers, cell, me) {
            readers[at].count -= 1;
            if readers[at].count == 0 {
                readers.swap_remove(at);
            }
        }
        // Under the mutex only HINTS change beside this.
        let before = local.fetch_sub(COUNT_ONE, Ordering::AcqRel);
        let last = before & COUNT == COUNT_ONE;
        if last {
            // SEVERAL and LEAVING change places in one step.
            local.fetch_xor(SEVERAL | LEAVING, Ordering::AcqRel);
        }
        last
    }

    /// Takes the word for a writer, or says what is in the way.
    fn own(&self, cell: u32, me: Thread, wanted: bool) -> Result<Result<(), Taken>, LockError> {
        let local = self.word(cell);
        let mut word = local.load(Ordering::Relaxed);
        loop {
            let mine = word & OWNER == me.0.into();
            if word & (OWNER | SEVERAL | LEAVING) == 0 {
                let hints = word & if wanted { SLEEPERS } else { HINTS };
                let next = hints | WRITER | u64::from(me.0);
                match local.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
                {
                    Ok(_) => return Ok(Ok(())),
                    Err(found) => word = found,
                }
            } else if mine && word & WRITER != 0 {
                return Err(LockError::AlreadyHeld { cell });
            } else if mine || self.reads(cell, me) {
                return Err(LockError::Upgrade { cell });
            } else {
                return Ok(Err(Taken { word }));
            }
        }
    }

    /// Whether the thread reads the cell.
    pub(super) fn reads(&self, cell: u32, me: Thread) -> bool {
        let word = self.word(cell).load(Ordering::Relaxed);
        if word & SEVERAL == 0 {
            return word & OWNER == me.0.into() && word & WRITER == 0;
        }
        position(&self.lock_readers(), cell, me).is_some()
    }

    /// Sleeps while the word is `word`, with `flags` and SLEEPERS set.
    #[cold]
    fn sleep<W: Waiting, const N: usize>(
        &self,
        entry: &Entry<'_, W, N>,
        word: u64,
        flags: u64,
        patience: &mut Patience,
    ) -> Result<(), LockError> {
        let waiting = entry.party.waiting;
        let timeout = patience.obstacle(waiting, entry.index, Blocker::Thread)?;
        // Acquire: who reads the new value comes after the change of the word that it announces.
        let seen = self.event.load(Ordering::Acquire);
        let asleep = word | flags | SLEEPERS;
        let still = self.word(entry.index).compare_exchange(
            word,
            asleep,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if still.is_ok() {
            waiting.wait(&self.event, seen, timeout);
        }
        Ok(())
    }

    /// A writer that gives up lets the readers that waited for it go on.
    fn take_want_back<W: Waiting, const N: usize>(&self, entry: &Entry<'_, W, N>) {
        let before = self.word(entry.index).fetch_and(!HINTS, Ordering::Relaxed);
        if before & SLEEPERS != 0 {
            self.wake(entry);
        }
    }

    #[cold]
    fn wake<W: Waiting, const N: usize>(&self, entry: &Entry<'_, W, N>) {
        self.event.fetch_add(1, Ordering::Release);
        entry.party.waiting.wake_all(&self.event);
    }

    fn lock_readers(&self) -> impl std::ops::DerefMut<Target = Vec<SharedRead>> + '_ {
        self.readers
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}

fn position(readers: &[SharedRead], cell: u32, thread: Thread) -> Option<usize> {
    readers
        .iter()
        .position(|read| read.cell == cell && read.thread == thread)
}
