//! Positions in an arena. An offset is not an address and not an index: the types differ and never mix.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit of extents: what the kernel maps and protects.
pub const PAGE_BYTES: u64 = 4096;

/// The unit of populating: one transparent huge page.
pub const BLOCK_BYTES: u64 = 2 << 20;

/// A byte position relative to the start of the arena's data. Arithmetic is checked, so there are no operators.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(u64);

impl Offset {
    /// The start of the arena.
    pub const ZERO: Self = Self(0);

    /// An offset of `bytes` from the start of the arena.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes from the start of the arena.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This offset moved up by `bytes`, or `None` past the end of the number range.
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Whether the offset is a multiple of `alignment`, a power of two.
    #[must_use]
    pub const fn is_aligned(self, alignment: u64) -> bool {
        self.0 & (alignment - 1) == 0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A byte range of the arena.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Extent {
    /// The first byte.
    pub offset: Offset,
    /// The number of bytes; zero for objects without elements.
    pub len: u64,
}

impl Extent {
    /// The extent of `len` bytes from `offset`, or `None` where its end is no valid offset.
    #[must_use]
    pub const fn new(offset: Offset, len: u64) -> Option<Self> {
        match offset.checked_add(len) {
            Some(_) => Some(Self { offset, len }),
            None => None,
        }
    }

    /// The first offset behind the extent. Saturates for extents that were not made by [`Extent::new`].
    #[must_use]
    pub const fn end(self) -> Offset {
        Offset(self.offset.0.saturating_add(self.len))
    }

    /// Whether every byte of `inner` lies in this extent.
    #[must_use]
    pub const fn contains(self, inner: Self) -> bool {
        inner.offset.0 >= self.offset.0 && inner.end().0 <= self.end().0
    }

    /// Whether the two share a byte.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.len > 0
            && other.len > 0
            && self.offset.0 < other.end().0
            && other.offset.0 < self.end().0
    }

    /// The sub-extent `start..start + len`, or `None` where it leaves this extent.
    #[must_use]
    pub const fn slice(self, start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) if end <= self.len => match self.offset.checked_add(start) {
                Some(offset) => Some(Self { offset, len }),
                None => None,
            },
            _ => None,
        }
    }
}

/// `bytes` rounded up to a multiple of `alignment` (a power of two), or `None` on overflow.
#[must_use]
pub const fn round_up(bytes: u64, alignment: u64) -> Option<u64> {
    match bytes.checked_add(alignment - 1) {
        Some(sum) => Some(sum & !(alignment - 1)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_checked() {
        assert_eq!(Offset::new(u64::MAX).checked_add(1), None);
        assert_eq!(Extent::new(Offset::new(u64::MAX), 1), None);
        assert_eq!(round_up(u64::MAX, PAGE_BYTES), None);
        assert_eq!(round_up(1, PAGE_BYTES), Some(PAGE_BYTES));
    }

    #[test]
    fn slices_stay_inside() {
        let extent = Extent::new(Offset::new(4096), 100).unwrap();
        assert_eq!(extent.slice(90, 10).map(|s| s.offset.get()), Some(4186));
        assert_eq!(extent.slice(90, 11), None);
        assert_eq!(extent.slice(u64::MAX, 2), None);
        assert!(extent.contains(extent.slice(0, 100).unwrap()));
        assert!(!extent.overlaps(Extent::new(extent.end(), 10).unwrap()));
    }
}
