//! Reductions of shared objects: stripes are locked for reading meanwhile.

use std::time::Duration;

use arena_core::lock::{CellRange, Mode, Request, cell_generation};
use arena_core::protocol::{Failure, Operand, Params, Span};
use arena_core::{ArrayLayout, Dtype};
use arena_kernels::{LEAF_ELEMENTS, Value};

use crate::player::run;
use crate::reduce::reduced;
use crate::stage::{Cut, OWN_SLOT, Stage, filled};

const LEAVES: u64 = 4;

/// A matrix of whole leaves: the rows of stripe `i` of 4 are leaf `i`.
fn matrix(stage: &mut Stage, axis: u8) -> Operand {
    let layout = ArrayLayout::c_order(Dtype::Int64, &[LEAVES * 128, LEAF_ELEMENTS / 128]).unwrap();
    let bytes = filled(&layout, |number| (number as i64).to_le_bytes().to_vec());
    let cut = Cut {
        axis,
        count: LEAVES as u32,
        images: false,
    };
    stage.shared(&layout, &bytes, cut)
}

fn request(operand: &Operand, stripe: u32, mode: Mode) -> Request {
    Request {
        cells: CellRange {
            first: operand.stripes.unwrap().first_cell + stripe,
            count: 1,
        },
        generation: cell_generation(operand.object),
        mode,
        keeps_images: false,
    }
}

fn sum_of(operand: &Operand, leaf: u64) -> arena_core::protocol::Work {
    let span = Span::Leaves {
        start: leaf,
        end: leaf + 1,
    };
    run("sum", Params::new(), std::slice::from_ref(operand), span)
}

#[test]
fn a_free_shared_object_reads_like_a_sealed_one() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    for axis in [0, 1] {
        let array = matrix(&mut stage, axis);
        let count = array.layout.element_count() as i64;
        let sum = reduced(&mut worker, "sum", std::slice::from_ref(&array));
        assert_eq!(sum, Ok(Value::Int(count * (count - 1) / 2)));
        let stripes = array.stripes.unwrap();
        let cells = CellRange {
            first: stripes.first_cell,
            count: stripes.count,
        };
        assert!(stage.area.inspect(cells).all(|cell| cell.is_idle()));
    }
}

/// One request for both: a range of cells is locked once, whatever asks for it.
#[test]
fn an_array_may_be_both_inputs() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let layout = ArrayLayout::c_order(Dtype::Int64, &[3 * LEAF_ELEMENTS]).unwrap();
    let bytes = filled(&layout, |number| {
        (number as i64 % 10).to_le_bytes().to_vec()
    });
    let cut = Cut {
        axis: 0,
        count: 7,
        images: false,
    };
    let array = stage.shared(&layout, &bytes, cut);
    let other = stage.shared(&layout, &bytes, cut);
    let squares = (0..layout.element_count() as i64).map(|number| (number % 10).pow(2));
    let expected = Value::Int(squares.sum());
    for inputs in [[&array, &array], [&array, &other], [&other, &array]] {
        let found = reduced(&mut worker, "dot", &inputs.map(Clone::clone));
        assert_eq!(found, Ok(expected.clone()));
    }
}

#[test]
fn only_stripes_with_elements_of_the_slice_are_waited_for() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let (rows, columns) = (matrix(&mut stage, 0), matrix(&mut stage, 1));
    let locker = stage.locker();
    let held = locker
        .acquire_all(
            &[
                request(&rows, 2, Mode::Write),
                request(&columns, 2, Mode::Write),
            ],
            Duration::ZERO,
        )
        .unwrap();
    for leaf in 0..LEAVES {
        let mut task = worker.task(sum_of(&rows, leaf));
        task.lock_timeout_ms = 1;
        let outcome = worker.execute(task);
        if leaf == 2 {
            let refused = Failure::LockTimeout {
                object: rows.object,
                stripe: 2,
                holder_slot: Some(OWN_SLOT.0),
                holder_pid: None,
                waited_ms: 0,
            };
            assert_eq!(without_time(outcome.unwrap_err()), refused);
        } else {
            assert!(outcome.is_ok());
        }
        let mut task = worker.task(sum_of(&columns, leaf));
        task.lock_timeout_ms = 1;
        assert!(worker.execute(task).is_err());
    }
    for guard in held {
        guard.withdraw();
    }
    assert!(worker.run(sum_of(&rows, 2)).is_ok());
}

#[test]
fn poisoned_and_closed_stripes_are_typed_failures() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let array = matrix(&mut stage, 0);
    let locker = stage.locker();
    drop(
        locker
            .acquire(request(&array, 1, Mode::Write), Duration::ZERO)
            .unwrap(),
    );
    let poisoned = Failure::Poisoned {
        object: array.object,
        stripe: 1,
    };
    assert_eq!(worker.run(sum_of(&array, 1)), Err(poisoned));
    assert!(worker.run(sum_of(&array, 0)).is_ok());
    let closed = Failure::Closed {
        object: array.object,
    };
    let other_use = Operand {
        object: arena_core::ObjectId {
            generation: 9,
            ..array.object
        },
        ..array.clone()
    };
    let stale = worker.run(sum_of(&other_use, 0)).unwrap_err();
    assert!(matches!(stale, Failure::Closed { .. }));
    stage.area.close_cells(request(&array, 0, Mode::Read).cells);
    assert_eq!(worker.run(sum_of(&array, 0)), Err(closed));
}

/// Read locks keep writers out for the time of the slice only.
#[test]
fn a_reader_leaves_no_trace_after_a_failure() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let array = matrix(&mut stage, 0);
    let span = Span::Leaves { start: 2, end: 99 };
    let beyond = run("sum", Params::new(), std::slice::from_ref(&array), span);
    assert!(worker.run(beyond).is_err());
    let locker = stage.locker();
    for stripe in 0..LEAVES as u32 {
        let guard = locker.acquire(request(&array, stripe, Mode::Write), Duration::ZERO);
        guard.unwrap().withdraw();
    }
}

fn without_time(failure: Failure) -> Failure {
    match failure {
        Failure::LockTimeout {
            object,
            stripe,
            holder_slot,
            holder_pid,
            ..
        } => Failure::LockTimeout {
            object,
            stripe,
            holder_slot,
            holder_pid,
            waited_ms: 0,
        },
        other => other,
    }
}
