//! Before-images: marked before the first store, good until the commit.

use super::*;
use crate::lock::{Certificate, LockError, SlotSet};

fn with_images(first: u32, count: u32, mode: Mode) -> Request {
    Request {
        keeps_images: true,
        ..request(first, count, mode)
    }
}

fn sweep(area: &LockArea, slot: u8) -> Vec<(u32, bool)> {
    let certificate = Certificate::of_dead_process(SlotId(slot));
    let swept = area.sweep(certificate, [range(0, 64)], SlotSet::ALL);
    swept.poisoned.iter().map(|p| (p.cell, p.image)).collect()
}

#[test]
fn each_stripe_is_copied_once_per_hold_and_the_commit_ends_its_image() {
    let area = area();
    let one = solo(&area, 1);
    let guard = one.acquire(with_images(0, 3, Mode::Write), NOW).unwrap();
    let mut copied = Vec::new();
    guard.keep_images(|cell| copied.push(cell));
    guard.keep_images(|cell| copied.push(cell));
    assert_eq!(copied, [0, 1, 2]);
    guard.commit().unwrap();
    assert!(area.inspect(range(0, 3)).all(|cell| cell.is_idle()));
}

#[test]
fn a_death_with_an_image_is_rolled_back_and_one_without_has_written_nothing() {
    let area = area();
    let (dead, worker) = (solo(&area, 1), solo(&area, 2));
    let held = dead.lock(with_images(0, 2, Mode::Write), NOW).unwrap();
    let first = crate::lock::Held {
        request: with_images(0, 1, Mode::Write),
        thread: held.thread,
    };
    dead.keep_images(&first, |_| {});
    assert_eq!(sweep(&area, 1), [(0, true), (1, false)]);
    let refused = worker.acquire(request(0, 1, Mode::Read), NOW).unwrap_err();
    assert_eq!(
        refused,
        LockError::Poisoned {
            cell: 0,
            image: true
        }
    );
    // The worker that rolls back dies too: the image is still there for the next one.
    let rolling = worker
        .lock(with_images(0, 1, Mode::Overwrite), NOW)
        .unwrap();
    worker.keep_images(&rolling, |_| panic!("the image is marked already"));
    assert_eq!(sweep(&area, 2), [(0, true)]);
    let guard = dead
        .acquire(with_images(0, 2, Mode::Overwrite), NOW)
        .unwrap();
    let mut restored = Vec::new();
    guard.roll_back(|cell| restored.push(cell)).unwrap();
    assert_eq!(restored, [0]);
    let refused = worker.acquire(request(0, 2, Mode::Read), NOW).unwrap_err();
    assert_eq!(
        refused,
        LockError::Poisoned {
            cell: 1,
            image: false
        }
    );
}

/// An overwrite went through poison without an image, wrote half a stripe and died. Without an image of its own it left what looks
/// like a stripe that was never written, and clearing that poison published the half.
#[test]
fn an_overwrite_of_an_unwritten_poisoned_stripe_keeps_an_image() {
    let area = area();
    let (first, second) = (solo(&area, 1), solo(&area, 2));
    let unwritten = first.lock(with_images(0, 1, Mode::Write), NOW).unwrap();
    assert_eq!(sweep(&area, 1), [(0, false)]);
    drop(unwritten);
    let overwriting = second
        .lock(with_images(0, 1, Mode::Overwrite), NOW)
        .unwrap();
    let mut copied = Vec::new();
    second.keep_images(&overwriting, |cell| copied.push(cell));
    assert_eq!(copied, [0]);
    assert_eq!(sweep(&area, 2), [(0, true)]);
}

#[test]
fn a_dropped_guard_poisons_only_stripes_whose_image_is_marked() {
    let area = area();
    let one = solo(&area, 1);
    drop(one.acquire(with_images(0, 1, Mode::Write), NOW).unwrap());
    let guard = one.acquire(with_images(1, 1, Mode::Write), NOW).unwrap();
    guard.keep_images(|_| {});
    drop(guard);
    one.acquire(request(0, 1, Mode::Read), NOW)
        .unwrap()
        .withdraw();
    let refused = one.acquire(request(1, 1, Mode::Read), NOW).unwrap_err();
    assert_eq!(
        refused,
        LockError::Poisoned {
            cell: 1,
            image: true
        }
    );
}

#[test]
fn a_withdrawn_write_drops_the_image_that_it_marked() {
    let area = area();
    let one = solo(&area, 1);
    let guard = one.acquire(with_images(0, 1, Mode::Write), NOW).unwrap();
    guard.keep_images(|_| {});
    guard.withdraw();
    assert!(area.inspect(range(0, 1)).all(|cell| cell.is_idle()));
}
