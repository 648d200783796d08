//! The groomer: who it is, what it was asked, what comes next.
//!
//! A block in the groomer's hands is granted to nobody: it comes back with the report, or with the groomer's death certificate.
//! The journal calls a block warm only after the report that it has pages, and cold before the order that takes them.
//! Nothing is ordered while a groomer of before a restart may still work.

use std::collections::VecDeque;
use std::ops::Range;

use arena_core::layout::BlockState;
use arena_core::offset::BLOCK_BYTES;
use arena_core::protocol::{
    Descriptor, FromSupervisor, GroomDone, GroomOrder, Groomed, Hello, PROTOCOL_VERSION, Shortage,
};

use super::backoff::Backoff;
use super::blocks::{Pages, Warmth};
use super::effect::{Child, Effect, Note};
use super::event::{ConnId, Peer};
use super::machine::{Conn, ConnRole, Phase, Supervisor};
use super::moment::Moment;
use super::records::Role;
use super::timers::Timer;
use super::worker::Process;

/// Orders that the groomer has at most: the one it works on and the next.
const ORDERS_MAX: usize = 2;

/// The groomer.
#[derive(Debug)]
pub(super) struct Groomer {
    pub(super) phase: GroomerPhase,
    pub(super) process: Option<Process>,
    /// In the order they were sent.
    orders: VecDeque<GroomOrder>,
    backoff: Backoff,
    started: Moment,
    /// Grooming ahead waits until then, because memory was short.
    short_until: Option<Moment>,
    told_small: bool,
    /// Groomers of before a restart that may still have blocks in their hands.
    pub(super) leftovers: u32,
}

/// How far the groomer has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GroomerPhase {
    Absent,
    Starting { due: Moment },
    Ready,
    Ending,
}

impl Groomer {
    pub(super) const fn new() -> Self {
        Self {
            phase: GroomerPhase::Absent,
            process: None,
            orders: VecDeque::new(),
            backoff: Backoff { failures: 0 },
            started: Moment(0),
            short_until: None,
            told_small: false,
            leftovers: 0,
        }
    }
}

const fn range_of(order: GroomOrder) -> Range<u64> {
    match order {
        GroomOrder::Populate {
            first_block,
            blocks,
        }
        | GroomOrder::Release {
            first_block,
            blocks,
        } => first_block..first_block + blocks,
    }
}

impl Supervisor {
    pub(super) fn start_groomer(&mut self) {
        if self.groomer.phase != GroomerPhase::Absent || self.is_ending() {
            return;
        }
        let due = self.now.after(self.policy.start_timeout);
        self.groomer.phase = GroomerPhase::Starting { due };
        self.groomer.started = self.now;
        self.timers.set(due, Timer::Start(Child::Groomer));
        self.out.push(Effect::Spawn(Child::Groomer));
    }

    pub(super) fn groomer_spawned(&mut self, conn: ConnId, peer: Peer) {
        let process = self.enlist(conn, peer, Role::Groomer, None);
        self.groomer.process = Some(process);
        let role = ConnRole::Groomer;
        self.conns.insert(conn, Conn { peer, role });
    }

    pub(super) fn groomer_hello(&mut self, conn: ConnId, hello: &Hello) {
        let (GroomerPhase::Starting { due }, Some(process)) =
            (self.groomer.phase, self.groomer.process)
        else {
            self.end_groomer("a second hello".to_owned());
            return;
        };
        if hello.protocol != PROTOCOL_VERSION {
            self.end_groomer("it speaks another protocol version".to_owned());
            return;
        }
        self.timers.clear(due, Timer::Start(Child::Groomer));
        self.groomer.phase = GroomerPhase::Ready;
        self.note(Note::GroomerStarted {
            pid: process.peer.pid,
        });
        self.welcome(conn, process.session, vec![Descriptor::Data], false);
        self.groom();
    }

    /// Gives the groomer work, as far as there is some: first what requests wait for, then ahead of need, then what idleness
    /// gives back.
    pub(super) fn groom(&mut self) {
        if self.groomer.phase != GroomerPhase::Ready || self.groomer.leftovers > 0 {
            return;
        }
        while self.groomer.orders.len() < ORDERS_MAX {
            let Some(order) = self.next_order() else {
                break;
            };
            let pages = match order {
                GroomOrder::Populate { .. } => Pages::Populating,
                GroomOrder::Release {
                    first_block,
                    blocks,
                } => {
                    let states = vec![BlockState::Cold; blocks as usize];
                    self.out.push(Effect::WriteBlocks {
                        first_block,
                        states,
                    });
                    Pages::Releasing
                }
            };
            for block in range_of(order) {
                self.memory.blocks.set(block, pages);
            }
            self.groomer.orders.push_back(order);
            if let Some(process) = self.groomer.process {
                self.send(process.conn, FromSupervisor::Groom(order));
            }
        }
        self.note_ready();
    }

    fn next_order(&mut self) -> Option<GroomOrder> {
        let populate = |run: Range<u64>| GroomOrder::Populate {
            first_block: run.start,
            blocks: run.end - run.start,
        };
        if let Some(run) = self.next_demanded() {
            return Some(populate(run));
        }
        if let Some(run) = self.next_ahead() {
            return Some(populate(run));
        }
        let run = self.next_release()?;
        Some(GroomOrder::Release {
            first_block: run.start,
            blocks: run.end - run.start,
        })
    }

    /// Cold blocks that the first waiting request needs.
    fn next_demanded(&mut self) -> Option<Range<u64>> {
        let max = self.policy.groom_blocks_max.max(1);
        for allocation in self.allocations.values_mut() {
            for (blocks, cursor) in allocation.blocks.iter().zip(&mut allocation.cursors) {
                if let Some(run) = self.memory.blocks.cold_run(*cursor..blocks.end, max) {
                    *cursor = run.end;
                    return Some(run);
                }
                *cursor = blocks.end;
            }
        }
        None
    }

    /// Cold blocks up to the warm floor.
    fn next_ahead(&mut self) -> Option<Range<u64>> {
        let is_short = self
            .groomer
            .short_until
            .is_some_and(|until| until > self.now);
        if is_short || self.phase != Phase::Serving {
            return None;
        }
        let warm = self.memory.blocks.warm() + self.blocks_being_populated();
        let missing = self
            .floor_blocks()
            .checked_sub(warm)
            .filter(|&missing| missing > 0)?;
        self.memory
            .blocks
            .lowest_cold_run(missing.min(self.policy.groom_blocks_max.max(1)))
    }

    /// Warm blocks above the floor that nobody has used for a while.
    fn next_release(&mut self) -> Option<Range<u64>> {
        if self.release_due().is_none_or(|due| due > self.now) {
            return None;
        }
        let surplus = self.memory.blocks.warm() - self.floor_blocks();
        self.memory
            .blocks
            .highest_free_warm_run(surplus.min(self.policy.groom_blocks_max.max(1)))
    }

    /// When free pages are to be given back, if there are any to give.
    pub(super) fn release_due(&self) -> Option<Moment> {
        let has_surplus =
            self.memory.blocks.warm() > self.floor_blocks() && self.memory.blocks.free_warm() > 0;
        let can_order = self.groomer.phase == GroomerPhase::Ready
            && self.groomer.leftovers == 0
            && self.groomer.orders.len() < ORDERS_MAX
            && self.phase == Phase::Serving;
        (has_surplus && can_order && self.allocations.is_empty())
            .then(|| self.last_allocation.after(self.policy.release_after))
    }

    fn floor_blocks(&self) -> u64 {
        (self.policy.warm_floor_bytes / BLOCK_BYTES).min(self.memory.blocks.count())
    }

    fn blocks_being_populated(&self) -> u64 {
        let populating = self.groomer.orders.iter().map(|order| match order {
            GroomOrder::Populate { blocks, .. } => *blocks,
            GroomOrder::Release { .. } => 0,
        });
        populating.sum()
    }

    fn note_ready(&mut self) {
        let is_ready = self.memory.blocks.warm() >= self.floor_blocks() && self.workers.ready() > 0;
        if is_ready && !self.was_ready {
            self.was_ready = true;
            self.note(Note::Ready {
                workers: self.workers.ready(),
                warm_bytes: self.memory.blocks.warm() * BLOCK_BYTES,
            });
        }
    }

    pub(super) fn groomed(&mut self, conn: ConnId, groomed: Groomed) {
        let is_current = self
            .groomer
            .process
            .is_some_and(|process| process.conn == conn)
            && self.groomer.phase == GroomerPhase::Ready;
        if !is_current {
            return;
        }
        let fits = self.groomer.orders.front() == Some(&groomed.order)
            && groomed.done.huge.len() as u64
                <= range_of(groomed.order).end - range_of(groomed.order).start;
        if !fits {
            self.end_groomer("it reported what it was not asked".to_owned());
            return;
        }
        self.groomer.orders.pop_front();
        match groomed.order {
            GroomOrder::Populate {
                first_block,
                blocks,
            } => self.populated(first_block, blocks, &groomed.done),
            GroomOrder::Release { .. } => self.back_to_cold(range_of(groomed.order)),
        }
        self.groom();
    }

    fn populated(&mut self, first_block: u64, blocks: u64, done: &GroomDone) {
        let warm_end = first_block + done.huge.len() as u64;
        let mut states = Vec::with_capacity(done.huge.len());
        for (block, &is_huge) in (first_block..warm_end).zip(&done.huge) {
            let (state, warmth) = if is_huge {
                (BlockState::Huge, Warmth::Huge)
            } else {
                (BlockState::Small, Warmth::Small)
            };
            self.memory.blocks.set(block, Pages::Warm(warmth));
            states.push(state);
        }
        let small = states
            .iter()
            .filter(|&&state| state == BlockState::Small)
            .count() as u64;
        if small > 0 && !self.groomer.told_small {
            self.groomer.told_small = true;
            self.note(Note::SmallPages { blocks: small });
        }
        if !states.is_empty() {
            self.groomer.backoff.succeeded();
            self.out.push(Effect::WriteBlocks {
                first_block,
                states,
            });
            self.blocks_warmed(&(first_block..warm_end));
        }
        if warm_end < first_block + blocks {
            self.back_to_cold(warm_end..first_block + blocks);
            self.memory_short(done.shortage.unwrap_or(Shortage::Memory));
        }
    }

    fn back_to_cold(&mut self, range: Range<u64>) {
        for block in range {
            self.memory.blocks.set(block, Pages::Cold);
        }
        for allocation in self.allocations.values_mut() {
            allocation.rewind();
        }
    }

    fn memory_short(&mut self, shortage: Shortage) {
        self.note(Note::MemoryShort { shortage });
        let until = self.now.after(self.policy.backoff_max);
        if let Some(before) = self.groomer.short_until.replace(until) {
            self.timers.clear(before, Timer::Groom);
        }
        self.timers.set(until, Timer::Groom);
        self.fail_allocations_short(shortage);
    }

    pub(super) fn groom_again(&mut self) {
        self.groomer.short_until = None;
        self.groom();
    }

    /// Makes an end of a groomer that misbehaves or has closed its socket. Its blocks come back with its certificate.
    pub(super) fn end_groomer(&mut self, detail: String) {
        let Some(process) = self.groomer.process else {
            return;
        };
        if self.groomer.phase == GroomerPhase::Ending {
            return;
        }
        self.clear_groomer_start();
        self.groomer.phase = GroomerPhase::Ending;
        self.out.push(Effect::Close { conn: process.conn });
        if !self.is_ending() {
            self.note(Note::SessionEnded {
                session: process.session,
                pid: process.peer.pid,
                reason: detail,
            });
            self.out.push(Effect::Kill { conn: process.conn });
        }
    }

    fn clear_groomer_start(&mut self) {
        if let GroomerPhase::Starting { due } = self.groomer.phase {
            self.timers.clear(due, Timer::Start(Child::Groomer));
        }
    }

    pub(super) fn groomer_start_timed_out(&mut self) {
        if matches!(self.groomer.phase, GroomerPhase::Starting { .. }) {
            self.end_groomer("no hello in time".to_owned());
        }
    }

    pub(super) fn groomer_gone(&mut self, conn: ConnId, cause: Option<String>) {
        let Some(process) = self.groomer.process.take_if(|process| process.conn == conn) else {
            return;
        };
        self.clear_groomer_start();
        self.conns.remove(&conn);
        for order in std::mem::take(&mut self.groomer.orders) {
            self.back_to_cold(range_of(order));
        }
        self.discharge_process(&process);
        self.groomer.phase = GroomerPhase::Absent;
        if self.is_ending() {
            self.exit_when_alone();
            return;
        }
        self.note(Note::GroomerDied {
            pid: process.peer.pid,
            cause: cause.unwrap_or_else(|| "an unknown cause".to_owned()),
        });
        self.respawn_groomer();
    }

    pub(super) fn groomer_spawn_failed(&mut self, detail: String) {
        self.clear_groomer_start();
        self.groomer.phase = GroomerPhase::Absent;
        let pause = self.respawn_groomer();
        self.note(Note::GroomerFailedToStart {
            detail,
            retry_ms: pause,
        });
    }

    /// Starts the next groomer after a pause that grows while none of them gets anything done; returns the pause.
    fn respawn_groomer(&mut self) -> u64 {
        let pause = self
            .groomer
            .backoff
            .failed(self.policy.backoff_first, self.policy.backoff_max);
        self.timers
            .set(self.now.after(pause), Timer::Respawn(Child::Groomer));
        u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
    }

    /// A groomer of before the restart is gone: nobody but ours touches pages now.
    pub(super) fn groomer_leftover_gone(&mut self) {
        self.groomer.leftovers -= 1;
        self.groom();
    }
}
