//! The supervisor's operations on the mapped locks file. None of them waits for anybody.

use super::area::LockArea;
use super::keeper::{CellReport, NotWritten};
use super::slots::SlotSet;
use super::sweep::{Certificate, Sweep, Swept};
use super::waiting::FutexWaiting;
use crate::SlotId;
use crate::layout::CellRange;

impl LockArea {
    /// Opens cells for a new shared object: generation written, every flag and holder gone. Before the object is announced.
    pub fn open_cells(&self, cells: CellRange, generation: u64) {
        for (_, cell) in self.select(cells) {
            cell.open(generation);
        }
    }

    /// Closes the cells of an object that is sealed or freed. Holders are dropped, waiters get `Closed`.
    pub fn close_cells(&self, cells: CellRange) {
        for (_, cell) in self.select(cells) {
            cell.close(&FutexWaiting);
        }
    }

    /// Whether `slot` holds all cells for writing and no stripe is poisoned: what a seal asks for.
    ///
    /// # Errors
    /// The first cell where it is not so.
    pub fn check_written_by(&self, cells: CellRange, slot: SlotId) -> Result<(), NotWritten> {
        self.select(cells)
            .try_for_each(|(index, cell)| cell.check_written_by(slot, index))
    }

    /// A copy of each cell, for listings.
    pub fn inspect(&self, cells: CellRange) -> impl Iterator<Item = CellReport> + '_ {
        self.select(cells).map(|(index, cell)| cell.report(index))
    }

    /// Removes a dead slot from the cells of all shared objects. `issued` are the slots that may stand in cells: every slot given
    /// out and not yet swept, the dead one too.
    ///
    /// May be repeated, and may have died anywhere before. The slot's record stays as it is until
    /// [`SlotRecord::issue`](super::SlotRecord::issue).
    pub fn sweep(
        &self,
        certificate: Certificate,
        shared: impl IntoIterator<Item = CellRange>,
        issued: SlotSet,
    ) -> Swept {
        let record = self.record(certificate.slot());
        let mut swept = Swept {
            progress: record.progress(),
            ..Swept::default()
        };
        let sweep = Sweep::start(certificate, record, issued, &FutexWaiting);
        for (index, cell) in shared.into_iter().flat_map(|cells| self.select(cells)) {
            sweep.cell(cell, index, &mut swept);
        }
        swept
    }

    fn select(&self, cells: CellRange) -> impl Iterator<Item = (u32, &super::LockCell)> {
        let cells = cells.clipped();
        (cells.first..).zip(&self.cells()[cells.first as usize..cells.end() as usize])
    }
}
