//! What the supervisor knows of each 2 MiB block: its pages, how much of it is in use, and whether the groomer is at it.
//!
//! An extent may be granted only when all its blocks have pages and none is at the groomer. The supervisor learns here which
//! blocks to send to the groomer: those of an extent that waits, the lowest cold ones ahead of need, the highest warm ones to
//! give back. Each call costs what it changes plus a few words, whatever the size of the arena.
//!
//! Nothing here touches memory or files.

mod bitset;

use std::ops::Range;

use bitset::BitSet;

use crate::layout::BlockState;
use crate::offset::{BLOCK_BYTES, Extent};
use crate::placement::footprint;

/// What is populated at most when nothing happens: the smaller of 1 GiB and an eighth of the arena, used and free together.
#[must_use]
pub const fn warm_floor_blocks(arena_bytes: u64) -> u64 {
    let eighth = arena_bytes / 8;
    let floor = if eighth < 1 << 30 { eighth } else { 1 << 30 };
    floor / BLOCK_BYTES
}

/// Free bytes by whether they have pages, and blocks by their pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockCounts {
    /// Free bytes in warm blocks.
    pub free_warm_bytes: u64,
    /// Free bytes in cold blocks.
    pub free_cold_bytes: u64,
    /// Blocks that are one 2 MiB page.
    pub huge: u64,
    /// Blocks of 4 KiB pages.
    pub small: u64,
    /// Blocks without pages.
    pub cold: u64,
    /// Warm blocks of which nothing is in use and which are not at the groomer.
    pub free_warm_blocks: u64,
    /// Cold blocks of which nothing is in use and which are not at the groomer.
    pub free_cold_blocks: u64,
}

/// The blocks of an arena.
#[derive(Debug, Clone)]
pub struct Blocks {
    states: Vec<BlockState>,
    /// Bytes of each block that extents take.
    used: Vec<u32>,
    /// Blocks that the groomer has.
    groomed: BitSet,
    /// Cold, nothing in use, not at the groomer.
    free_cold: BitSet,
    /// Warm, nothing in use, not at the groomer.
    free_warm: BitSet,
    counts: BlockCounts,
}

impl Blocks {
    /// The blocks of an empty arena without pages.
    #[must_use]
    pub fn new(block_count: u64) -> Self {
        let mut free_cold = BitSet::new(block_count);
        (0..block_count).for_each(|block| free_cold.set(block, true));
        Self {
            states: vec![BlockState::Cold; block_count as usize],
            used: vec![0; block_count as usize],
            groomed: BitSet::new(block_count),
            free_cold,
            free_warm: BitSet::new(block_count),
            counts: BlockCounts {
                free_cold_bytes: block_count * BLOCK_BYTES,
                cold: block_count,
                free_cold_blocks: block_count,
                ..BlockCounts::default()
            },
        }
    }

    /// The blocks of an arena that is served again. The file system knows which blocks are `populated`, the table what kind of
    /// pages they were `recorded` to have. A block that is in use was granted with pages and keeps what is recorded: pages that
    /// were reserved and never touched do not show in the file system.
    #[must_use]
    pub fn rebuild(
        recorded: &[BlockState],
        populated: &[Range<u64>],
        used: impl IntoIterator<Item = Extent>,
    ) -> Self {
        let mut blocks = Self::new(recorded.len() as u64);
        for extent in used {
            blocks.take(extent);
        }
        let end = recorded.len() as u64;
        for block in populated
            .iter()
            .flat_map(|range| range.start..range.end.min(end))
        {
            let is_huge = recorded[block as usize] == BlockState::Huge;
            blocks.set_state(
                block,
                if is_huge {
                    BlockState::Huge
                } else {
                    BlockState::Small
                },
            );
        }
        for (block, &state) in (0..).zip(recorded) {
            if blocks.used[block as usize] > 0 && !blocks.state(block).is_warm() {
                blocks.set_state(block, state);
            }
        }
        blocks
    }

    /// How many blocks there are.
    #[must_use]
    pub const fn block_count(&self) -> u64 {
        self.states.len() as u64
    }

    /// What is known of a block's pages.
    #[must_use]
    pub fn state(&self, block: u64) -> BlockState {
        self.states[block as usize]
    }

    /// Sums over all blocks, kept up to date.
    #[must_use]
    pub const fn counts(&self) -> BlockCounts {
        self.counts
    }

    /// Notes that an extent is in use, whether or not it can be granted yet.
    pub fn take(&mut self, extent: Extent) {
        self.change_use(extent, |used, bytes| used + bytes);
    }

    /// Notes that an extent is free again.
    pub fn give_back(&mut self, extent: Extent) {
        self.change_use(extent, |used, bytes| used - bytes);
    }

    /// Whether every block of `extent` has pages and none is at the groomer: whether it may be granted.
    #[must_use]
    pub fn is_ready(&self, extent: Extent) -> bool {
        let is_ready = |block| self.state(block).is_warm() && !self.groomed.contains(block);
        spanned(extent).all(is_ready)
    }

    /// The first run of at most `blocks_max` cold blocks of `extent` that are not at the groomer. It counts as being there from
    /// now on, until [`Blocks::populated`] or [`Blocks::abandoned`].
    pub fn order_for(&mut self, extent: Extent, blocks_max: u64) -> Option<Range<u64>> {
        let is_wanted = |blocks: &Self, block: u64| {
            !blocks.state(block).is_warm() && !blocks.groomed.contains(block)
        };
        let Range { end, .. } = spanned(extent);
        let start = spanned(extent).find(|&block| is_wanted(self, block))?;
        let limit = end.min(start.saturating_add(blocks_max.max(1)));
        let end = (start..limit)
            .find(|&block| !is_wanted(self, block))
            .unwrap_or(limit);
        self.send(start..end)
    }

    /// The lowest run of at most `blocks_max` cold blocks of which nothing is in use, to be populated ahead of need. It counts
    /// as being at the groomer from now on, until [`Blocks::populated`] or [`Blocks::abandoned`].
    pub fn order_ahead(&mut self, blocks_max: u64) -> Option<Range<u64>> {
        let start = self.free_cold.next(0)?;
        let limit = self
            .block_count()
            .min(start.saturating_add(blocks_max.max(1)));
        let end = self.free_cold.run_end(start, limit);
        self.send(start..end)
    }

    /// The highest run of at most `blocks_max` warm blocks of which nothing is in use, to be given back as long as more than
    /// `floor_blocks` are warm. It counts as cold and at the groomer from now on, until [`Blocks::abandoned`].
    pub fn order_release(&mut self, blocks_max: u64, floor_blocks: u64) -> Option<Range<u64>> {
        let warm = self.counts.huge + self.counts.small;
        let count = blocks_max.min(warm.saturating_sub(floor_blocks));
        if count == 0 {
            return None;
        }
        let last = self.free_warm.previous(self.block_count())?;
        let limit = (last + 1).saturating_sub(count);
        let start = (limit..last)
            .rev()
            .find(|&block| !self.free_warm.contains(block));
        let run = start.map_or(limit, |block| block + 1)..last + 1;
        // Whether the groomer succeeds or dies: nobody may rely on these pages any more.
        run.clone()
            .for_each(|block| self.set_state(block, BlockState::Cold));
        self.send(run)
    }

    /// Notes the groomer's report: the blocks from `first` on have pages, `true` stands for one of 2 MiB.
    pub fn populated(&mut self, first: u64, huge: &[bool]) {
        for (block, &is_huge) in (first..self.block_count()).zip(huge) {
            self.set_groomed(block, false);
            self.set_state(
                block,
                if is_huge {
                    BlockState::Huge
                } else {
                    BlockState::Small
                },
            );
        }
    }

    /// Notes that the groomer is no longer at these blocks, because it has released them, ran short or died. What state they
    /// are in does not change: they are cold.
    pub fn abandoned(&mut self, blocks: Range<u64>) {
        for block in blocks.start..blocks.end.min(self.block_count()) {
            self.set_groomed(block, false);
        }
    }

    fn send(&mut self, run: Range<u64>) -> Option<Range<u64>> {
        run.clone().for_each(|block| self.set_groomed(block, true));
        Some(run)
    }

    fn set_groomed(&mut self, block: u64, is_groomed: bool) {
        self.groomed.set(block, is_groomed);
        self.index(block);
    }

    fn set_state(&mut self, block: u64, state: BlockState) {
        self.count(block, u64::wrapping_sub);
        self.states[block as usize] = state;
        self.count(block, u64::wrapping_add);
        self.index(block);
    }

    fn change_use(&mut self, extent: Extent, change: impl Fn(u32, u32) -> u32) {
        let start = extent.offset.get();
        let end = start + footprint(extent.len);
        for block in spanned(extent) {
            let from = start.max(block * BLOCK_BYTES);
            let to = end.min((block + 1) * BLOCK_BYTES);
            self.count(block, u64::wrapping_sub);
            let used = &mut self.used[block as usize];
            *used = change(*used, (to - from) as u32);
            debug_assert!(
                u64::from(*used) <= BLOCK_BYTES,
                "extents in use do not overlap"
            );
            self.count(block, u64::wrapping_add);
            self.index(block);
        }
    }

    /// Adds a block to the sums or takes it out.
    fn count(&mut self, block: u64, apply: impl Fn(u64, u64) -> u64) {
        let free = BLOCK_BYTES - u64::from(self.used[block as usize]);
        let counts = &mut self.counts;
        let (bytes, blocks) = match self.states[block as usize] {
            BlockState::Cold => (&mut counts.free_cold_bytes, &mut counts.cold),
            BlockState::Small => (&mut counts.free_warm_bytes, &mut counts.small),
            BlockState::Huge => (&mut counts.free_warm_bytes, &mut counts.huge),
        };
        *bytes = apply(*bytes, free);
        *blocks = apply(*blocks, 1);
    }

    /// Brings the sets that are searched up to date with a block.
    fn index(&mut self, block: u64) {
        let is_free = self.used[block as usize] == 0 && !self.groomed.contains(block);
        let is_warm = self.state(block).is_warm();
        self.free_warm.set(block, is_free && is_warm);
        self.free_cold.set(block, is_free && !is_warm);
        self.counts.free_warm_blocks = self.free_warm.len();
        self.counts.free_cold_blocks = self.free_cold.len();
    }
}

/// The blocks that an extent takes part of.
fn spanned(extent: Extent) -> Range<u64> {
    if extent.len == 0 {
        return 0..0;
    }
    let start = extent.offset.get();
    start / BLOCK_BYTES..(start + footprint(extent.len)).div_ceil(BLOCK_BYTES)
}

#[cfg(test)]
mod tests;
