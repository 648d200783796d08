//! Workers killed at any moment of in-place work: what was asked for happens exactly once.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arena_core::lock::{Certificate, Progress, SlotSet, Swept};
use arena_core::protocol::{FromSupervisor, Operand, Work};
use arena_core::{ArrayLayout, Dtype, SlotId};

use crate::in_place::{add_one, cells};
use crate::player::Player;
use crate::stage::{Cut, Stage};

const STRIPES: u32 = 64;
const ROUNDS: u32 = 10;

/// A worker in a process of its own.
struct Process {
    player: Player,
    child: Child,
    slot: u8,
}

impl Stage {
    fn process(&self, slot: u8) -> Process {
        self.area.record(SlotId(slot)).issue(1);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_arenad"))
            .args(["worker", "private", &slot.to_string()])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        let player = Player::welcome(ours, self);
        Process {
            player,
            child,
            slot,
        }
    }
}

impl Process {
    /// Kills the worker and sweeps its slot. What it sent before its death is still to be received.
    fn kill(&mut self, stage: &Stage, array: &Operand) -> Swept {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let certificate = Certificate::of_dead_process(SlotId(self.slot));
        stage
            .area
            .sweep(certificate, [cells(array, 0, STRIPES)], SlotSet::ALL)
    }
}

/// What has happened, so that the test knows that it met the cases it is for. Poison and progress make four of them.
#[derive(Default, Debug)]
struct Tally {
    kills: u32,
    restored: u32,
    unwritten: u32,
    committed: u32,
}

/// The supervisor's care for one slot and one half of the stripes.
struct Care<'s> {
    stage: &'s Stage,
    array: &'s Operand,
    worker: Process,
    random: u64,
    tally: Tally,
}

impl Care<'_> {
    /// One round over `start..end`, with a kill somewhere in it, and as often again as the repair is killed too.
    fn round(&mut self, mut start: u32, end: u32) {
        let mut kill = true;
        while start < end {
            let task = self.worker.player.task(add_one(self.array, start, end));
            let number = task.task;
            self.worker
                .player
                .send(&[FromSupervisor::Task(Box::new(task))]);
            if kill {
                let target = start + self.below((end - start).into()) as u32;
                self.linger_until(number, target);
                start = self.kill_and_find_start(number, start, end);
                kill = self.below(3) == 0;
            } else {
                self.worker.player.report().unwrap().outcome.unwrap();
                start = end;
            }
        }
    }

    /// Returns at some moment in or behind stripe `stripe` of the task.
    fn linger_until(&mut self, task: u64, stripe: u32) {
        let record = self.stage.area.record(SlotId(self.worker.slot));
        let reached =
            |progress: Progress| progress.task() == task && u32::from(progress.stripe()) >= stripe;
        let watchdog = Instant::now() + Duration::from_secs(120);
        while !record.progress().is_some_and(reached) {
            assert!(Instant::now() < watchdog, "no progress of task {task}");
            std::thread::yield_now();
        }
        for _ in 0..self.below(2_000) {
            std::hint::spin_loop();
        }
    }

    /// Where the retry starts.
    fn kill_and_find_start(&mut self, task: u64, start: u32, end: u32) -> u32 {
        self.tally.kills += 1;
        let swept = self.worker.kill(self.stage, self.array);
        let reported = std::iter::from_fn(|| self.worker.player.report())
            .any(|report| report.task == task && report.outcome.is_ok());
        let first = cells(self.array, 0, 1).first;
        let last = swept.progress.filter(|progress| progress.task() == task);
        let next = match last.map(|progress| u32::from(progress.stripe())) {
            _ if reported => end,
            None => start,
            Some(stripe) if swept.poisoned(first + stripe).is_some() => stripe,
            Some(stripe) => {
                self.tally.committed += 1;
                stripe + 1
            }
        };
        for poisoned in &swept.poisoned {
            if poisoned.image {
                self.tally.restored += 1;
            } else {
                self.tally.unwritten += 1;
            }
        }
        self.worker = self.stage.process(self.worker.slot);
        let stripes: Vec<u32> = swept.poisoned.iter().map(|p| p.cell - first).collect();
        if !stripes.is_empty() {
            self.roll_back(stripes);
        }
        next
    }

    /// Repairs stripes, killing some of the workers that do it.
    fn roll_back(&mut self, stripes: Vec<u32>) {
        let work = || Work::RollBack {
            operand: self.array.clone(),
            stripes: stripes.clone(),
        };
        while self.below(2) == 0 {
            let task = self.worker.player.task(work());
            self.worker
                .player
                .send(&[FromSupervisor::Task(Box::new(task))]);
            for _ in 0..self.below(5_000) {
                std::hint::spin_loop();
            }
            self.worker.kill(self.stage, self.array);
            self.tally.kills += 1;
            self.worker = self.stage.process(self.worker.slot);
        }
        self.worker.player.run(work()).unwrap();
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random() % bound
    }

    /// A small generator, so that a failure can be looked at again with the same seed.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[test]
fn a_worker_process_ends_with_its_supervisor() {
    let stage = Stage::new();
    let Process {
        player, mut child, ..
    } = stage.process(1);
    drop(player);
    assert!(child.wait().unwrap().success());
}

#[test]
fn killed_workers_update_every_element_exactly_once_per_round() {
    let rows = ArrayLayout::c_order(Dtype::Int64, &[u64::from(STRIPES), 48 << 10]).unwrap();
    let columns = ArrayLayout::c_order(Dtype::Int32, &[8 << 10, 3 * u64::from(STRIPES)]).unwrap();
    let mut tallies = Vec::new();
    for (layout, axis) in [(rows, 0), (columns, 1)] {
        let mut stage = Stage::new();
        let cut = Cut {
            axis,
            count: STRIPES,
            images: true,
        };
        let zeros = vec![0; layout.extent_bytes() as usize];
        let array = stage.shared(&layout, &zeros, cut);
        let halves = [(1, 0, STRIPES / 2), (2, STRIPES / 2, STRIPES)];
        tallies.extend(std::thread::scope(|scope| {
            let cares = halves.map(|(slot, start, end)| {
                let (stage, array) = (&stage, &array);
                scope.spawn(move || rounds(stage, array, slot, start, end))
            });
            cares.map(|care| care.join().unwrap())
        }));
        let element = &u64::from(ROUNDS).to_le_bytes()[..layout.dtype().size_bytes() as usize];
        let expected = element.repeat(layout.element_count() as usize);
        assert!(
            stage.read(array.extent) == expected,
            "{layout:?}: {tallies:?}"
        );
        let mut cells = stage.area.inspect(cells(&array, 0, STRIPES));
        assert!(cells.all(|cell| cell.is_idle()));
    }
    let count = |of: fn(&Tally) -> u32| tallies.iter().map(of).sum::<u32>();
    assert!(count(|tally| tally.kills) >= 4 * ROUNDS, "{tallies:?}");
    assert!(count(|tally| tally.restored) > 0, "{tallies:?}");
    assert!(count(|tally| tally.unwritten) > 0, "{tallies:?}");
}

fn rounds(stage: &Stage, array: &Operand, slot: u8, start: u32, end: u32) -> Tally {
    let mut care = Care {
        stage,
        array,
        worker: stage.process(slot),
        random: 0x9e37_79b9_7f4a_7c15 ^ u64::from(slot),
        tally: Tally::default(),
    };
    for _ in 0..ROUNDS {
        care.round(start, end);
    }
    care.worker.kill(stage, array);
    care.tally
}
