//! A process is killed at each named moment, beside one that waits for the same cell.

use crate::stage::Stage;

/// What the waiter must come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Held,
    Poisoned,
}

/// The victim locks in `mode`, halts at `moment` and is killed there; a waiter that wants to `wait` waits meanwhile.
fn kill_at(moment: &str, mode: &str, wait: &str, outcome: Outcome) {
    let mut stage = Stage::new();
    let order = [
        ("LOCKS_ROLE", "once"),
        ("LOCKS_MODE", mode),
        ("LOCKS_HALT_AT", moment),
    ];
    let mut victim = stage.start(1, &order);
    let mut said = victim.says();
    let entering = ["ReaderBitSet", "Reading", "Claimed", "Granted"].contains(&moment);
    if !entering {
        assert_eq!(said, "held", "at {moment}");
    }
    let order = [
        ("LOCKS_ROLE", "once"),
        ("LOCKS_MODE", wait),
        ("LOCKS_TELL", "Sleeping"),
    ];
    let mut waiter = stage.start(2, &order);
    assert_eq!(waiter.says(), "Sleeping", "at {moment}");
    if !entering {
        victim.go();
        said = victim.says();
    }
    assert_eq!(said, moment);
    let swept = stage.kill_and_sweep(victim);
    assert_eq!(
        swept.poisoned.len(),
        usize::from(outcome == Outcome::Poisoned || wait == "overwrite")
    );
    match outcome {
        Outcome::Poisoned => assert_eq!(waiter.says(), "poisoned", "at {moment}"),
        Outcome::Held => {
            assert_eq!(waiter.says(), "held", "at {moment}");
            waiter.go();
            assert_eq!(waiter.says(), "left", "at {moment}");
        }
    }
    stage.retire(waiter);
    stage.assert_free();
    if wait == "overwrite" {
        assert_eq!(stage.pairs.read(0), [9, 9]);
    }
}

#[test]
fn a_reader_killed_at_each_moment_lets_a_writer_in() {
    let moments = [
        "ReaderBitSet",
        "Reading",
        "ReaderBitCleared",
        "WakeIntended",
        "WaitersCleared",
        "EventBumped",
        "Woken",
    ];
    for moment in moments {
        kill_at(moment, "read", "write", Outcome::Held);
    }
}

#[test]
fn a_writer_killed_before_or_after_its_hold_leaves_no_poison() {
    for moment in ["Claimed", "WriterLeft", "EventBumped", "Woken"] {
        for wait in ["read", "write"] {
            kill_at(moment, "write", wait, Outcome::Held);
        }
    }
}

#[test]
fn a_writer_killed_in_its_hold_leaves_poison_and_an_overwrite_repairs() {
    for moment in ["Granted", "Half", "WakeIntended"] {
        for wait in ["read", "write"] {
            kill_at(moment, "write", wait, Outcome::Poisoned);
        }
        kill_at(moment, "write", "overwrite", Outcome::Held);
    }
}

/// The waiter is the victim: who holds goes on, and the slot is used again.
#[test]
fn a_waiter_killed_in_its_wait_disturbs_nobody() {
    let mut stage = Stage::new();
    for moment in ["WaitersSet", "Sleeping"] {
        for mode in ["read", "write"] {
            let mut holder = stage.start(2, &[("LOCKS_ROLE", "once"), ("LOCKS_MODE", "write")]);
            assert_eq!(holder.says(), "held");
            let order = [
                ("LOCKS_ROLE", "once"),
                ("LOCKS_MODE", mode),
                ("LOCKS_HALT_AT", moment),
            ];
            let mut victim = stage.start(1, &order);
            assert_eq!(victim.says(), moment);
            let swept = stage.kill_and_sweep(victim);
            assert!(swept.poisoned.is_empty());
            holder.go();
            assert_eq!(holder.says(), "left");
            stage.retire(holder);
            stage.assert_free();
        }
    }
}
