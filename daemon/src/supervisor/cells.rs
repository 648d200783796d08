//! Which lock cells belong to shared objects: contiguous ranges, first fit.

use std::collections::BTreeMap;
use std::ops::Range;

/// The cells in use, by their first.
#[derive(Debug)]
pub(super) struct Cells {
    count: u32,
    used: BTreeMap<u32, u32>,
    used_count: u32,
}

impl Cells {
    pub(super) const fn new(count: u32) -> Self {
        Self {
            count,
            used: BTreeMap::new(),
            used_count: 0,
        }
    }

    /// Takes the lowest free range of `len` cells.
    pub(super) fn take(&mut self, len: u32) -> Option<Range<u32>> {
        if len > self.count - self.used_count {
            return None;
        }
        let mut start = 0;
        for (&first, &end) in &self.used {
            if first - start >= len {
                break;
            }
            start = end;
        }
        let end = start.checked_add(len).filter(|&end| end <= self.count)?;
        self.occupy(start..end);
        Some(start..end)
    }

    /// Marks a range that an object of before a restart has.
    pub(super) fn occupy(&mut self, range: Range<u32>) {
        self.used_count += range.end - range.start;
        self.used.insert(range.start, range.end);
    }

    pub(super) fn give_back(&mut self, range: &Range<u32>) {
        let end = self.used.remove(&range.start);
        debug_assert_eq!(
            end,
            Some(range.end),
            "a range is given back as it was taken"
        );
        self.used_count -= range.end - range.start;
    }

    /// All cells in use, ascending, neighbours joined.
    pub(super) fn in_use(&self) -> Vec<Range<u32>> {
        let mut joined: Vec<Range<u32>> = Vec::new();
        for (&first, &end) in &self.used {
            match joined.last_mut() {
                Some(last) if last.end == first => last.end = end,
                _ => joined.push(first..end),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_gap_that_fits_is_taken() {
        let mut cells = Cells::new(100);
        assert_eq!(cells.take(10), Some(0..10));
        assert_eq!(cells.take(20), Some(10..30));
        assert_eq!(cells.take(5), Some(30..35));
        cells.give_back(&(10..30));
        assert_eq!(cells.take(21), Some(35..56));
        assert_eq!(cells.take(20), Some(10..30));
        assert_eq!(cells.take(45), None);
        assert_eq!(cells.in_use(), std::iter::once(0..56).collect::<Vec<_>>());
        assert_eq!(cells.take(44), Some(56..100));
    }
}
