//! Stopped processes: a holder keeps its lock and is named, a pending writer holds up nobody.

use std::cell::Cell;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use arena_core::SlotId;
use arena_core::lock::{Blocker, FutexWaiting, LockError, Locker, Mode, Protocol, Waiting};

use crate::child::request;
use crate::stage::Stage;

#[test]
fn a_frozen_holder_is_named_at_the_deadline_and_keeps_its_lock() {
    let holders = [
        ("write", Blocker::Writer(SlotId(1))),
        ("read", Blocker::Reader(SlotId(1))),
    ];
    for (mode, expected) in holders {
        let mut stage = Stage::new();
        let mut holder = stage.start(1, &[("LOCKS_ROLE", "once"), ("LOCKS_MODE", mode)]);
        assert_eq!(holder.says(), "held");
        holder.freeze();
        let waiter = Locker::solo(stage.area.clone(), stage.issue(2));
        let patience = Duration::from_millis(250);
        match waiter.acquire(request(0, Mode::Write), patience) {
            Err(LockError::TimedOut { blocker, seen, .. }) => {
                assert_eq!(blocker, expected);
                assert!(seen >= patience);
            }
            other => panic!("{other:?}"),
        }
        holder.thaw();
        holder.go();
        assert_eq!(holder.says(), "left");
        stage.retire(holder);
        let guard = waiter.acquire(request(0, Mode::Write), Duration::from_secs(60));
        guard.unwrap().commit().unwrap();
    }
}

/// Counts sleeps on real futexes.
#[derive(Default)]
struct Counted {
    sleeps: Cell<u32>,
}

impl Waiting for &Counted {
    type Rules = Protocol;

    fn now_ns(&self) -> u64 {
        FutexWaiting.now_ns()
    }

    fn wait(&self, event: &AtomicU32, seen: u32, timeout: Duration) {
        self.sleeps.set(self.sleeps.get() + 1);
        FutexWaiting.wait(event, seen, timeout);
    }

    fn wake_all(&self, event: &AtomicU32) {
        FutexWaiting.wake_all(event);
    }
}

#[test]
fn a_frozen_pending_writer_delays_a_reader_by_one_round() {
    let mut stage = Stage::new();
    let holder = Locker::solo(stage.area.clone(), stage.issue(1));
    let guard = holder
        .acquire(request(0, Mode::Write), Duration::ZERO)
        .unwrap();
    let order = [
        ("LOCKS_ROLE", "once"),
        ("LOCKS_MODE", "write"),
        ("LOCKS_TELL", "Sleeping"),
    ];
    let mut pending = stage.start(2, &order);
    assert_eq!(pending.says(), "Sleeping");
    pending.freeze();
    guard.commit().unwrap();
    let counted = Counted::default();
    let reader = Locker::solo_with(stage.area.clone(), stage.issue(3), &counted);
    let long = Duration::from_secs(60);
    let reading = reader.acquire(request(0, Mode::Read), long).unwrap();
    assert_eq!(counted.sleeps.get(), 1, "the hint binds for one round");
    // The next one finds the hint taken back.
    let other = Locker::solo(stage.area.clone(), stage.issue(4));
    other
        .acquire(request(0, Mode::Read), Duration::ZERO)
        .unwrap()
        .commit()
        .unwrap();
    reading.commit().unwrap();
    pending.thaw();
    assert_eq!(pending.says(), "held");
    pending.go();
    assert_eq!(pending.says(), "left");
    stage.retire(pending);
    stage.assert_free();
}
