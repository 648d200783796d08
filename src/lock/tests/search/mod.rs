//! Every state of waiting, waking, dying and sweeping on one cell, for three and four processes.
//!
//! A search by hand over an abstraction of the algorithm: one step per change or look at a shared word, all words in one order (what
//! weaker memory adds is loom's part). Any process may be killed before any step, and is swept some time later by a supervisor that
//! may die once half way. Nothing times out, unless a test freezes a process: so a state in which every living process sleeps and no
//! sweep is due is stuck for ever.

mod world;

use std::collections::HashSet;

use self::world::{Variant, World};

/// Visits every world that can come of `start`. The stuck one, if there is one, and how many there are.
fn explore(start: World, variant: Variant) -> (Option<World>, usize) {
    let rounds = start.freezes_left > 0;
    let mut seen = HashSet::from([start]);
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        world.assert_exclusive();
        if world.is_stuck() && (!rounds || world.rounds(variant).is_empty()) {
            return (Some(world), seen.len());
        }
        let mut next = world.sweep(variant);
        next.extend(world.accidents());
        if rounds {
            next.extend(world.rounds(variant));
        }
        for who in (0..4).filter(|&who| !world.processes[who].frozen) {
            next.extend(world.step(who, variant));
        }
        for mut world in next {
            world.processes.sort_unstable();
            if seen.insert(world) {
                open.push(world);
            }
        }
    }
    (None, seen.len())
}

fn assert_never_stuck(start: World) {
    let (stuck, visited) = explore(start, Variant::default());
    assert_eq!(stuck, None);
    assert!(visited > 10_000, "the search went nowhere: {visited}");
}

fn assert_gets_stuck(roles: &str, freezes: u8, variant: Variant) {
    let (stuck, _) = explore(World::new(roles, 1, freezes), variant);
    assert!(stuck.is_some(), "the mistake was not caught");
}

/// Roles of four processes. The larger mixes take a minute without optimisation.
const FOUR: &[&str] = if cfg!(debug_assertions) {
    &["wwww", "wrrr"]
} else {
    &["wwww", "wwwr", "wwrr", "wrrr"]
};

#[test]
fn three_processes_never_get_stuck() {
    for roles in ["www", "wwr", "wrr"] {
        assert_never_stuck(World::new(roles, 2, 0));
    }
}

#[test]
fn four_processes_never_get_stuck() {
    for roles in FOUR {
        assert_never_stuck(World::new(roles, 1, 0).without_sweep_deaths());
    }
}

#[test]
fn a_frozen_pending_writer_holds_nobody_up_beyond_a_round() {
    for kills in 0..2 {
        assert_never_stuck(World::new("wwr", kills, 1).without_sweep_deaths());
    }
}

#[test]
fn waking_one_gets_stuck() {
    let variant = Variant {
        wake_one: true,
        ..Variant::default()
    };
    assert_gets_stuck("www", 0, variant);
}

#[test]
fn a_sweep_that_wakes_nobody_gets_stuck() {
    let variant = Variant {
        sweep_wakes_nobody: true,
        ..Variant::default()
    };
    assert_gets_stuck("www", 0, variant);
}

#[test]
fn a_sweep_that_ignores_the_intent_gets_stuck() {
    let variant = Variant {
        sweep_ignores_intent: true,
        ..Variant::default()
    };
    assert_gets_stuck("www", 0, variant);
}

#[test]
fn a_sweep_that_clears_waiters_and_dies_gets_stuck() {
    let variant = Variant {
        sweep_clears_waiters: true,
        ..Variant::default()
    };
    assert_gets_stuck("www", 0, variant);
}

#[test]
fn sleeping_without_a_second_look_gets_stuck() {
    let variant = Variant {
        no_second_look: true,
        ..Variant::default()
    };
    assert_gets_stuck("ww", 0, variant);
}

#[test]
fn a_back_out_that_wakes_nobody_gets_stuck() {
    let variant = Variant {
        back_out_wakes_nobody: true,
        ..Variant::default()
    };
    assert_gets_stuck("wr", 0, variant);
}

#[test]
fn a_hint_that_binds_for_ever_gets_stuck() {
    let variant = Variant {
        hint_binds_for_ever: true,
        ..Variant::default()
    };
    assert_gets_stuck("wwr", 1, variant);
}
