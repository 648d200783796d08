//! The arena's bytes: what is in use, and whether it has pages.

use arena_core::Extent;
use arena_core::alloc::{Allocator, RebuildError};
use arena_core::layout::BlockState;
use arena_core::offset::BLOCK_BYTES;
use arena_core::placement::footprint;
use std::ops::Range;

use super::blocks::{Blocks, Pages, Warmth, blocks_of};

/// Extents and blocks together.
#[derive(Debug)]
pub(super) struct Memory {
    allocator: Allocator,
    pub(super) blocks: Blocks,
}

/// Bytes taken for an object, not granted yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) extent: Extent,
    pub(super) image: Option<Extent>,
    /// Blocks that are still without pages.
    pub(super) missing: u64,
}

impl Memory {
    /// The memory of an arena in which `used` is in use. A block that holds granted bytes counts as warm whatever was journaled:
    /// nothing may be done to its pages.
    pub(super) fn recover(
        arena_bytes: u64,
        states: &[BlockState],
        used: &[Extent],
    ) -> Result<Self, RebuildError> {
        let allocator = Allocator::rebuild(arena_bytes, used.iter().copied())?;
        let mut blocks = Blocks::new(arena_bytes / BLOCK_BYTES, states);
        for &extent in used {
            let (start, len) = span_of(extent);
            for block in blocks_of(start, len) {
                if blocks.pages(block) == Pages::Cold {
                    blocks.set(block, Pages::Warm(Warmth::Small));
                }
            }
            blocks.take(start, len);
        }
        Ok(Self { allocator, blocks })
    }

    /// Takes bytes for an object and its before-image, or nothing.
    pub(super) fn claim(&mut self, len: u64, with_image: bool) -> Option<Claim> {
        let extent = self.allocator.allocate(len)?;
        let image = if with_image {
            let Some(image) = self.allocator.allocate(len) else {
                self.allocator.free(extent);
                return None;
            };
            Some(image)
        } else {
            None
        };
        let missing = [Some(extent), image]
            .into_iter()
            .flatten()
            .map(|extent| self.take(extent))
            .sum();
        Some(Claim {
            extent,
            image,
            missing,
        })
    }

    fn take(&mut self, extent: Extent) -> u64 {
        let (start, len) = span_of(extent);
        self.blocks.take(start, len)
    }

    /// Gives bytes back.
    pub(super) fn release(&mut self, extent: Extent) {
        self.allocator.free(extent);
        let (start, len) = span_of(extent);
        self.blocks.give_back(start, len);
    }

    pub(super) const fn free_bytes(&self) -> u64 {
        self.allocator.free_bytes()
    }

    pub(super) const fn overhead_bytes(&self) -> u64 {
        self.allocator.overhead_bytes()
    }

    /// Free bytes with pages. Bytes taken by allocations that wait for pages are not free.
    pub(super) const fn free_warm_bytes(&self) -> u64 {
        self.blocks.free_warm_bytes()
    }
}

/// The blocks that an extent's footprint reaches into.
pub(super) fn blocks_of_extent(extent: Extent) -> Range<u64> {
    let (start, len) = span_of(extent);
    blocks_of(start, len)
}

fn span_of(extent: Extent) -> (u64, u64) {
    (extent.offset.get(), footprint(extent.len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_whole_or_nothing() {
        let mut memory = Memory::recover(4 * BLOCK_BYTES, &[BlockState::Huge], &[]).unwrap();
        assert!(memory.claim(3 * BLOCK_BYTES, true).is_none());
        assert_eq!(memory.free_bytes(), 4 * BLOCK_BYTES);
        let claim = memory.claim(2 * BLOCK_BYTES, true).unwrap();
        assert_eq!(claim.missing, 3);
        memory.release(claim.extent);
        memory.release(claim.image.unwrap());
        assert_eq!(memory.free_warm_bytes(), BLOCK_BYTES);
    }

    #[test]
    fn a_block_with_an_object_counts_as_warm_after_a_restart() {
        let extent = Extent::new(arena_core::Offset::new(BLOCK_BYTES), 5000).unwrap();
        let memory = Memory::recover(4 * BLOCK_BYTES, &[], &[extent]).unwrap();
        assert_eq!(memory.free_warm_bytes(), BLOCK_BYTES - 8192);
    }
}
