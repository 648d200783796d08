//! Cells are closed and opened again under stragglers.

use loom::thread;

use super::deaths::{Life, live};
use super::*;
use crate::lock::waiting::Protocol;

/// The supervisor opens a closed cell for the next object, and its first writer enters, while a straggler of the last object tries
/// to get in. It must not, and must not disturb.
pub(super) fn straggler<R: Rules + 'static>(write: bool) {
    let scene = Scene::new();
    let supervisor = Process::<R>::new(&scene, 3, Death::Never);
    scene.cell.close(&supervisor);
    let straggling = {
        let process = Process::<R>::new(&scene, 1, Death::Never);
        thread::spawn(move || {
            let entry = process.entry();
            let entered = if write {
                entry.write(Access::Overwrite, &mut forever())
            } else {
                read(&entry)
            };
            match entered {
                Err(LockError::Closed { .. } | LockError::Stale { .. }) => {}
                other => panic!("a straggler got {other:?}"),
            }
        })
    };
    scene.cell.open(GENERATION + 1);
    let entry = supervisor.entry_of(GENERATION + 1);
    entry.write(Access::Change, &mut forever()).unwrap();
    scene.left.set(20);
    scene.right.set(20);
    entry.commit().unwrap();
    straggling.join().unwrap();
    read(&entry).unwrap();
    scene.assert_whole();
    entry.leave_reading();
}

#[test]
fn a_straggler_neither_enters_nor_disturbs_the_next_object() {
    for write in [false, true] {
        explore(Some(2), move || straggler::<Protocol>(write));
    }
}

/// A holder seals: the supervisor closes the cell under it, and who waits learns so.
#[test]
fn who_waits_for_a_cell_that_is_closed_is_told() {
    for life in [Life::Read, Life::Write, Life::Overwrite] {
        explore(None, move || {
            let scene = Scene::new();
            let holder = Process::<Protocol>::new(&scene, 0, Death::Never);
            holder
                .entry()
                .write(Access::Change, &mut forever())
                .unwrap();
            let waiter = {
                let process = Process::<Protocol>::new(&scene, 1, Death::Never);
                thread::spawn(move || {
                    let refused = live(&process, life).unwrap_err();
                    assert_eq!(refused, LockError::Closed { cell: 0 });
                })
            };
            scene.cell.check_written_by(SlotId(0), 0).unwrap();
            scene.cell.close(&holder);
            waiter.join().unwrap();
        });
    }
}
