//! The extent allocator: best fit on two ordered maps of free extents, by offset and by length.
//!
//! It knows nothing of files, generations or pages: it is rebuilt from the extents in use. Among free extents of equal length
//! the lowest wins, so that the arena fills from the bottom and its top can stay cold.

use std::collections::{BTreeMap, BTreeSet};

use crate::offset::{Extent, Offset, PAGE_BYTES};
use crate::placement::{Placement, placement};

/// How many free extents that are large enough but may be badly aligned are tried before a surely sufficient one is taken.
const TRIES_MAX: usize = 16;

/// Why extents in use make no allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// Two extents share a byte.
    #[error("two extents in use overlap at {0}")]
    Overlap(Offset),
    /// An extent is not where an object of its length may be.
    #[error("an extent in use leaves the arena or is not aligned: {0:?}")]
    Misplaced(Extent),
}

/// What is free and what is in use of an arena.
#[derive(Debug, Clone)]
pub struct Allocator {
    arena_bytes: u64,
    by_offset: BTreeMap<u64, u64>,
    by_len: BTreeSet<(u64, u64)>,
    taken_bytes: u64,
    asked_bytes: u64,
}

impl Allocator {
    /// An allocator over an empty arena of `arena_bytes`.
    #[must_use]
    pub fn new(arena_bytes: u64) -> Self {
        let mut allocator = Self {
            arena_bytes,
            by_offset: BTreeMap::new(),
            by_len: BTreeSet::new(),
            taken_bytes: 0,
            asked_bytes: 0,
        };
        allocator.insert_free(0, arena_bytes);
        allocator
    }

    /// An allocator in which exactly `used` is in use.
    ///
    /// # Errors
    /// [`RebuildError`] where two extents overlap or one is not where an object of its length may be.
    pub fn rebuild(
        arena_bytes: u64,
        used: impl IntoIterator<Item = Extent>,
    ) -> Result<Self, RebuildError> {
        let mut used: Vec<Extent> = used.into_iter().filter(|extent| extent.len > 0).collect();
        used.sort_unstable();
        let mut allocator = Self::new(0);
        allocator.arena_bytes = arena_bytes;
        let mut free_from = 0;
        for extent in used {
            let Placement { bytes, alignment } = placement(extent.len);
            let end = extent
                .offset
                .get()
                .checked_add(bytes)
                .filter(|&end| end <= arena_bytes);
            let (Some(end), true) = (end, extent.offset.is_aligned(alignment)) else {
                return Err(RebuildError::Misplaced(extent));
            };
            let Some(gap) = extent.offset.get().checked_sub(free_from) else {
                return Err(RebuildError::Overlap(extent.offset));
            };
            allocator.insert_free(free_from, gap);
            allocator.taken_bytes += bytes;
            allocator.asked_bytes += extent.len;
            free_from = end;
        }
        allocator.insert_free(free_from, arena_bytes - free_from);
        Ok(allocator)
    }

    /// Takes an extent for an object of `len` bytes, or returns `None` where no free extent has room. The extent has the length
    /// asked for; what the object takes beyond it is [`placement`]'s. An empty object takes nothing.
    pub fn allocate(&mut self, len: u64) -> Option<Extent> {
        if len == 0 {
            return Some(Extent::default());
        }
        let wanted = placement(len);
        let (free_offset, free_len, start) = self.find(wanted)?;
        self.remove_free(free_offset, free_len);
        self.insert_free(free_offset, start - free_offset);
        let end = start + wanted.bytes;
        self.insert_free(end, free_offset + free_len - end);
        self.taken_bytes += wanted.bytes;
        self.asked_bytes += len;
        Extent::new(Offset::new(start), len)
    }

    /// Gives back an extent that [`Allocator::allocate`] returned.
    ///
    /// # Panics
    /// Where part of it is already free: a mistake of the caller that would hand out bytes twice.
    pub fn free(&mut self, extent: Extent) {
        if extent.len == 0 {
            return;
        }
        let bytes = placement(extent.len).bytes;
        let (mut start, mut len) = (extent.offset.get(), bytes);
        let end = start + len;
        assert!(end <= self.arena_bytes, "a freed extent lies in the arena");
        if let Some((&before, &before_len)) = self.by_offset.range(..end).next_back() {
            assert!(before + before_len <= start, "a freed extent was in use");
            if before + before_len == start {
                self.remove_free(before, before_len);
                start = before;
                len += before_len;
            }
        }
        if let Some(&after_len) = self.by_offset.get(&end) {
            self.remove_free(end, after_len);
            len += after_len;
        }
        self.insert_free(start, len);
        self.taken_bytes -= bytes;
        self.asked_bytes -= extent.len;
    }

    /// The size of the arena.
    #[must_use]
    pub const fn arena_bytes(&self) -> u64 {
        self.arena_bytes
    }

    /// Bytes that nothing takes.
    #[must_use]
    pub const fn free_bytes(&self) -> u64 {
        self.arena_bytes - self.taken_bytes
    }

    /// Bytes in use, with what rounding up takes.
    #[must_use]
    pub const fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    /// Bytes that rounding up takes.
    #[must_use]
    pub const fn overhead_bytes(&self) -> u64 {
        self.taken_bytes - self.asked_bytes
    }

    /// A free extent and the place in it. Tries a bounded number of tight ones, then one in which any alignment fits, and only
    /// where there is none all tight ones.
    fn find(&self, wanted: Placement) -> Option<(u64, u64, u64)> {
        let Placement { bytes, alignment } = wanted;
        let fits = |&(len, offset): &(u64, u64)| {
            let start = offset.checked_next_multiple_of(alignment)?;
            let end = start.checked_add(bytes)?;
            (end <= offset + len).then_some((offset, len, start))
        };
        let sure = bytes.checked_add(alignment - PAGE_BYTES)?;
        let mut tight = self.by_len.range((bytes, 0)..(sure, 0));
        tight
            .by_ref()
            .take(TRIES_MAX)
            .find_map(fits)
            .or_else(|| self.by_len.range((sure, 0)..).find_map(fits))
            .or_else(|| tight.find_map(fits))
    }

    fn insert_free(&mut self, offset: u64, len: u64) {
        if len > 0 {
            self.by_offset.insert(offset, len);
            self.by_len.insert((len, offset));
        }
    }

    fn remove_free(&mut self, offset: u64, len: u64) {
        self.by_offset.remove(&offset);
        self.by_len.remove(&(len, offset));
    }
}

#[cfg(test)]
mod tests;
