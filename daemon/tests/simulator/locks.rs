//! The lock cells and slot records, as the loop and the processes see them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use arena_core::SlotId;
use arenad::supervisor::{CellSeen, Progress, Swept};

/// A cell that has been opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) generation: u64,
    pub(crate) is_closed: bool,
    pub(crate) writer: Option<SlotId>,
    pub(crate) is_poisoned: bool,
    pub(crate) is_image_valid: bool,
}

/// The locks file.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    pub(crate) cells: BTreeMap<u32, Cell>,
    pub(crate) progress: BTreeMap<SlotId, Progress>,
    /// Slots that were prepared and not swept since, with the incarnation.
    pub(crate) held: BTreeMap<SlotId, u64>,
}

impl Locks {
    pub(crate) fn open(&mut self, cells: Range<u32>, generation: u64) {
        for cell in cells {
            let fresh = Cell {
                generation,
                ..Cell::default()
            };
            self.cells.insert(cell, fresh);
        }
    }

    pub(crate) fn close(&mut self, cells: Range<u32>) {
        for (_, cell) in self.cells.range_mut(cells) {
            *cell = Cell {
                is_closed: true,
                ..Cell::default()
            };
        }
    }

    /// Takes a cell for writing, if it is free, sound (or to be overwritten) and still that object's.
    pub(crate) fn acquire(
        &mut self,
        cell: u32,
        generation: u64,
        slot: SlotId,
        overwrite: bool,
    ) -> bool {
        let Some(cell) = self.cells.get_mut(&cell) else {
            return false;
        };
        let is_free = cell.writer.is_none() && !cell.is_closed && cell.generation == generation;
        if is_free && (overwrite || !cell.is_poisoned) {
            cell.writer = Some(slot);
            return true;
        }
        false
    }

    pub(crate) fn commit(&mut self, cell: u32, slot: SlotId) {
        if let Some(cell) = self.cells.get_mut(&cell)
            && cell.writer == Some(slot)
        {
            cell.writer = None;
            cell.is_poisoned = false;
            cell.is_image_valid = false;
        }
    }

    pub(crate) fn sweep(&mut self, slot: SlotId, ranges: &[Range<u32>]) -> Swept {
        let mut poisoned = Vec::new();
        for range in ranges {
            for (&index, cell) in self.cells.range_mut(range.clone()) {
                if cell.writer == Some(slot) {
                    cell.writer = None;
                    cell.is_poisoned = true;
                    poisoned.push(index);
                }
            }
        }
        self.held.remove(&slot);
        Swept {
            slot,
            poisoned,
            corrupt: Vec::new(),
            progress: self.progress.remove(&slot),
        }
    }

    pub(crate) fn first_not_held(&self, slot: SlotId, cells: Range<u32>) -> Option<u32> {
        cells.into_iter().find(|cell| {
            self.cells
                .get(cell)
                .is_none_or(|cell| cell.writer != Some(slot))
        })
    }

    pub(crate) fn seen(&self, ranges: &[Range<u32>]) -> Vec<CellSeen> {
        let cells = ranges
            .iter()
            .flat_map(|range| self.cells.range(range.clone()));
        let loud = cells.filter(|(_, cell)| cell.writer.is_some() || cell.is_poisoned);
        loud.map(|(&index, cell)| CellSeen {
            cell: index,
            writer: cell.writer,
            readers: 0,
            waiters: false,
            poisoned: cell.is_poisoned,
            image_valid: cell.is_image_valid,
            corrupt: false,
        })
        .collect()
    }

    /// The cells that a slot still writes.
    pub(crate) fn written_by(&self, slot: SlotId) -> BTreeSet<u32> {
        let held = self
            .cells
            .iter()
            .filter(|(_, cell)| cell.writer == Some(slot));
        held.map(|(&index, _)| index).collect()
    }
}
