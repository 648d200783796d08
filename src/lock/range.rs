//! What a lock request names: cells, the use of them that is meant, and what for.

use super::error::LockError;
use crate::ObjectId;
use crate::layout::{CELL_COUNT, CellRange};

impl CellRange {
    /// The cell behind the last.
    #[must_use]
    pub fn end(self) -> u64 {
        u64::from(self.first) + u64::from(self.count)
    }

    /// The cells in ascending order. Only for ranges that were checked, or clipped.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = u32> {
        self.first..self.first.saturating_add(self.count)
    }

    /// The part of the range that exists.
    #[must_use]
    pub fn clipped(self) -> Self {
        let first = self.first.min(CELL_COUNT);
        let count = self.count.min(CELL_COUNT - first);
        Self { first, count }
    }
}

/// What a lock is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// Reading, beside other readers.
    Read,
    /// Changing stripes. Refused where a stripe is poisoned.
    Write,
    /// Writing whole stripes, every element of them. Lets poison pass; the commit clears it.
    Overwrite,
}

/// One range of one object to lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The cells.
    pub cells: CellRange,
    /// Which use of the cells is meant: [`cell_generation`] of the object.
    pub generation: u64,
    /// What for.
    pub mode: Mode,
    /// Whether the object keeps before-images. A lock that is dropped before a stripe's image is marked has not written that
    /// stripe, so it leaves no poison.
    pub keeps_images: bool,
}

/// The generation that the supervisor gives the cells of an object and that its users expect there. Never zero. Repeats only after
/// 2^40 uses of one row of the object table.
#[must_use]
pub const fn cell_generation(object: ObjectId) -> u64 {
    (object.index as u64 + 1) << 40 | object.generation & ((1 << 40) - 1)
}

/// Sorts requests into the global order of cells, in which no two requests deadlock, and refuses ranges that are empty, overlap or
/// leave the arena.
pub(super) fn in_global_order(requests: &[Request]) -> Result<Vec<Request>, LockError> {
    let mut sorted = requests.to_vec();
    sorted.sort_by_key(|request| request.cells.first);
    let mut end_before = 0;
    for request in &sorted {
        check(request.cells)?;
        if u64::from(request.cells.first) < end_before {
            return Err(bad(request.cells));
        }
        end_before = request.cells.end();
    }
    Ok(sorted)
}

/// Refuses ranges that are empty or leave the arena.
pub(super) fn check(cells: CellRange) -> Result<(), LockError> {
    if cells.count == 0 || cells.end() > CELL_COUNT.into() {
        return Err(bad(cells));
    }
    Ok(())
}

fn bad(cells: CellRange) -> LockError {
    LockError::BadRange {
        first: cells.first,
        end: cells.end(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(first: u32, count: u32) -> Request {
        Request {
            cells: CellRange { first, count },
            generation: 1,
            mode: Mode::Read,
            keeps_images: false,
        }
    }

    #[test]
    fn ranges_outside_the_arena_are_refused() {
        for (first, count) in [
            (0, 0),
            (CELL_COUNT, 1),
            (1, CELL_COUNT),
            (u32::MAX, u32::MAX),
        ] {
            let refused = in_global_order(&[request(first, count)]);
            assert!(matches!(refused, Err(LockError::BadRange { .. })));
            assert!(request(first, count).cells.clipped().end() <= CELL_COUNT.into());
        }
    }

    #[test]
    fn generations_of_different_rows_differ() {
        let of = |index, generation| cell_generation(ObjectId { index, generation });
        assert_ne!(of(0, 5), of(1, 5));
        assert_ne!(of(3, 5), of(3, 6));
        assert_ne!(of(0, 0), 0);
    }

    proptest! {
        #[test]
        fn sorted_requests_ascend_without_overlap(ranges in prop::collection::vec((0u32..2000, 1u32..50), 1..12)) {
            let requests: Vec<_> = ranges.iter().map(|&(first, count)| request(first, count)).collect();
            let overlap = requests.iter().enumerate().any(|(i, a)| requests[..i].iter().any(|b| {
                u64::from(a.cells.first) < b.cells.end() && u64::from(b.cells.first) < a.cells.end()
            }));
            match in_global_order(&requests) {
                Err(_) => prop_assert!(overlap),
                Ok(sorted) => {
                    prop_assert!(!overlap);
                    prop_assert_eq!(sorted.len(), requests.len());
                    prop_assert!(sorted.windows(2).all(|w| w[0].cells.end() <= w[1].cells.first.into()));
                }
            }
        }
    }
}
