//! From a request to a job: everything that can be wrong is found before a worker hears of it.

use std::time::Duration;

use arena_core::protocol::{Failure, ObjectState, Operand, Params, Ran, Reply, Run, Selector};
use arena_core::{ObjectId, SessionId};
use arena_kernels::{Access, Signature};

use crate::planning;

use super::effect::Effect;
use super::event::CellSeen;
use super::job::{Job, JobId, Kind, Piece};
use super::machine::{Asked, Supervisor};
use super::objects::Object;
use super::requests::{Handled, busy, no_such_id, wrong_state};
use super::session::Deferred;
use super::timers::Timer;

/// What messages call the work of a `RollBack` request.
const ROLL_BACK: &str = "roll_back";

impl Supervisor {
    pub(super) fn run(&mut self, session: SessionId, request: u64, run: &Run) -> Handled {
        let signature = planning::find(&run.kernel)?;
        self.check_job_bounds(session, signature.name)?;
        let operands = self.operands(&run.inputs, signature)?;
        let kind = plan(signature, &operands, &run.params)?;
        let units = match &kind {
            Kind::Reduce { plan, .. } => plan.leaves(),
            Kind::InPlace | Kind::RollBack => stripes_with_elements(&operands),
        };
        let id = self.add_job(session, request, signature.name, operands, kind);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.rest = 0..units;
            job.params = run.params.clone();
        }
        if let Some(deadline_ms) = run.deadline_ms {
            self.set_deadline(id, deadline_ms);
        }
        self.start_job(id);
        Ok(None)
    }

    fn check_job_bounds(&self, session: SessionId, kernel: &'static str) -> Result<(), Failure> {
        let Some(session) = self.sessions.get(&session) else {
            return Ok(());
        };
        if let Some(&deaths) = session.deaths.get(kernel)
            && deaths >= self.policy.quarantine_deaths
        {
            return Err(Failure::Quarantined {
                kernel: kernel.to_owned(),
                deaths,
            });
        }
        if session.jobs >= self.policy.jobs_per_session_max {
            return Err(busy(
                "jobs per session",
                u64::from(self.policy.jobs_per_session_max),
            ));
        }
        if self.live_jobs >= self.policy.jobs_max {
            return Err(busy("jobs", u64::from(self.policy.jobs_max)));
        }
        Ok(())
    }

    fn operands(
        &self,
        inputs: &[Selector],
        signature: &Signature,
    ) -> Result<Vec<Operand>, Failure> {
        if inputs.len() != signature.inputs.len() {
            return Err(Failure::BadArguments {
                detail: format!(
                    "{} takes {} input(s), given: {}",
                    signature.name,
                    signature.inputs.len(),
                    inputs.len()
                ),
            });
        }
        inputs
            .iter()
            .map(|selector| {
                let object = self.find(selector, "run a kernel on it")?;
                if signature.access() == Access::InPlace
                    && object.record.state != ObjectState::Shared
                {
                    return Err(wrong_state(object, "modify it in place (create it shared)"));
                }
                let mut operand = operand(object);
                if signature.access() == Access::Reduce {
                    // Readers have no business with before-images, which go with the seal of a shared object.
                    operand.image = None;
                }
                Ok(operand)
            })
            .collect()
    }

    /// Enters a job and pins what it works on.
    fn add_job(
        &mut self,
        session: SessionId,
        request: u64,
        kernel: &'static str,
        operands: Vec<Operand>,
        kind: Kind,
    ) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        let job = Job {
            session,
            request,
            kernel,
            params: Params::new(),
            operands,
            kind,
            rest: 0..0,
            again: Vec::new(),
            running: 0,
            is_queued: false,
            is_answered: false,
            arrived: self.now,
            deadline: None,
            tasks: 0,
            retries: 0,
            busy_ns: 0,
        };
        for operand in &job.operands {
            if let Some(object) = self.objects.at_mut(operand.object.index) {
                object.jobs += 1;
                object.jobs_in_place += u32::from(job.is_in_place());
            }
        }
        self.jobs.insert(id, job);
        self.live_jobs += 1;
        if let Some(session) = self.sessions.get_mut(&session) {
            session.jobs += 1;
            session.in_flight.insert((request, Deferred::Job(id)));
        }
        id
    }

    fn set_deadline(&mut self, id: JobId, deadline_ms: u64) {
        let at = self.now.after(Duration::from_millis(deadline_ms));
        if let Some(job) = self.jobs.get_mut(&id) {
            job.deadline = Some(at);
            self.timers.set(at, Timer::Job(id));
        }
    }

    /// Queues a job, or finishes it at once where there is nothing to do.
    fn start_job(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id)
            && job.has_work()
        {
            job.is_queued = true;
            self.queue.push_back(job.session, id);
            self.dispatch();
        } else {
            self.finish_if_through(id);
        }
    }

    /// Looks for poisoned stripes; what to do about them is decided when they are known.
    pub(super) fn roll_back(&mut self, session: SessionId, request: u64, id: ObjectId) -> Handled {
        let object = self.find(&Selector::Id(id), "roll it back")?;
        let cells = object
            .cells()
            .ok_or_else(|| wrong_state(object, "roll it back"))?;
        if object.record.image.is_none() {
            return Err(Failure::BadArguments {
                detail: format!("object {id} keeps no before-images"),
            });
        }
        self.check_job_bounds(session, ROLL_BACK)?;
        self.asked.push_back(Asked::Poisoned {
            session,
            request,
            object: id,
        });
        self.out.push(Effect::InspectCells { cells: vec![cells] });
        Ok(None)
    }

    pub(super) fn roll_back_poisoned(
        &mut self,
        session: SessionId,
        request: u64,
        id: ObjectId,
        seen: &[CellSeen],
    ) -> Handled {
        let object = self.objects.get(id).ok_or_else(|| no_such_id(id))?;
        let first = object.cells().map_or(0, |cells| cells.start);
        let poisoned = seen.iter().filter(|cell| cell.poisoned);
        let stripes: Vec<u32> = poisoned
            .map(|cell| cell.cell.saturating_sub(first))
            .collect();
        if stripes.is_empty() {
            return Ok(Some(Reply::Ran(Box::new(Ran {
                value: None,
                tasks: 0,
                retries: 0,
                elapsed_ns: 0,
                busy_ns: 0,
            }))));
        }
        let operands = vec![operand(object)];
        let job = self.add_job(session, request, ROLL_BACK, operands, Kind::RollBack);
        if let Some(job) = self.jobs.get_mut(&job) {
            job.tasks = 1;
            job.again.push(Piece {
                span: arena_core::protocol::Span::Stripes { start: 0, end: 0 },
                deaths: 0,
                roll_back: stripes,
            });
        }
        self.start_job(job);
        Ok(None)
    }
}

fn operand(object: &Object) -> Operand {
    Operand {
        object: object.record.id,
        extent: object.record.extent,
        layout: object.record.layout.clone(),
        stripes: object.record.stripes,
        image: object.record.image,
    }
}

/// Checks operands and parameters against the signature.
fn plan(
    signature: &'static Signature,
    operands: &[Operand],
    params: &Params,
) -> Result<Kind, Failure> {
    let layouts: Vec<_> = operands.iter().map(|operand| &operand.layout).collect();
    let plan = planning::plan(signature, &layouts, params)?;
    match signature.access() {
        Access::InPlace => Ok(Kind::InPlace),
        Access::Reduce => {
            let merger = plan.merger(&[]).map_err(|error| Failure::BadArguments {
                detail: error.to_string(),
            })?;
            Ok(Kind::Reduce {
                plan: Box::new(plan),
                state: Vec::new(),
                merger: Some(merger),
            })
        }
    }
}

fn stripes_with_elements(operands: &[Operand]) -> u64 {
    match operands.first() {
        Some(operand) if operand.layout.element_count() > 0 => operand
            .stripes
            .map_or(0, |stripes| u64::from(stripes.count)),
        _ => 0,
    }
}
