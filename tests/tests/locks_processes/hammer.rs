//! Processes lock, read and write at full speed and are killed at random.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::stage::{Actor, CELLS, Stage};

const PROCESSES: u8 = 5;
const KILLS: u32 = 300;

#[test]
fn processes_killed_at_random_tear_nothing_and_stop_nobody() {
    let mut stage = Stage::new();
    let mut actors: Vec<_> = (0..PROCESSES).map(|slot| start(&mut stage, slot)).collect();
    let mut poisoned = 0;
    let mut random = 7_u64;
    for _ in 0..KILLS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let_run(&actors, random >> 40 & 0x3f_ffff);
        let victim = (random >> 33) as usize % actors.len();
        let slot = victim as u8;
        let actor = std::mem::replace(&mut actors[victim], start(&mut stage, PROCESSES + slot));
        poisoned += stage.kill_and_sweep(actor).poisoned.len();
        let spare = std::mem::replace(&mut actors[victim], start(&mut stage, slot));
        poisoned += stage.kill_and_sweep(spare).poisoned.len();
    }
    stage.pairs.stop_everybody();
    for mut actor in actors {
        assert_eq!(actor.says(), "stopped");
        stage.retire(actor);
    }
    stage.assert_free();
    assert!(poisoned > 0, "no kill hit a writer");
    for cell in stage.area.inspect(CELLS) {
        let [left, right] = stage.pairs.read(cell.cell);
        assert!(left == right || cell.state.is_poisoned(), "{cell:?}");
    }
}

fn start(stage: &mut Stage, slot: u8) -> Actor {
    let mut actor = stage.start(slot, &[("LOCKS_ROLE", "hammer")]);
    assert_eq!(actor.says(), "hammering");
    actor
}

/// Lets the children run for so many nanoseconds. None may end by itself.
fn let_run(actors: &[Actor], nanoseconds: u64) {
    let mut ends: Vec<_> = actors
        .iter()
        .map(|actor| PollFd::from_borrowed_fd(actor.pidfd().as_fd(), PollFlags::IN))
        .collect();
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds.cast_signed(),
    };
    assert_eq!(poll(&mut ends, Some(&time)).unwrap(), 0, "a child failed");
}
