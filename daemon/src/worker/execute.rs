//! One task from its frame to its outcome.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena_core::SlotId;
use arena_core::lock::LockArea;
use arena_core::mapping::DataMap;
use arena_core::protocol::{Failure, Operand, Params, Partial, Span, Task, TaskReport, Work};
use arena_kernels::Access;

use crate::planning;
use crate::worker::checked::Checked;
use crate::worker::elements::Scratch;
use crate::worker::in_place::Update;
use crate::worker::locks::{UntilHangup, WorkerLocks};
use crate::worker::panic::panicked;
use crate::worker::reduce::{INPUTS_MAX, Reduction};
use crate::worker::roll_back::Repair;

/// Leaves of a task that is done in less time than a system call for its report takes to be worth while.
const TINY_LEAVES_MAX: u64 = 4;

/// The arena as a native worker uses it.
#[derive(Debug)]
pub(crate) struct Executor {
    data: DataMap,
    locker: WorkerLocks,
    scratch: [Scratch; INPUTS_MAX],
}

impl Executor {
    pub(crate) fn new(data: DataMap, locks: LockArea, slot: SlotId, waiting: UntilHangup) -> Self {
        Self {
            data,
            locker: WorkerLocks::solo_with(Arc::new(locks), slot, waiting),
            scratch: Default::default(),
        }
    }

    /// Does what a task asks for. A panic is the task's failure; the worker goes on, since nothing it keeps outlives a task but
    /// scratch memory, whose contents nobody relies on.
    pub(crate) fn execute(&mut self, task: &Task) -> TaskReport {
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.attempt(task)))
            .unwrap_or_else(|payload| Err(panicked(name_of(&task.work), payload.as_ref())));
        TaskReport {
            task: task.task,
            outcome,
            busy_ns: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    fn attempt(&mut self, task: &Task) -> Result<Partial, Failure> {
        let lock_timeout = Duration::from_millis(task.lock_timeout_ms);
        match &task.work {
            Work::Run {
                kernel,
                params,
                state,
                inputs,
                span,
            } => {
                let inputs = self.check(inputs)?;
                let run = Run {
                    task: task.task,
                    kernel,
                    params,
                    state,
                    inputs: &inputs,
                    lock_timeout,
                };
                self.run(&run, *span)
            }
            Work::RollBack { operand, stripes } => {
                let target = &Checked::new(operand, self.data.arena_bytes())?;
                let repair = Repair {
                    target,
                    stripes,
                    lock_timeout,
                };
                repair.run(&self.data, &self.locker)?;
                Ok(Partial::new())
            }
        }
    }

    fn check<'t>(&self, operands: &'t [Operand]) -> Result<Vec<Checked<'t>>, Failure> {
        operands
            .iter()
            .map(|operand| Checked::new(operand, self.data.arena_bytes()))
            .collect()
    }

    fn run(&mut self, run: &Run<'_>, span: Span) -> Result<Partial, Failure> {
        let signature = planning::find(run.kernel)?;
        let layouts: Vec<_> = run.inputs.iter().map(|input| input.layout).collect();
        let plan = &planning::plan(signature, &layouts, run.params)?;
        match (signature.access(), span, run.inputs) {
            (Access::Reduce, Span::Leaves { start, end }, inputs) => {
                check_shapes(inputs)?;
                let reduction = Reduction {
                    plan,
                    state: run.state,
                    inputs,
                    leaves: start..end,
                    lock_timeout: run.lock_timeout,
                };
                reduction.run(&self.data, &self.locker, &mut self.scratch)
            }
            (Access::InPlace, Span::Stripes { start, end }, [target]) => {
                let update = Update {
                    task: run.task,
                    plan,
                    target,
                    stripes: start..end,
                    lock_timeout: run.lock_timeout,
                };
                update.run(&self.data, &self.locker, &mut self.scratch[0])?;
                Ok(Partial::new())
            }
            (_, span, _) => Err(Failure::Protocol {
                detail: format!("{} is not applied to this: {span:?}", run.kernel),
            }),
        }
    }
}

/// A kernel's task with checked inputs.
#[derive(Debug)]
struct Run<'t> {
    task: u64,
    kernel: &'t str,
    params: &'t Params,
    state: &'t [u8],
    inputs: &'t [Checked<'t>],
    lock_timeout: Duration,
}

/// Inputs of one kernel are numbered alike, so they have one shape, whatever else their signature says.
fn check_shapes(inputs: &[Checked<'_>]) -> Result<(), Failure> {
    let same = inputs
        .windows(2)
        .all(|pair| pair[0].layout.shape() == pair[1].layout.shape());
    if same && inputs.len() <= INPUTS_MAX {
        return Ok(());
    }
    Err(Failure::BadArguments {
        detail: "inputs of a reduction have one shape".to_owned(),
    })
}

fn name_of(work: &Work) -> &str {
    match work {
        Work::Run { kernel, .. } => kernel,
        Work::RollBack { .. } => "roll back",
    }
}

/// Whether a task takes so little time that finished reports may wait for it. Whatever takes locks may take long.
pub(crate) fn is_tiny(task: &Task) -> bool {
    match &task.work {
        Work::Run {
            inputs,
            span: Span::Leaves { start, end },
            ..
        } => {
            end.saturating_sub(*start) <= TINY_LEAVES_MAX
                && inputs.iter().all(|input| input.stripes.is_none())
        }
        _ => false,
    }
}
