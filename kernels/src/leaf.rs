//! Leaves: the unit of reductions.
//!
//! Elements are numbered in *canonical order*: the order they have in memory where the array is dense (C or Fortran order
//! alike), row-major order of their indices where it has gaps. A kernel of several inputs numbers all of them alike, so dense
//! arrays of different orders are not to be paired in memory order; kernels of several inputs take 1-d arrays only.
//! Leaf `k` holds elements `k * LEAF_ELEMENTS` up to the next leaf or the end.

use std::ops::Range;

/// Elements of a leaf. Part of what a sum's bits depend on: never to be changed.
pub const LEAF_ELEMENTS: u64 = 16_384;

/// How many leaves there are of `elements` elements.
#[must_use]
pub const fn leaves_of(elements: u64) -> u64 {
    elements.div_ceil(LEAF_ELEMENTS)
}

/// The elements of a run of leaves, of `elements` in all.
#[must_use]
pub const fn leaf_elements(leaves: &Range<u64>, elements: u64) -> Range<u64> {
    clipped(leaves.start, elements)..clipped(leaves.end, elements)
}

const fn clipped(leaf: u64, elements: u64) -> u64 {
    let first = leaf.saturating_mul(LEAF_ELEMENTS);
    if first < elements { first } else { elements }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_leaf_is_short() {
        assert_eq!(leaves_of(0), 0);
        assert_eq!(leaves_of(LEAF_ELEMENTS), 1);
        assert_eq!(leaves_of(LEAF_ELEMENTS + 1), 2);
        assert_eq!(
            leaf_elements(&(1..2), LEAF_ELEMENTS + 1),
            LEAF_ELEMENTS..LEAF_ELEMENTS + 1
        );
        assert_eq!(leaf_elements(&(0..u64::MAX), 5), 0..5);
    }
}
