//! The locks file, mapped: cells, then slot records.
//!
//! The one place that turns mapped bytes into references, and only into references to atomics, which any process may change at any
//! time. A new file is all zero: its cells have generation zero, which no object has, so nobody gets in before the supervisor opens
//! them.
#![expect(
    unsafe_code,
    reason = "turns a mapped, aligned region into slices of atomics"
)]

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::cell::LockCell;
use super::record::SlotRecord;
use crate::SlotId;
use crate::layout::{CELL_COUNT, LOCKS_BYTES};

const CELLS_BYTES: usize = CELL_COUNT as usize * size_of::<LockCell>();
const AREA_BYTES: usize = CELLS_BYTES + SlotId::COUNT * size_of::<SlotRecord>();

const _: () = assert!(AREA_BYTES as u64 == LOCKS_BYTES);

/// The mapped locks file.
#[derive(Debug)]
pub struct LockArea {
    // Invariant, established by `over`: at least AREA_BYTES long, page-aligned, readable and writable, mapped until dropped.
    map: MmapRaw,
}

impl LockArea {
    /// Maps the locks file. Forked children do not inherit the mapping, so that a dead process's locks cannot be written by a child
    /// of its; core dumps leave it out.
    ///
    /// # Errors
    /// What the system says, or `InvalidData` where the file is shorter than [`LOCKS_BYTES`].
    pub fn map(file: impl AsFd) -> io::Result<Self> {
        let file = file.as_fd();
        let len = rustix::fs::fstat(file)?.st_size;
        if usize::try_from(len).is_ok_and(|len| len < AREA_BYTES) {
            let text = format!("the locks file is too short, in bytes: {len}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let map = MmapOptions::new()
            .len(AREA_BYTES)
            .map_raw(file.as_raw_fd())?;
        map.advise(Advice::DontFork)?;
        map.advise(Advice::DontDump)?;
        Ok(Self::over(map))
    }

    /// Locks outside any file, for processes that share nothing and for tests.
    ///
    /// # Errors
    /// What the system says.
    pub fn anonymous() -> io::Result<Self> {
        let map = MmapOptions::new().len(AREA_BYTES).map_anon()?;
        Ok(Self::over(map.into()))
    }

    fn over(map: MmapRaw) -> Self {
        assert!(map.len() >= AREA_BYTES);
        assert!(map.as_ptr().cast::<LockCell>().is_aligned());
        Self { map }
    }

    /// The addresses of the mapping, which stay as long as it.
    #[must_use]
    pub fn addresses(&self) -> Range<usize> {
        let start = self.map.as_ptr().addr();
        start..start + self.map.len()
    }

    /// All cells of the arena.
    #[must_use]
    pub fn cells(&self) -> &[LockCell] {
        let cells = self.map.as_ptr().cast::<LockCell>();
        // SAFETY: the mapping is long and aligned enough and lives as long as `self` (invariant of `map`). LockCell consists of
        // atomics without padding, for which every bit pattern is valid and every change by others is allowed.
        unsafe { std::slice::from_raw_parts(cells, CELL_COUNT as usize) }
    }

    /// The records of all slots.
    #[must_use]
    pub fn records(&self) -> &[SlotRecord] {
        // SAFETY: CELLS_BYTES lies inside the mapping (invariant of `map`) and keeps the alignment of 64. SlotRecord consists of
        // atomics without padding, for which every bit pattern is valid and every change by others is allowed.
        unsafe {
            let records = self.map.as_ptr().add(CELLS_BYTES).cast::<SlotRecord>();
            std::slice::from_raw_parts(records, SlotId::COUNT)
        }
    }

    /// The record of one slot.
    #[must_use]
    pub fn record(&self, slot: SlotId) -> &SlotRecord {
        &self.records()[slot.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_file_is_refused() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(AREA_BYTES as u64 - 1).unwrap();
        let error = LockArea::map(&file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn two_mappings_of_a_file_are_the_same_cells() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(AREA_BYTES as u64).unwrap();
        let (one, other) = (LockArea::map(&file).unwrap(), LockArea::map(&file).unwrap());
        one.record(SlotId(255)).issue(77);
        assert_eq!(other.record(SlotId(255)).incarnation(), 77);
        one.cells()[65_535].open(9);
        assert_eq!(other.cells()[65_535].report(65_535).generation, 9);
    }
}
