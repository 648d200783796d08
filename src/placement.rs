//! How much of the arena an object takes and where it may begin: a pure function of its length, so that a restart needs to
//! know nothing but the object table.
//!
//! Mappings, protection and freeing are decided by 2 MiB pages, so a large object begins on a block boundary and takes whole
//! blocks, as long as that wastes no more than a twentieth of it. All others pack at page granularity: three-megabyte images
//! that took two blocks each would waste a quarter of the arena.

use crate::offset::{BLOCK_BYTES, PAGE_BYTES, round_up};

/// An object may waste one part in so many for the sake of whole blocks.
const WASTE_DIVISOR: u64 = 20;

/// What an object takes of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The bytes that it takes: its length rounded up.
    pub bytes: u64,
    /// Its offset is a multiple of this.
    pub alignment: u64,
}

/// The placement of an object of `len` bytes. Lengths near 2^64 saturate, so that no arena has room for them.
#[must_use]
pub const fn placement(len: u64) -> Placement {
    if len >= BLOCK_BYTES
        && let Some(whole) = round_up(len, BLOCK_BYTES)
        && whole - len <= len / WASTE_DIVISOR
    {
        return Placement {
            bytes: whole,
            alignment: BLOCK_BYTES,
        };
    }
    let bytes = match round_up(len, PAGE_BYTES) {
        Some(bytes) => bytes,
        None => u64::MAX,
    };
    Placement {
        bytes,
        alignment: PAGE_BYTES,
    }
}

/// The bytes that an object of `len` bytes takes.
#[must_use]
pub const fn footprint(len: u64) -> u64 {
    placement(len).bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_objects_take_whole_blocks_where_that_wastes_little() {
        let whole = |len| placement(len).alignment == BLOCK_BYTES;
        assert!(whole(BLOCK_BYTES) && whole(1 << 30) && whole((1 << 30) + 1));
        assert!(!whole(BLOCK_BYTES - 1) && !whole(BLOCK_BYTES + 1) && !whole(3_000_000));
        // 39 blocks + 1 byte waste just under a block of 40: less than a twentieth.
        assert!(whole(39 * BLOCK_BYTES + 1));
        assert!(!whole(10 * BLOCK_BYTES + 1));
    }

    #[test]
    fn the_waste_is_at_most_a_twentieth_or_a_page() {
        for len in (1..200_000_000).step_by(99_991) {
            let waste = footprint(len) - len;
            assert!(waste < PAGE_BYTES || waste <= len / WASTE_DIVISOR, "{len}");
        }
        assert_eq!(footprint(0), 0);
        assert_eq!(footprint(u64::MAX), u64::MAX);
    }
}
