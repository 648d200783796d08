//! Which rows of the process table are free.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Free rows; the lowest is taken first.
#[derive(Debug)]
pub(super) struct ProcessRows {
    free: BinaryHeap<Reverse<u32>>,
}

impl ProcessRows {
    pub(super) fn new(rows: u32, used: &BTreeSet<u32>) -> Self {
        Self {
            free: (0..rows)
                .filter(|row| !used.contains(row))
                .map(Reverse)
                .collect(),
        }
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        self.free.pop().map(|Reverse(row)| row)
    }

    pub(super) fn give_back(&mut self, row: u32) {
        self.free.push(Reverse(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_row_is_taken() {
        let mut rows = ProcessRows::new(3, &BTreeSet::from([1]));
        assert_eq!(
            (rows.take(), rows.take(), rows.take()),
            (Some(0), Some(2), None)
        );
        rows.give_back(2);
        rows.give_back(0);
        assert_eq!(rows.take(), Some(0));
    }
}
