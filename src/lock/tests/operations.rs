//! Readers, writers, poison, deadlines, generations.

use super::*;
use crate::lock::word::WRITER_PENDING;
use crate::lock::{Blocker, Certificate, LockError, NotWritten, SlotSet};

#[test]
fn readers_share_and_writers_do_not() {
    let area = area();
    let (one, two) = (solo(&area, 1), solo(&area, 2));
    let first = one.acquire(request(0, 4, Mode::Read), NOW).unwrap();
    let second = two.acquire(request(2, 4, Mode::Read), NOW).unwrap();
    let writer = solo(&area, 3);
    let refused = writer.acquire(request(3, 1, Mode::Write), NOW).unwrap_err();
    assert!(matches!(
        refused,
        LockError::TimedOut {
            cell: 3,
            blocker: Blocker::Reader(SlotId(1)),
            ..
        }
    ));
    drop((first, second));
    let held = writer.acquire(request(3, 1, Mode::Write), NOW).unwrap();
    let refused = one.acquire(request(0, 4, Mode::Read), NOW).unwrap_err();
    assert!(matches!(
        refused,
        LockError::TimedOut {
            cell: 3,
            blocker: Blocker::Writer(SlotId(3)),
            ..
        }
    ));
    held.commit().unwrap();
    assert!(area.inspect(range(0, 64)).all(|cell| cell.is_idle()));
}

#[test]
fn a_writer_dropped_without_commit_poisons_and_an_overwrite_repairs() {
    let area = area();
    let (one, two) = (solo(&area, 1), solo(&area, 255));
    drop(one.acquire(request(5, 2, Mode::Write), NOW).unwrap());
    for mode in [Mode::Read, Mode::Write] {
        let refused = two.acquire(request(4, 3, mode), NOW).unwrap_err();
        assert_eq!(
            refused,
            LockError::Poisoned {
                cell: 5,
                image: false
            }
        );
    }
    let overwrite = two.acquire(request(5, 2, Mode::Overwrite), NOW).unwrap();
    drop(overwrite);
    let refused = one.acquire(request(6, 1, Mode::Read), NOW).unwrap_err();
    assert_eq!(
        refused,
        LockError::Poisoned {
            cell: 6,
            image: false
        }
    );
    let overwrite = two.acquire(request(5, 2, Mode::Overwrite), NOW).unwrap();
    overwrite.commit().unwrap();
    one.acquire(request(5, 2, Mode::Read), NOW)
        .unwrap()
        .commit()
        .unwrap();
}

#[test]
fn a_withdrawn_write_leaves_no_poison() {
    let area = area();
    let one = solo(&area, 1);
    one.acquire(request(5, 2, Mode::Write), NOW)
        .unwrap()
        .withdraw();
    assert!(area.inspect(range(0, 64)).all(|cell| cell.is_idle()));
}

#[test]
fn the_error_at_the_deadline_names_the_holder_and_how_long_it_was_seen() {
    let area = area();
    let holder = solo(&area, 9)
        .lock(request(0, 1, Mode::Write), NOW)
        .unwrap();
    let time = SimulatedTime::default();
    let waiter = Locker::solo_with(area.clone(), SlotId(2), &time);
    for mode in [Mode::Read, Mode::Write, Mode::Overwrite] {
        let patience = Duration::from_millis(1234);
        let refused = waiter.acquire(request(0, 1, mode), patience).unwrap_err();
        let blocker = Blocker::Writer(SlotId(9));
        assert_eq!(
            refused,
            LockError::TimedOut {
                cell: 0,
                blocker,
                seen: patience,
                waited: patience
            }
        );
    }
    solo(&area, 9).commit(holder).unwrap();
    waiter
        .acquire(request(0, 1, Mode::Read), NOW)
        .unwrap()
        .withdraw();
}

#[test]
fn a_writer_that_gives_up_lets_readers_in_again() {
    let area = area();
    let reader = solo(&area, 1);
    let held = reader.lock(request(0, 1, Mode::Read), NOW).unwrap();
    let time = SimulatedTime::default();
    let writer = Locker::solo_with(area.clone(), SlotId(2), &time);
    let refused = writer
        .acquire(request(0, 1, Mode::Write), LONG)
        .unwrap_err();
    assert!(matches!(
        refused,
        LockError::TimedOut {
            blocker: Blocker::Reader(SlotId(1)),
            ..
        }
    ));
    solo(&area, 3)
        .acquire(request(0, 1, Mode::Read), NOW)
        .unwrap()
        .withdraw();
    reader.withdraw(held);
}

#[test]
fn a_hint_without_a_writer_binds_a_reader_for_one_round() {
    let area = area();
    area.cells()[0]
        .state
        .fetch_or(WRITER_PENDING, Ordering::Relaxed);
    let time = SimulatedTime::default();
    let reader = Locker::solo_with(area.clone(), SlotId(2), &time);
    reader
        .acquire(request(0, 1, Mode::Read), LONG)
        .unwrap()
        .withdraw();
    assert_eq!(Duration::from_nanos((&time).now_ns()), crate::lock::ROUND);
}

#[test]
fn a_reader_never_becomes_a_writer_and_a_holder_never_enters_twice() {
    let area = area();
    let one = solo(&area, 1);
    let reading = one.acquire(request(0, 1, Mode::Read), NOW).unwrap();
    let refused = one.acquire(request(0, 1, Mode::Write), LONG).unwrap_err();
    assert_eq!(refused, LockError::Upgrade { cell: 0 });
    let refused = one.acquire(request(0, 1, Mode::Read), LONG).unwrap_err();
    assert_eq!(refused, LockError::AlreadyHeld { cell: 0 });
    reading.withdraw();
    let writing = one.acquire(request(0, 1, Mode::Write), NOW).unwrap();
    for mode in [Mode::Read, Mode::Write, Mode::Overwrite] {
        let refused = one.acquire(request(0, 1, mode), LONG).unwrap_err();
        assert_eq!(refused, LockError::AlreadyHeld { cell: 0 });
    }
    writing.commit().unwrap();
    assert!(area.inspect(range(0, 1)).all(|cell| cell.is_idle()));
}

#[test]
fn closed_and_reused_cells_are_refused() {
    let area = area();
    let one = solo(&area, 1);
    area.close_cells(range(0, 2));
    area.open_cells(range(1, 1), GENERATION + 1);
    for mode in [Mode::Read, Mode::Write, Mode::Overwrite] {
        let refused = one.acquire(request(0, 1, mode), LONG).unwrap_err();
        assert_eq!(refused, LockError::Closed { cell: 0 });
        let refused = one.acquire(request(1, 1, mode), LONG).unwrap_err();
        assert_eq!(refused, LockError::Stale { cell: 1 });
        let refused = one.acquire(request(64, 1, mode), LONG).unwrap_err();
        assert_eq!(refused, LockError::Stale { cell: 64 });
    }
    assert!(area.inspect(range(1, 64)).all(|cell| cell.is_idle()));
}

#[test]
fn a_refused_range_leaves_nothing_held() {
    let area = area();
    let (one, two) = (solo(&area, 1), solo(&area, 2));
    let held = one.lock(request(30, 1, Mode::Read), NOW).unwrap();
    let requests = [
        request(28, 8, Mode::Write),
        request(0, 8, Mode::Read),
        request(10, 8, Mode::Write),
    ];
    let refused = two.acquire_all(&requests, NOW).unwrap_err();
    assert!(matches!(refused, LockError::TimedOut { cell: 30, .. }));
    one.withdraw(held);
    assert!(area.inspect(range(0, 64)).all(|cell| cell.is_idle()));
    let guards = two.acquire_all(&requests, NOW).unwrap();
    let firsts: Vec<_> = guards.iter().map(|g| g.request().cells.first).collect();
    assert_eq!(firsts, [0, 10, 28]);
}

#[test]
fn a_seal_needs_every_stripe_written_by_the_one_who_asks() {
    let area = area();
    let one = solo(&area, 1);
    let slot = SlotId(1);
    let some = one.lock(request(0, 3, Mode::Write), NOW).unwrap();
    assert_eq!(
        area.check_written_by(range(0, 4), slot),
        Err(NotWritten::NotHeld { cell: 3, slot })
    );
    let rest = one.lock(request(3, 1, Mode::Overwrite), NOW).unwrap();
    assert_eq!(area.check_written_by(range(0, 4), slot), Ok(()));
    assert!(area.check_written_by(range(0, 4), SlotId(2)).is_err());
    area.close_cells(range(0, 4));
    assert_eq!(one.commit(some), Err(LockError::Closed { cell: 0 }));
    assert_eq!(one.commit(rest), Err(LockError::Closed { cell: 3 }));
}

#[test]
fn a_sweep_frees_claims_and_reads_and_poisons_grants() {
    let area = area();
    let dead = solo(&area, 7);
    let reading = dead.lock(request(0, 2, Mode::Read), NOW).unwrap();
    let writing = dead.lock(request(2, 2, Mode::Write), NOW).unwrap();
    // A claim that still drains: the word as the claim leaves it.
    area.cells()[4].state.store(8 | 1 << 9, Ordering::Relaxed);
    area.record(SlotId(7))
        .set_progress(crate::lock::Progress::new(3, 2));
    let certificate = Certificate::of_dead_process(SlotId(7));
    let swept = area.sweep(certificate, [range(0, 64)], SlotSet::ALL);
    let cells: Vec<_> = swept.poisoned.iter().map(|p| (p.cell, p.image)).collect();
    assert_eq!(cells, [(2, false), (3, false)]);
    assert_eq!(
        (swept.reads_freed, swept.claims_freed, swept.woken),
        (2, 1, 5)
    );
    assert_eq!(swept.progress, crate::lock::Progress::new(3, 2));
    let again = area.sweep(certificate, [range(0, 64)], SlotSet::ALL);
    assert_eq!(
        (again.reads_freed, again.claims_freed, again.woken),
        (0, 0, 0)
    );
    let other = solo(&area, 8);
    other
        .acquire(request(4, 1, Mode::Write), NOW)
        .unwrap()
        .commit()
        .unwrap();
    other
        .acquire(request(0, 2, Mode::Write), NOW)
        .unwrap()
        .commit()
        .unwrap();
    other
        .acquire(request(2, 2, Mode::Overwrite), NOW)
        .unwrap()
        .commit()
        .unwrap();
    // The dead process does not come back; its tokens are dropped without being given back.
    drop((reading, writing));
    assert!(area.inspect(range(0, 64)).all(|cell| cell.is_idle()));
}
