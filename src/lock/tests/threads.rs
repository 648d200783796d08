//! Several threads on one slot.

use std::sync::Barrier;
use std::thread;

use super::*;
use crate::lock::{Blocker, LockError};

fn shared(area: &Arc<LockArea>, slot: u8) -> Locker {
    Locker::shared(area.clone(), SlotId(slot))
}

#[test]
fn the_last_reader_of_a_process_clears_its_bit() {
    let area = area();
    let process = shared(&area, 1);
    let stranger = solo(&area, 2);
    let mine = process.acquire(request(0, 1, Mode::Read), NOW).unwrap();
    let again = process.acquire(request(0, 1, Mode::Read), NOW).unwrap();
    let other = thread::scope(|scope| {
        let other = scope.spawn(|| process.lock(request(0, 1, Mode::Read), NOW).unwrap());
        other.join().unwrap()
    });
    mine.withdraw();
    again.withdraw();
    assert!(stranger.acquire(request(0, 1, Mode::Write), NOW).is_err());
    process.withdraw(other);
    stranger
        .acquire(request(0, 1, Mode::Write), NOW)
        .unwrap()
        .commit()
        .unwrap();
}

#[test]
fn an_upgrade_is_refused_for_the_reading_thread_alone() {
    let area = area();
    let process = shared(&area, 1);
    let mine = process.acquire(request(0, 1, Mode::Read), NOW).unwrap();
    let upgrade = || {
        process
            .acquire(request(0, 1, Mode::Write), NOW)
            .map(drop)
            .unwrap_err()
    };
    let joined = Barrier::new(2);
    let leave = Barrier::new(2);
    assert_eq!(upgrade(), LockError::Upgrade { cell: 0 });
    thread::scope(|scope| {
        scope.spawn(|| {
            let refused = upgrade();
            let blocker = Blocker::Thread;
            assert!(matches!(refused, LockError::TimedOut { blocker: b, .. } if b == blocker));
            let held = process.acquire(request(0, 1, Mode::Read), NOW).unwrap();
            assert_eq!(upgrade(), LockError::Upgrade { cell: 0 });
            joined.wait();
            leave.wait();
            held.withdraw();
        });
        joined.wait();
        assert_eq!(upgrade(), LockError::Upgrade { cell: 0 });
        leave.wait();
    });
    mine.withdraw();
    assert!(area.inspect(range(0, 1)).all(|cell| cell.is_idle()));
    let writing = process.acquire(request(0, 1, Mode::Write), NOW).unwrap();
    for mode in [Mode::Read, Mode::Write] {
        let refused = process.acquire(request(0, 1, mode), NOW).unwrap_err();
        assert_eq!(refused, LockError::AlreadyHeld { cell: 0 });
    }
    writing.commit().unwrap();
}

#[test]
fn a_thread_does_not_join_readers_past_a_waiting_stranger() {
    let area = area();
    let process = shared(&area, 1);
    let reading = process.acquire(request(0, 1, Mode::Read), NOW).unwrap();
    // A stranger's claim that drains.
    area.cells()[0].state.store(8 | 1 << 9, Ordering::Relaxed);
    thread::scope(|scope| {
        let joining = scope.spawn(|| process.acquire(request(0, 1, Mode::Read), NOW).map(drop));
        let refused = joining.join().unwrap().unwrap_err();
        assert!(matches!(
            refused,
            LockError::TimedOut {
                blocker: Blocker::Draining(SlotId(7)),
                ..
            }
        ));
    });
    assert!(!area.inspect(range(0, 1)).next().unwrap().readers.is_empty());
    let again = process.acquire(request(0, 1, Mode::Read), NOW).unwrap();
    drop((again, reading));
    assert!(area.inspect(range(0, 1)).next().unwrap().readers.is_empty());
}

/// Writers of pairs and readers that expect pairs, threads of two processes, on a few cells.
#[test]
fn threads_of_two_slots_never_meet_in_a_stripe() {
    const ROUNDS: u64 = 20_000;
    let area = area();
    let processes = [shared(&area, 1), shared(&area, 2)];
    let pairs: Vec<_> = (0..4)
        .map(|_| [AtomicU64::new(0), AtomicU64::new(0)])
        .collect();
    thread::scope(|scope| {
        for (worker, process) in processes.iter().chain(&processes).enumerate() {
            let pairs = &pairs;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let cell = (round.wrapping_mul(2_654_435_761) >> 7) as u32 % 4;
                    let [left, right] = &pairs[cell as usize];
                    if (round + worker as u64).is_multiple_of(3) {
                        let guard = process
                            .acquire(request(cell, 1, Mode::Write), LONG)
                            .unwrap();
                        let value = left.load(Ordering::Relaxed) + 1;
                        left.store(value, Ordering::Relaxed);
                        right.store(value, Ordering::Relaxed);
                        guard.commit().unwrap();
                    } else {
                        let guard = process.acquire(request(cell, 1, Mode::Read), LONG).unwrap();
                        let value = left.load(Ordering::Relaxed);
                        assert_eq!(value, right.load(Ordering::Relaxed));
                        guard.commit().unwrap();
                    }
                }
            });
        }
    });
    let written: u64 = pairs
        .iter()
        .map(|pair| pair[0].load(Ordering::Relaxed))
        .sum();
    let expected: u64 = (0..4u64)
        .map(|worker| {
            (0..ROUNDS)
                .filter(|round| (round + worker).is_multiple_of(3))
                .count() as u64
        })
        .sum();
    assert_eq!(written, expected);
    assert!(area.inspect(range(0, 64)).all(|cell| {
        cell.state.writer().is_none() && cell.readers.is_empty() && !cell.state.is_poisoned()
    }));
}
