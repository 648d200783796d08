//! The groomer's page work: giving memory to blocks before anybody touches them, and taking it back.
//!
//! A block is populated by MADV_POPULATE_WRITE of its first page, which reports lack as an error where a touch would be a
//! SIGBUS, and MADV_COLLAPSE, which makes it one 2 MiB page without privileges. Where the kernel has no large page to give, the
//! whole block is populated with 4 KiB pages. That happens through a temporary writable mapping of exactly these blocks, which
//! nobody has been granted. A kernel without the calls gets its pages from fallocate.
//!
//! Before memory is taken it is looked whether there is some: on the file system, in the memory cgroups, on the machine. The
//! answer is good for a bounded number of blocks ([`BLOCKS_PER_LOOK`], and never more than a quarter of the room found), since
//! looking costs about as much as half a block.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;
use rustix::mm::Advice;

use crate::address::{Access, AddressRange};
use crate::files::reserve;
use crate::memory::{CgroupChain, MachineMemory};
use crate::offset::{BLOCK_BYTES, Extent, Offset, PAGE_BYTES};
use crate::protocol::{GroomDone, Shortage};

/// How many blocks are populated between two looks at the memory left: 64 MiB.
const BLOCKS_PER_LOOK: u64 = 32;
/// The machine's available memory is never populated below this.
const MACHINE_FLOOR_BYTES: u64 = 256 << 20;
/// One part in so many of the machine's memory, and of a cgroup's limit, is left alone.
const FLOOR_DIVISOR: u64 = 50;
/// How often a collapse that the kernel calls temporarily impossible is tried.
const COLLAPSE_TRIES_MAX: u32 = 3;

/// Populates and releases blocks of one data file.
#[derive(Debug)]
pub struct Groomer<'f> {
    data: BorrowedFd<'f>,
    cgroups: CgroupChain,
    threads: NonZeroUsize,
}

impl<'f> Groomer<'f> {
    /// A groomer for the data file `data`, opened for writing, that uses up to `threads` threads.
    #[must_use]
    pub fn new(data: BorrowedFd<'f>, threads: NonZeroUsize) -> Self {
        Self {
            data,
            cgroups: CgroupChain::discover(),
            threads,
        }
    }

    /// Populates blocks that nobody has been granted, keeping whatever they hold. What the answer says of each block from the
    /// first on is true; behind it memory ran short.
    ///
    /// # Errors
    /// Where the blocks cannot be mapped: not a matter of memory.
    pub fn populate(&self, blocks: Range<u64>) -> io::Result<GroomDone> {
        let extent = extent_of(&blocks)?;
        let count = blocks.end - blocks.start;
        let range = AddressRange::map(self.data, extent, Access::Write)?;
        let run = Run {
            range: &range,
            first_offset: extent.offset.get(),
            count,
            next: AtomicU64::new(0),
            budget: Mutex::new(Budget::default()),
            groomer: self,
        };
        let threads = count
            .div_ceil(BLOCKS_PER_THREAD)
            .min(self.threads.get() as u64)
            .max(1);
        let mut outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| run.work())).collect();
            let own = run.work();
            let joined = others
                .into_iter()
                .flat_map(|other| other.join().unwrap_or_default());
            own.into_iter().chain(joined).collect()
        });
        outcomes.sort_unstable_by_key(|outcome| outcome.block);
        Ok(settle(&outcomes))
    }

    /// Gives the pages of free blocks back. The blocks are cold afterwards and hold zeros.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn release(&self, blocks: Range<u64>) -> io::Result<()> {
        let extent = extent_of(&blocks)?;
        if extent.len == 0 {
            return Ok(());
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(self.data, flags, extent.offset.get(), extent.len)
        })?;
        Ok(())
    }

    /// How many blocks may be populated now, beside those that are being populated, or what forbids even one.
    fn look(&self, being_populated: u64) -> Result<u64, Shortage> {
        let rooms = [
            (self.filesystem_room(), Shortage::Filesystem),
            (self.cgroup_room(), Shortage::Cgroup),
            (machine_room(), Shortage::Memory),
        ];
        let (room, shortage) = rooms
            .into_iter()
            .min_by_key(|&(room, _)| room)
            .expect("the list of rooms is not empty");
        match (room / BLOCK_BYTES).saturating_sub(being_populated) {
            0 => Err(shortage),
            blocks => Ok(blocks.div_ceil(4).min(BLOCKS_PER_LOOK)),
        }
    }

    /// Free bytes of the file system. A file system without a size (memfds are on one) has room without end.
    fn filesystem_room(&self) -> u64 {
        match rustix::fs::fstatvfs(self.data) {
            Ok(stat) if stat.f_blocks > 0 => stat.f_bavail.saturating_mul(stat.f_frsize),
            _ => u64::MAX,
        }
    }

    fn cgroup_room(&self) -> u64 {
        self.cgroups.tightest().map_or(u64::MAX, |room| {
            room.available_bytes
                .saturating_sub(room.limit_bytes / FLOOR_DIVISOR)
        })
    }
}

/// The answer for the outcomes, ascending. A block behind the first one that failed may have its pages already, and keeps them:
/// it may hold something. It counts as cold until the next order finds it done.
fn settle(outcomes: &[Outcome]) -> GroomDone {
    let front = (0..)
        .zip(outcomes)
        .take_while(|(block, outcome)| outcome.block == *block);
    GroomDone {
        huge: front.map_while(|(_, outcome)| outcome.huge.ok()).collect(),
        shortage: outcomes.iter().find_map(|outcome| outcome.huge.err()),
    }
}

/// A machine that does not tell its memory is trusted to have some: the kernel's errors remain.
fn machine_room() -> u64 {
    MachineMemory::read().map_or(u64::MAX, |machine| {
        let floor = MACHINE_FLOOR_BYTES.max(machine.total_bytes / FLOOR_DIVISOR);
        machine.available_bytes.saturating_sub(floor)
    })
}

fn extent_of(blocks: &Range<u64>) -> io::Result<Extent> {
    let count = blocks.end.saturating_sub(blocks.start);
    blocks
        .start
        .checked_mul(BLOCK_BYTES)
        .zip(count.checked_mul(BLOCK_BYTES))
        .and_then(|(offset, len)| Extent::new(Offset::new(offset), len))
        .ok_or_else(|| Errno::OVERFLOW.into())
}

/// Below so many blocks for each a second thread does not pay.
const BLOCKS_PER_THREAD: u64 = 4;

/// How one block went.
struct Outcome {
    /// Counted from the first of the run.
    block: u64,
    huge: Result<bool, Shortage>,
}

/// What may still be populated before the next look.
#[derive(Default)]
struct Budget {
    blocks: u64,
    being_populated: u64,
    shortage: Option<Shortage>,
}

/// One order, shared by the threads that work on it: each takes the next block until none is left or memory is short.
struct Run<'a, 'f> {
    range: &'a AddressRange,
    first_offset: u64,
    count: u64,
    next: AtomicU64,
    budget: Mutex<Budget>,
    groomer: &'a Groomer<'f>,
}

impl Run<'_, '_> {
    fn work(&self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            // Relaxed: the number alone is shared.
            let block = self.next.fetch_add(1, Ordering::Relaxed);
            if block >= self.count {
                return outcomes;
            }
            let huge = self.take_from_budget().and_then(|()| {
                let populated = self.populate_block(block);
                self.budget().being_populated -= 1;
                populated
            });
            let failed = huge.is_err();
            outcomes.push(Outcome { block, huge });
            if failed {
                return outcomes;
            }
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once memory was short the run is over for every thread, so that what was done stays a front of the order.
    fn take_from_budget(&self) -> Result<(), Shortage> {
        let mut budget = self.budget();
        if budget.blocks == 0 && budget.shortage.is_none() {
            match self.groomer.look(budget.being_populated) {
                Ok(blocks) => budget.blocks = blocks,
                Err(shortage) => budget.shortage = Some(shortage),
            }
        }
        if let Some(shortage) = budget.shortage {
            return Err(shortage);
        }
        budget.blocks -= 1;
        budget.being_populated += 1;
        Ok(())
    }

    /// Populates one block; whether it is one large page. A block without any page before has none after a failure either.
    fn populate_block(&self, block: u64) -> Result<bool, Shortage> {
        let was_hole = self.is_hole(block);
        let populated = self.populate_cold(block);
        if populated.is_err() && was_hole {
            let block = self.first_offset / BLOCK_BYTES + block;
            // Should it fail, the pages stay until the next order for this block.
            self.groomer.release(block..block + 1).ok();
        }
        populated
    }

    fn is_hole(&self, block: u64) -> bool {
        let start = self.first_offset + block * BLOCK_BYTES;
        match rustix::fs::seek(self.groomer.data, SeekFrom::Data(start)) {
            Ok(data) => data >= start + BLOCK_BYTES,
            Err(errno) => errno == Errno::NXIO,
        }
    }

    fn populate_cold(&self, block: u64) -> Result<bool, Shortage> {
        let start = (block * BLOCK_BYTES) as usize;
        self.populate_pages(start, PAGE_BYTES as usize)?;
        if self.collapse(start) {
            return Ok(true);
        }
        self.populate_pages(start, BLOCK_BYTES as usize)?;
        Ok(false)
    }

    fn collapse(&self, start: usize) -> bool {
        for _ in 0..COLLAPSE_TRIES_MAX {
            match self.range.collapse_block(start) {
                Err(Errno::AGAIN | Errno::BUSY) => {}
                collapsed => return collapsed.is_ok(),
            }
        }
        false
    }

    fn populate_pages(&self, start: usize, len: usize) -> Result<(), Shortage> {
        let populated = rustix::io::retry_on_intr(|| {
            self.range
                .advise_part(start, len, Advice::LinuxPopulateWrite)
        });
        match populated {
            // The kernel is older than the advice, or a sandbox refuses it.
            Err(Errno::INVAL | Errno::PERM | Errno::NOSYS) => reserve(
                self.groomer.data,
                self.first_offset + start as u64,
                len as u64,
            )
            .map_err(|errno| self.shortage_of(errno)),
            populated => populated.map_err(|errno| self.shortage_of(errno)),
        }
    }

    /// EFAULT and HWPOISON stand for what would have been a SIGBUS: the file system had no page.
    fn shortage_of(&self, errno: Errno) -> Shortage {
        match errno {
            Errno::NOMEM if self.groomer.cgroup_room() < machine_room() => Shortage::Cgroup,
            Errno::NOMEM => Shortage::Memory,
            _ => Shortage::Filesystem,
        }
    }
}

/// The blocks of a data file of `arena_bytes` that have all their pages, ascending, as ranges.
///
/// # Errors
/// What the kernel says.
pub fn populated_blocks(data: BorrowedFd<'_>, arena_bytes: u64) -> io::Result<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < arena_bytes {
        let start = match rustix::fs::seek(data, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = rustix::fs::seek(data, SeekFrom::Hole(start))?;
        let whole = start.div_ceil(BLOCK_BYTES)..end.min(arena_bytes) / BLOCK_BYTES;
        if !whole.is_empty() {
            ranges.push(whole);
        }
        at = end.max(at + PAGE_BYTES);
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    use crate::files::sealed_memfd;
    use crate::memory::fake::Tree;

    const BLOCKS: u64 = 40;

    #[test]
    fn a_cgroup_without_room_is_a_shortage_before_anything_is_populated() {
        let file = sealed_memfd("groom", BLOCKS * BLOCK_BYTES).unwrap();
        let populate = |usage: u64| {
            let tree = Tree::new(&[
                ("memory.max", &(1_u64 << 30).to_string()),
                ("memory.current", &usage.to_string()),
            ]);
            let cgroups = CgroupChain::of("0::/", &tree.mountinfo("/", "cgroup2 cgroup2 rw"));
            let data = file.as_fd();
            let threads = NonZeroUsize::new(2).unwrap();
            Groomer {
                data,
                cgroups,
                threads,
            }
            .populate(0..BLOCKS)
            .unwrap()
        };
        let done = populate((1 << 30) - BLOCK_BYTES);
        assert_eq!(
            (done.huge.len(), done.shortage),
            (0, Some(Shortage::Cgroup))
        );
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_blocks, 0);
        let done = populate(1 << 29);
        assert_eq!((done.huge.len() as u64, done.shortage), (BLOCKS, None));
    }

    #[test]
    fn the_answer_is_the_front_that_was_done() {
        let outcome = |block, huge| Outcome { block, huge };
        let short = Err(Shortage::Memory);
        let outcomes = [
            outcome(0, Ok(true)),
            outcome(1, Ok(false)),
            outcome(2, short),
            outcome(3, Ok(true)),
        ];
        let done = settle(&outcomes);
        assert_eq!(
            (done.huge, done.shortage),
            (vec![true, false], Some(Shortage::Memory))
        );
        let gap = [outcome(0, Ok(true)), outcome(2, Ok(true))];
        assert_eq!(settle(&gap).huge, [true]);
    }
}
