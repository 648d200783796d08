//! Native workers and the groomer, step by step, so that a kill can come between any two steps.

use std::collections::VecDeque;
use std::ops::Range;

use arena_core::layout::BlockState;
use arena_core::lock::cell_generation;
use arena_core::protocol::{
    Failure, FromSupervisor, GroomDone, GroomOrder, Groomed, Operand, Partial, Shortage, Span,
    Task, TaskReport, ToSupervisor, Value, Work,
};
use arena_core::{Extent, ObjectId, SlotId};
use arenad::supervisor::Progress;

use crate::numbers::reduce;
use crate::world::{Kind, World};

#[derive(Debug)]
pub(crate) struct WorkerProc {
    slot: SlotId,
    tasks: VecDeque<Task>,
    /// What it is doing with the first one.
    step: Step,
    /// Tasks that were sent and whose reports the loop has not read.
    pub(crate) unreported: u32,
    pub(crate) is_doomed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Comes to a stripe, as the n-th one.
    At(u32),
    Locked(u32),
    Noted(u32),
    Half(u32),
    Done(u32),
}

impl WorkerProc {
    pub(crate) fn new(slot: SlotId) -> Self {
        Self {
            slot,
            tasks: VecDeque::new(),
            step: Step::At(0),
            unreported: 0,
            is_doomed: false,
        }
    }

    pub(crate) fn sees(&self) -> Vec<(ObjectId, Extent)> {
        let operands = self.tasks.iter().flat_map(|task| match &task.work {
            Work::Run { inputs, .. } => inputs.as_slice(),
            Work::RollBack { operand, .. } => std::slice::from_ref(operand),
        });
        operands.flat_map(extents_of).collect()
    }
}

fn extents_of(operand: &Operand) -> Vec<(ObjectId, Extent)> {
    let extents = [Some(operand.extent), operand.image];
    extents
        .into_iter()
        .flatten()
        .map(|extent| (operand.object, extent))
        .collect()
}

#[derive(Debug, Default)]
pub(crate) struct GroomerProc {
    orders: VecDeque<GroomOrder>,
    pub(crate) is_doomed: bool,
}

impl GroomerProc {
    pub(crate) fn has_in_hands(&self, block: u64) -> bool {
        self.orders
            .iter()
            .any(|&order| range_of(order).contains(&block))
    }
}

pub(crate) const fn range_of(order: GroomOrder) -> Range<u64> {
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

impl World {
    /// A child reads a message, or does a step of its work. Returns whether there was something to do.
    pub(crate) fn child_acts(&mut self, proc: usize) -> bool {
        let is_doomed = match &self.procs[proc].kind {
            Kind::Worker(worker) => worker.is_doomed,
            Kind::Groomer(groomer) => groomer.is_doomed,
            Kind::Client(_) | Kind::Fork { .. } => return false,
        };
        if is_doomed && (self.is_calm || self.rng.one_in(6)) {
            self.kill(proc);
            return true;
        }
        if let Some(message) = self.procs[proc].inbox.pop_front() {
            match (&mut self.procs[proc].kind, message) {
                (Kind::Worker(worker), FromSupervisor::Task(task)) => worker.tasks.push_back(*task),
                (Kind::Groomer(groomer), FromSupervisor::Groom(order)) => {
                    groomer.orders.push_back(order);
                }
                _ => {}
            }
            return true;
        }
        match &self.procs[proc].kind {
            Kind::Groomer(_) => self.groomer_acts(proc),
            _ => self.worker_acts(proc),
        }
    }

    fn groomer_acts(&mut self, proc: usize) -> bool {
        let Kind::Groomer(groomer) = &mut self.procs[proc].kind else {
            return false;
        };
        let Some(order) = groomer.orders.pop_front() else {
            return false;
        };
        let done = match order {
            GroomOrder::Release { .. } => {
                for block in range_of(order) {
                    self.journal.check_nobody_has(block);
                    assert_eq!(self.journal.blocks[block as usize], BlockState::Cold);
                }
                GroomDone {
                    huge: Vec::new(),
                    shortage: None,
                }
            }
            GroomOrder::Populate {
                first_block,
                blocks,
            } => {
                for block in first_block..first_block + blocks {
                    self.journal.check_nobody_has(block);
                }
                let is_short = !self.is_calm && self.rng.one_in(12);
                let got = if is_short {
                    self.rng.below(blocks)
                } else {
                    blocks
                };
                GroomDone {
                    huge: (0..got).map(|_| self.rng.below(2) == 0).collect(),
                    shortage: is_short.then_some(Shortage::Cgroup),
                }
            }
        };
        self.procs[proc]
            .outbox
            .push_back(ToSupervisor::Groomed(Groomed { order, done }));
        true
    }

    fn worker_acts(&mut self, proc: usize) -> bool {
        let Kind::Worker(worker) = &self.procs[proc].kind else {
            return false;
        };
        let Some(task) = worker.tasks.front().cloned() else {
            return false;
        };
        let (slot, step) = (worker.slot, worker.step.clone());
        let outcome = match &task.work {
            Work::Run {
                kernel,
                state,
                inputs,
                span: Span::Leaves { start, end },
                ..
            } => {
                let elements = inputs[0].layout.element_count();
                let partial = reduce(kernel, elements, state, *start..*end);
                Some(Ok(Partial::from(partial.to_vec())))
            }
            Work::Run {
                params,
                inputs,
                span: Span::Stripes { start, end },
                ..
            } => {
                let token = match params.get("offset") {
                    Some(Value::Int(token)) => *token as u64,
                    other => panic!("the token is lost: {other:?}"),
                };
                self.in_place_step(proc, &task, &inputs[0], (*start, *end), (slot, token), step)
            }
            Work::RollBack { operand, stripes } => {
                self.roll_back_step(proc, operand, stripes, slot, step)
            }
        };
        if let Some(outcome) = outcome {
            self.finish_task(proc, task.task, outcome);
        }
        true
    }

    fn finish_task(&mut self, proc: usize, task: u64, outcome: Result<Partial, Failure>) {
        let busy_ns = self.rng.below(400_000);
        if let Kind::Worker(worker) = &mut self.procs[proc].kind {
            worker.tasks.pop_front();
            worker.step = Step::At(0);
        }
        self.procs[proc]
            .outbox
            .push_back(ToSupervisor::Report(TaskReport {
                task,
                outcome,
                busy_ns,
            }));
    }

    fn set_step(&mut self, proc: usize, step: Step) {
        if let Kind::Worker(worker) = &mut self.procs[proc].kind {
            worker.step = step;
        }
    }

    /// One step of acquire, progress, image, change, commit.
    fn in_place_step(
        &mut self,
        proc: usize,
        task: &Task,
        operand: &Operand,
        (start, end): (u32, u32),
        (slot, token): (SlotId, u64),
        step: Step,
    ) -> Option<Result<Partial, Failure>> {
        let stripes = operand.stripes.unwrap();
        let of = |stripe: u32| stripes.first_cell + stripe;
        match step {
            Step::At(n) if start + n >= end => return Some(Ok(Partial::new())),
            Step::At(n) => {
                let cell = of(start + n);
                if self
                    .locks
                    .acquire(cell, cell_generation(operand.object), slot, false)
                {
                    self.set_step(proc, Step::Locked(n));
                } else {
                    return self.refused(operand, start + n, cell);
                }
            }
            Step::Locked(n) => {
                let progress = Progress {
                    task: task.task,
                    stripe: start + n,
                };
                self.locks.progress.insert(slot, progress);
                self.set_step(proc, Step::Noted(n));
            }
            Step::Noted(n) => {
                let stripe =
                    &mut self.contents.get_mut(&operand.object).unwrap()[(start + n) as usize];
                if operand.image.is_some() {
                    stripe.image = Some(stripe.applied.clone());
                    self.locks
                        .cells
                        .get_mut(&of(start + n))
                        .unwrap()
                        .is_image_valid = true;
                }
                stripe.is_torn = true;
                self.set_step(proc, Step::Half(n));
            }
            Step::Half(n) => {
                let stripe =
                    &mut self.contents.get_mut(&operand.object).unwrap()[(start + n) as usize];
                stripe.is_torn = false;
                *stripe.applied.entry(token).or_insert(0) += 1;
                self.set_step(proc, Step::Done(n));
            }
            Step::Done(n) => {
                self.locks.commit(of(start + n), slot);
                self.set_step(proc, Step::At(n + 1));
            }
        }
        None
    }

    /// A lock that is not to be had: a typed failure at once, or another try.
    fn refused(
        &mut self,
        operand: &Operand,
        stripe: u32,
        cell: u32,
    ) -> Option<Result<Partial, Failure>> {
        let object = operand.object;
        let cell = self.locks.cells.get(&cell);
        match cell {
            Some(cell) if cell.is_closed || cell.generation != cell_generation(object) => {
                Some(Err(Failure::Closed { object }))
            }
            Some(cell) if cell.is_poisoned => Some(Err(Failure::Poisoned { object, stripe })),
            _ if self.rng.one_in(20) => Some(Err(Failure::LockTimeout {
                object,
                stripe,
                holder_slot: None,
                holder_pid: None,
                waited_ms: 1,
            })),
            _ => None,
        }
    }

    fn roll_back_step(
        &mut self,
        proc: usize,
        operand: &Operand,
        poisoned: &[u32],
        slot: SlotId,
        step: Step,
    ) -> Option<Result<Partial, Failure>> {
        let first = operand.stripes.unwrap().first_cell;
        let (Step::At(n) | Step::Locked(n) | Step::Noted(n) | Step::Half(n) | Step::Done(n)) = step;
        let Some(&stripe) = poisoned.get(n as usize) else {
            return Some(Ok(Partial::new()));
        };
        match step {
            Step::At(_) => {
                let is_poisoned = self
                    .locks
                    .cells
                    .get(&(first + stripe))
                    .is_some_and(|cell| cell.is_poisoned);
                if !is_poisoned {
                    self.set_step(proc, Step::At(n + 1));
                } else if self.locks.acquire(
                    first + stripe,
                    cell_generation(operand.object),
                    slot,
                    true,
                ) {
                    self.set_step(proc, Step::Locked(n));
                } else {
                    return self.refused(operand, stripe, first + stripe);
                }
            }
            Step::Locked(_) => {
                let is_image_valid = self.locks.cells[&(first + stripe)].is_image_valid;
                let content = &mut self.contents.get_mut(&operand.object).unwrap()[stripe as usize];
                if is_image_valid {
                    content.applied = content.image.clone().unwrap();
                    content.is_torn = false;
                }
                self.set_step(proc, Step::Done(n));
            }
            _ => {
                self.locks.commit(first + stripe, slot);
                self.set_step(proc, Step::At(n + 1));
            }
        }
        None
    }
}
