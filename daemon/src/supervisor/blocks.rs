//! The blocks of the arena: which have pages, how much of each is in use, which the groomer has in its hands.
//!
//! A block is in use by granted objects only while it is warm. A cold block may be in use by allocations that wait for it.

use std::ops::Range;

use arena_core::BLOCK_BYTES;
use arena_core::layout::BlockState;
use arena_core::protocol::PageCounts;

/// What is known of a block's pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pages {
    /// There are none.
    Cold,
    /// The groomer brings them.
    Populating,
    /// The groomer gives them back.
    Releasing,
    /// There are, as said.
    Warm(Warmth),
}

/// The size of a warm block's pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Warmth {
    Small,
    Huge,
}

/// All blocks. Sums are kept, so that asking for them scans nothing.
#[derive(Debug)]
pub(super) struct Blocks {
    pages: Vec<Pages>,
    used: Vec<u32>,
    small: u64,
    huge: u64,
    used_warm_bytes: u64,
    free_warm: u64,
    /// No block below this one is cold.
    cold_from: u64,
    /// No block from this one on is warm and free.
    free_warm_to: u64,
}

impl Blocks {
    /// Blocks in the given states; missing ones are cold.
    pub(super) fn new(count: u64, states: &[BlockState]) -> Self {
        let count_usize =
            usize::try_from(count).expect("an arena's blocks can be counted in memory");
        let mut blocks = Self {
            pages: vec![Pages::Cold; count_usize],
            used: vec![0; count_usize],
            small: 0,
            huge: 0,
            used_warm_bytes: 0,
            free_warm: 0,
            cold_from: 0,
            free_warm_to: 0,
        };
        for (block, state) in (0..count).zip(states) {
            match state {
                BlockState::Cold => {}
                BlockState::Small => blocks.set(block, Pages::Warm(Warmth::Small)),
                BlockState::Huge => blocks.set(block, Pages::Warm(Warmth::Huge)),
            }
        }
        blocks
    }

    pub(super) fn count(&self) -> u64 {
        self.pages.len() as u64
    }

    pub(super) fn pages(&self, block: u64) -> Pages {
        self.pages[block as usize]
    }

    fn is_warm(&self, block: u64) -> bool {
        matches!(self.pages(block), Pages::Warm(_))
    }

    /// Moves a block from one state to another.
    pub(super) fn set(&mut self, block: u64, pages: Pages) {
        self.uncount(block);
        self.pages[block as usize] = pages;
        self.count_in(block);
        if pages == Pages::Cold {
            self.cold_from = self.cold_from.min(block);
        }
    }

    /// Marks bytes as in use; returns how many of their blocks are not warm.
    pub(super) fn take(&mut self, start: u64, len: u64) -> u64 {
        self.shift_use(start, len, |used, bytes| used + bytes)
    }

    /// Marks bytes as free.
    pub(super) fn give_back(&mut self, start: u64, len: u64) {
        self.shift_use(start, len, |used, bytes| used - bytes);
    }

    fn shift_use(&mut self, start: u64, len: u64, shift: fn(u32, u32) -> u32) -> u64 {
        let mut missing = 0;
        let end = start + len;
        for block in blocks_of(start, len) {
            let first = start.max(block * BLOCK_BYTES);
            let last = end.min((block + 1) * BLOCK_BYTES);
            self.uncount(block);
            let used = &mut self.used[block as usize];
            *used = shift(*used, (last - first) as u32);
            self.count_in(block);
            missing += u64::from(!self.is_warm(block));
        }
        missing
    }

    fn uncount(&mut self, block: u64) {
        self.shift_sums(block, |sum, by| *sum -= by);
    }

    fn count_in(&mut self, block: u64) {
        self.shift_sums(block, |sum, by| *sum += by);
        if self.is_warm(block) && self.used[block as usize] == 0 {
            self.free_warm_to = self.free_warm_to.max(block + 1);
        }
    }

    fn shift_sums(&mut self, block: u64, shift: fn(&mut u64, u64)) {
        let used = self.used[block as usize];
        match self.pages[block as usize] {
            Pages::Warm(Warmth::Small) => shift(&mut self.small, 1),
            Pages::Warm(Warmth::Huge) => shift(&mut self.huge, 1),
            Pages::Cold | Pages::Populating | Pages::Releasing => return,
        }
        shift(&mut self.used_warm_bytes, u64::from(used));
        shift(&mut self.free_warm, u64::from(used == 0));
    }

    /// Blocks with pages.
    pub(super) const fn warm(&self) -> u64 {
        self.small + self.huge
    }

    /// Blocks with pages and nothing in them.
    pub(super) const fn free_warm(&self) -> u64 {
        self.free_warm
    }

    /// Free bytes that have pages.
    pub(super) const fn free_warm_bytes(&self) -> u64 {
        self.warm() * BLOCK_BYTES - self.used_warm_bytes
    }

    pub(super) fn page_counts(&self) -> PageCounts {
        PageCounts {
            huge_blocks: self.huge,
            small_blocks: self.small,
            cold_blocks: self.count() - self.warm(),
        }
    }

    /// The first run of cold blocks in `within`, at most `max` long.
    pub(super) fn cold_run(&self, within: Range<u64>, max: u64) -> Option<Range<u64>> {
        let is_cold = |&block: &u64| self.pages(block) == Pages::Cold;
        let start = within.clone().find(is_cold)?;
        let limit = within.end.min(start.saturating_add(max));
        let end = (start..limit)
            .find(|block| !is_cold(block))
            .unwrap_or(limit);
        Some(start..end)
    }

    /// The lowest run of cold blocks of the arena.
    pub(super) fn lowest_cold_run(&mut self, max: u64) -> Option<Range<u64>> {
        let run = self.cold_run(self.cold_from..self.count(), max);
        self.cold_from = run.as_ref().map_or(self.count(), |run| run.start);
        run
    }

    /// The highest run of warm blocks with nothing in them.
    pub(super) fn highest_free_warm_run(&mut self, max: u64) -> Option<Range<u64>> {
        let is_free = |block: &u64| self.is_warm(*block) && self.used[*block as usize] == 0;
        let last = (0..self.free_warm_to).rev().find(is_free);
        let Some(last) = last else {
            self.free_warm_to = 0;
            return None;
        };
        let limit = (last + 1).saturating_sub(max);
        let start = (limit..last)
            .rev()
            .find(|block| !is_free(block))
            .map_or(limit, |block| block + 1);
        self.free_warm_to = last + 1;
        Some(start..last + 1)
    }
}

/// The blocks that hold a byte of `start..start + len`.
pub(super) const fn blocks_of(start: u64, len: u64) -> Range<u64> {
    if len == 0 {
        return 0..0;
    }
    start / BLOCK_BYTES..(start + len).div_ceil(BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUGE: Pages = Pages::Warm(Warmth::Huge);

    #[test]
    fn sums_follow_use_and_pages() {
        let mut blocks = Blocks::new(4, &[BlockState::Huge, BlockState::Small]);
        assert_eq!((blocks.warm(), blocks.free_warm()), (2, 2));
        assert_eq!(blocks.take(BLOCK_BYTES - 4096, 8192), 0);
        assert_eq!(blocks.free_warm_bytes(), 2 * BLOCK_BYTES - 8192);
        assert_eq!(blocks.free_warm(), 0);
        assert_eq!(blocks.take(2 * BLOCK_BYTES, 4096), 1);
        blocks.set(2, HUGE);
        assert_eq!(blocks.free_warm_bytes(), 3 * BLOCK_BYTES - 8192 - 4096);
        blocks.give_back(BLOCK_BYTES - 4096, 8192);
        assert_eq!(blocks.free_warm(), 2);
        assert_eq!(blocks.page_counts().cold_blocks, 1);
    }

    #[test]
    fn runs_are_found_from_either_end() {
        let mut blocks = Blocks::new(8, &[BlockState::Huge; 6]);
        assert_eq!(blocks.lowest_cold_run(64), Some(6..8));
        blocks.take(4 * BLOCK_BYTES, 10);
        assert_eq!(blocks.highest_free_warm_run(64), Some(5..6));
        blocks.set(5, Pages::Releasing);
        assert_eq!(blocks.highest_free_warm_run(3), Some(1..4));
        blocks.set(1, Pages::Cold);
        assert_eq!(blocks.lowest_cold_run(1), Some(1..2));
        assert_eq!(blocks.highest_free_warm_run(64), Some(2..4));
    }
}
