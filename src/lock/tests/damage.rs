//! Cells with bits that no lock operation writes.

use proptest::prelude::*;

use super::*;
use crate::lock::{Certificate, LockError, SlotSet, State};

#[test]
fn a_sweep_closes_damaged_cells_and_reports_them_once() {
    let area = area();
    let cells = area.cells();
    cells[1].state.store(0x1ff, Ordering::Relaxed);
    cells[2].state.store(1 << 40, Ordering::Relaxed);
    cells[3].reserved.store(1, Ordering::Relaxed);
    cells[4].readers[3].store(1, Ordering::Relaxed);
    cells[5].state.store(200, Ordering::Relaxed);
    let issued = [SlotId(0), SlotId(1)].into_iter().collect();
    let certificate = Certificate::of_dead_process(SlotId(1));
    let swept = area.sweep(certificate, [range(0, 64)], issued);
    assert_eq!(swept.damaged, [1, 2, 3, 4, 5]);
    assert!(
        area.sweep(certificate, [range(0, 64)], issued)
            .damaged
            .is_empty()
    );
    let one = solo(&area, 0);
    for cell in 1..=5 {
        let refused = one.lock(request(cell, 1, Mode::Overwrite), LONG);
        assert_eq!(refused.unwrap_err(), LockError::Closed { cell });
    }
    area.open_cells(range(1, 5), GENERATION);
    assert!(area.inspect(range(0, 64)).all(|cell| cell.is_idle()));
}

#[test]
fn damage_met_while_locking_is_a_typed_error() {
    let area = area();
    area.cells()[0].state.store(1 << 40, Ordering::Relaxed);
    let refused = solo(&area, 0).lock(request(0, 1, Mode::Read), LONG);
    let state = 1 << 40;
    assert_eq!(refused.unwrap_err(), LockError::Damaged { cell: 0, state });
}

#[test]
fn a_hostile_record_wakes_at_most_the_shared_cells() {
    let area = area();
    let record = area.record(SlotId(3));
    record.start_intent(u32::MAX);
    record.widen_intent(0);
    let certificate = Certificate::of_dead_process(SlotId(3));
    let swept = area.sweep(certificate, [range(0, 64)], SlotSet::ALL);
    assert_eq!(swept.woken, 64);
}

proptest! {
    /// Whatever bits a cell holds, the sweep ends, the dead slot is gone from it, and a cell that was impossible is closed.
    #[test]
    fn a_sweep_copes_with_any_bits(state: u64, readers: [u64; 4], slot: u8) {
        let area = LockArea::anonymous().unwrap();
        let cell = &area.cells()[0];
        cell.state.store(state, Ordering::Relaxed);
        for (word, bits) in cell.readers.iter().zip(readers) {
            word.store(bits, Ordering::Relaxed);
        }
        let certificate = Certificate::of_dead_process(SlotId(slot));
        let swept = area.sweep(certificate, [range(0, 1)], SlotSet::ALL);
        let after = area.inspect(range(0, 1)).next().unwrap();
        prop_assert_ne!(after.state.writer(), Some(SlotId(slot)));
        prop_assert!(!after.readers.contains(SlotId(slot)));
        if State(state).is_impossible() {
            prop_assert!(after.state.is_closed());
            prop_assert_eq!(swept.damaged.len(), usize::from(!State(state).is_closed()));
        }
    }
}
