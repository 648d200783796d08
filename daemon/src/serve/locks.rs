//! The supervisor's side of the locks file: every operation is bounded and waits for nobody.

use std::ops::Range;

use arena_core::SlotId;
use arena_core::lock::{CellRange, CellReport, Certificate, LockArea, NotWritten, SlotSet};

use crate::supervisor::{CellSeen, Progress, Swept};

/// The mapped locks file, and which slots may stand in its cells.
#[derive(Debug)]
pub(super) struct Locks {
    area: LockArea,
    /// Given out and not swept yet.
    issued: SlotSet,
}

impl Locks {
    /// Takes the mapped file. `issued` are slots of processes from before a restart.
    pub(super) fn new(area: LockArea, issued: SlotSet) -> Self {
        Self { area, issued }
    }

    pub(super) fn open(&self, cells: &Range<u32>, generation: u64) {
        self.area.open_cells(cells.clone().into(), generation);
    }

    pub(super) fn close(&self, cells: &Range<u32>) {
        self.area.close_cells(cells.clone().into());
    }

    pub(super) fn prepare_slot(&mut self, slot: SlotId, incarnation: u64) {
        self.issued.insert(slot);
        self.area.record(slot).issue(incarnation);
    }

    /// Sweeps a slot whose process is gone, as the supervisor has been told by its pidfd.
    pub(super) fn sweep(&mut self, slot: SlotId, cells: &[Range<u32>]) -> Swept {
        let certificate = Certificate::of_dead_process(slot);
        let swept = self.area.sweep(
            certificate,
            cells.iter().cloned().map(CellRange::from),
            self.issued,
        );
        self.area.record(slot).clear();
        self.issued.remove(slot);
        Swept {
            slot,
            poisoned: swept
                .poisoned
                .iter()
                .map(|poisoned| poisoned.cell)
                .collect(),
            corrupt: swept.damaged,
            progress: swept.progress.map(|progress| Progress {
                task: progress.task(),
                stripe: u32::from(progress.stripe()),
            }),
        }
    }

    /// The cells that are not idle.
    pub(super) fn inspect(&self, cells: &[Range<u32>]) -> Vec<CellSeen> {
        let reports = cells
            .iter()
            .flat_map(|cells| self.area.inspect(cells.clone().into()));
        reports
            .filter(|report| !report.is_idle())
            .map(|report| seen(&report))
            .collect()
    }

    /// The first cell that the slot does not hold for writing.
    pub(super) fn missing(&self, slot: SlotId, cells: &Range<u32>) -> Option<u32> {
        match self.area.check_written_by(cells.clone().into(), slot) {
            Ok(()) => None,
            Err(NotWritten::NotHeld { cell, .. } | NotWritten::Poisoned { cell }) => Some(cell),
            // A reason that this program doesn't know names no cell; none of them is taken as held then.
            Err(_) => Some(cells.start),
        }
    }
}

fn seen(report: &CellReport) -> CellSeen {
    let state = report.state;
    CellSeen {
        cell: report.cell,
        writer: state.writer(),
        readers: report.readers.len() as u32,
        waiters: state.has_waiters(),
        poisoned: state.is_poisoned(),
        image_valid: state.has_image(),
        corrupt: state.is_impossible(),
    }
}
