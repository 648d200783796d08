//! In-place work on shared objects, and its repair.

use std::time::Duration;

use arena_core::lock::{CellRange, Mode, Progress, Request, cell_generation};
use arena_core::protocol::{Failure, FromSupervisor, Operand, Params, Span, Value, Work};
use arena_core::{ArrayLayout, Dtype, SlotId};

use crate::player::run;
use crate::stage::{Cut, Stage, filled, layouts, offsets};

pub(crate) fn add_one(operand: &Operand, start: u32, end: u32) -> Work {
    let params = Params::from([("offset".to_owned(), Value::Int(1))]);
    let span = Span::Stripes { start, end };
    run("scale_add", params, std::slice::from_ref(operand), span)
}

pub(crate) fn cells(operand: &Operand, start: u32, end: u32) -> CellRange {
    CellRange {
        first: operand.stripes.unwrap().first_cell + start,
        count: end - start,
    }
}

fn overwrite(operand: &Operand, stripe: u32) -> Request {
    Request {
        cells: cells(operand, stripe, stripe + 1),
        generation: cell_generation(operand.object),
        mode: Mode::Overwrite,
        keeps_images: operand.image.is_some(),
    }
}

fn numbered(layout: &ArrayLayout) -> Vec<u8> {
    filled(layout, |number| {
        let mut bytes = (number as u64).to_le_bytes().to_vec();
        bytes.truncate(layout.dtype().size_bytes() as usize);
        bytes
    })
}

#[test]
fn every_layout_axis_and_cut_is_updated_once_and_nothing_else() {
    for dtype in [Dtype::Int8, Dtype::Int16, Dtype::Int32, Dtype::Int64] {
        for layout in layouts(dtype) {
            let mut stage = Stage::new();
            let mut worker = stage.worker(3);
            for (axis, count, images) in [
                (0, 40, true),
                (1, 7, false),
                (2, 50, true),
                (2, 1, true),
                (0, 256, false),
            ] {
                let before = numbered(&layout);
                let cut = Cut {
                    axis,
                    count,
                    images,
                };
                let array = stage.shared(&layout, &before, cut);
                let (start, end) = (count / 3, count.div_ceil(2));
                assert!(worker.run(add_one(&array, start, end)).unwrap().is_empty());
                let expected = updated(&array, &before, start, end);
                assert!(
                    stage.read(array.extent) == expected,
                    "{layout:?} {axis} {count}"
                );
                assert!(
                    stage
                        .area
                        .inspect(cells(&array, 0, count))
                        .all(|cell| cell.is_idle())
                );
                if end > start {
                    let progress = stage.area.record(SlotId(3)).progress().unwrap();
                    assert_eq!(u32::from(progress.stripe()), end - 1);
                }
            }
        }
    }
}

/// The object's bytes after one was added to the elements of a range of stripes.
fn updated(array: &Operand, before: &[u8], start: u32, end: u32) -> Vec<u8> {
    let mut bytes = before.to_vec();
    let layout = &array.layout;
    let (stripes, size) = (array.stripes.unwrap(), layout.dtype().size_bytes() as usize);
    let axis = usize::from(stripes.axis);
    let inner: u64 = layout.shape()[axis + 1..].iter().product();
    for (number, offset) in offsets(layout).into_iter().enumerate() {
        let index = number as u64 / inner % layout.shape()[axis];
        let inside = (start..end).any(|stripe| {
            stripes
                .indices(stripe, layout.shape()[axis])
                .contains(&index)
        });
        if inside {
            let element = &mut bytes[offset as usize..][..size];
            let mut wide = [0; 8];
            wide[..size].copy_from_slice(element);
            let sum = u64::from_le_bytes(wide).wrapping_add(1).to_le_bytes();
            element.copy_from_slice(&sum[..size]);
        }
    }
    bytes
}

fn rows(stage: &mut Stage, images: bool) -> Operand {
    let layout = ArrayLayout::c_order(Dtype::Int64, &[8, 1000]).unwrap();
    let cut = Cut {
        axis: 0,
        count: 8,
        images,
    };
    stage.shared(&layout, &numbered(&layout), cut)
}

fn roll_back(operand: &Operand, stripes: &[u32]) -> Work {
    Work::RollBack {
        operand: operand.clone(),
        stripes: stripes.to_vec(),
    }
}

#[test]
fn a_held_stripe_ends_the_task_where_it_is() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let array = rows(&mut stage, true);
    let before = stage.read(array.extent);
    let locker = stage.locker();
    let held = locker
        .acquire(overwrite(&array, 5), Duration::ZERO)
        .unwrap();
    let mut task = worker.task(add_one(&array, 2, 8));
    task.lock_timeout_ms = 1;
    let number = task.task;
    let refused = worker.execute(task).unwrap_err();
    assert!(
        matches!(refused, Failure::LockTimeout { stripe: 5, .. }),
        "{refused}"
    );
    held.withdraw();
    assert_eq!(stage.read(array.extent), updated(&array, &before, 2, 5));
    let progress = stage.area.record(SlotId(3)).progress();
    assert_eq!(progress, Progress::new(number, 4));
}

/// Nobody sweeps the holder of a lock when the supervisor is gone, so waiting for it would be for ever.
#[test]
fn waiting_for_a_lock_ends_with_the_supervisor() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let array = rows(&mut stage, true);
    let locker = stage.locker();
    let held = locker
        .acquire(overwrite(&array, 0), Duration::ZERO)
        .unwrap();
    let mut task = worker.task(add_one(&array, 0, 1));
    task.lock_timeout_ms = u64::MAX;
    worker.send(&[FromSupervisor::Task(Box::new(task))]);
    assert!(worker.hang_up().is_ok());
    held.withdraw();
}

#[test]
fn poison_is_repaired_where_there_are_images() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let array = rows(&mut stage, true);
    let before = stage.read(array.extent);
    let locker = stage.locker();
    // Stripe 2: half written behind its image. Stripe 4: its writer died before the image was whole.
    let guard = locker
        .acquire(overwrite(&array, 2), Duration::ZERO)
        .unwrap();
    guard.keep_images(|_| copy_stripe(&stage, &array, 2));
    scribble(&stage, &array, 2);
    drop(guard);
    let unmarked = Request {
        keeps_images: false,
        ..overwrite(&array, 4)
    };
    drop(locker.acquire(unmarked, Duration::ZERO).unwrap());
    for stripe in [2, 4] {
        let poisoned = worker.run(add_one(&array, stripe, stripe + 1)).unwrap_err();
        assert_eq!(
            poisoned,
            Failure::Poisoned {
                object: array.object,
                stripe
            }
        );
    }
    // Twice: the second finds nothing to do, and stripes that are whole are left alone.
    for _ in 0..2 {
        worker.run(roll_back(&array, &[0, 2, 4])).unwrap();
        assert_eq!(stage.read(array.extent), before);
        assert!(
            stage
                .area
                .inspect(cells(&array, 0, 8))
                .all(|cell| cell.is_idle())
        );
    }
    worker.run(add_one(&array, 0, 8)).unwrap();
    assert_eq!(stage.read(array.extent), updated(&array, &before, 0, 8));
}

#[test]
fn poison_without_images_stays_and_is_named() {
    let mut stage = Stage::new();
    let mut worker = stage.worker(3);
    let array = rows(&mut stage, false);
    let locker = stage.locker();
    drop(
        locker
            .acquire(overwrite(&array, 6), Duration::ZERO)
            .unwrap(),
    );
    let poisoned = Failure::Poisoned {
        object: array.object,
        stripe: 6,
    };
    assert_eq!(worker.run(roll_back(&array, &[1, 6, 7])), Err(poisoned));
    let state = stage
        .area
        .inspect(cells(&array, 6, 7))
        .next()
        .unwrap()
        .state;
    assert!(state.is_poisoned() && state.writer().is_none());
}

fn stripe_extent(array: &Operand, whole: arena_core::Extent, stripe: u32) -> arena_core::Extent {
    let len = array.extent.len / 8;
    whole.slice(u64::from(stripe) * len, len).unwrap()
}

fn copy_stripe(stage: &Stage, array: &Operand, stripe: u32) {
    let bytes = stage.read(stripe_extent(array, array.extent, stripe));
    stage.write(stripe_extent(array, array.image.unwrap(), stripe), &bytes);
}

fn scribble(stage: &Stage, array: &Operand, stripe: u32) {
    let extent = stripe_extent(array, array.extent, stripe);
    let half = extent.slice(0, extent.len / 2).unwrap();
    stage.write(half, &vec![0xff; half.len as usize]);
}
