//! What workers report: results are merged, jobs finished, answers sent.

use arena_core::protocol::{Failure, Ran, Reply, Span, TaskReport};
use arena_core::{SessionId, SlotId};
use arena_kernels::{FinishError, Outcome, decode_span};

use super::event::ConnId;
use super::job::{Job, JobId, Kind, Piece};
use super::machine::Supervisor;
use super::session::Deferred;
use super::timers::Timer;
use super::worker::WorkerPhase;
use crate::convert::value_to_wire;

impl Supervisor {
    pub(super) fn report(&mut self, slot: SlotId, conn: ConnId, report: TaskReport) {
        let Some(worker) = self.workers.get(slot) else {
            return;
        };
        if worker.phase != WorkerPhase::Ready
            || worker.process.is_none_or(|process| process.conn != conn)
        {
            return;
        }
        let Some(running) = worker
            .tasks
            .front()
            .filter(|running| running.task == report.task)
        else {
            self.end_worker(slot, "it reported a task that it does not run".to_owned());
            return;
        };
        let id = running.job;
        if let Ok(partial) = &report.outcome
            && !self.is_of_piece(id, &running.piece, partial)
        {
            self.end_worker(
                slot,
                "it reported another slice than it was given".to_owned(),
            );
            return;
        }
        self.clear_worker_timers(slot);
        let running = self.workers.change(slot, |worker| {
            worker.overrun_at = None;
            worker.is_isolated = false;
            worker.tasks_done += 1;
            worker.busy_ns = worker.busy_ns.saturating_add(report.busy_ns);
            worker.tasks.pop_front()
        });
        if let Some(Some(running)) = running {
            self.counters.tasks_done += 1;
            self.task_ended(id, running.piece, report);
        }
        self.watch_overrun(slot);
        self.dismiss_surplus();
        self.dispatch();
    }

    /// Whether a partial result is of the leaves that were asked for.
    fn is_of_piece(&self, job: JobId, piece: &Piece, partial: &[u8]) -> bool {
        let is_reduction = self
            .jobs
            .get(&job)
            .is_some_and(|job| matches!(job.kind, Kind::Reduce { .. }));
        match piece.span {
            Span::Leaves { start, end } if is_reduction => decode_span(partial) == Ok(start..end),
            _ => true,
        }
    }

    fn task_ended(&mut self, id: JobId, piece: Piece, report: TaskReport) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        job.running -= 1;
        job.busy_ns = job.busy_ns.saturating_add(report.busy_ns);
        if job.is_answered {
            self.drop_job_if_through(id);
            return;
        }
        match report.outcome {
            Err(failure) => {
                let failure = self.with_holder_pid(failure);
                self.answer_job(id, Err(failure));
            }
            Ok(partial) => {
                self.measure(id, &piece, report.busy_ns);
                self.piece_done(id, piece, &partial);
            }
        }
    }

    fn measure(&mut self, id: JobId, piece: &Piece, busy_ns: u64) {
        if let Some(job) = self.jobs.get(&id)
            && piece.roll_back.is_empty()
        {
            let elements = job.elements_per_unit() * piece.units() as f64;
            let (kernel, dtype) = (job.kernel, job.dtype());
            self.rates.measure(kernel, dtype, elements as u64, busy_ns);
        }
    }

    /// A piece's work is done. Where it was the roll-back before a retry, the retry follows.
    pub(super) fn piece_done(&mut self, id: JobId, mut piece: Piece, partial: &[u8]) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if !piece.roll_back.is_empty() {
            piece.roll_back.clear();
            if piece.units() > 0 {
                job.again.push(piece);
                self.requeue(id);
                return;
            }
        } else if let Kind::Reduce {
            merger: Some(merger),
            ..
        } = &mut job.kind
            && let Err(error) = merger.insert(partial)
        {
            let detail = format!("a worker's partial result can't be used: {error}");
            self.answer_job(id, Err(Failure::System { detail }));
            return;
        }
        self.finish_if_through(id);
    }

    /// When everything has come back: the value, or another pass.
    pub(super) fn finish_if_through(&mut self, id: JobId) {
        let Some(job) = self
            .jobs
            .get_mut(&id)
            .filter(|job| job.is_through() && !job.is_answered)
        else {
            return;
        };
        let elapsed_ns = self.now.nanos_since(job.arrived);
        match finish_pass(job) {
            Ok(Pass::Another) => {
                job.is_queued = true;
                self.queue.push_front(job.session, id);
            }
            Ok(Pass::Done(value)) => {
                let ran = Ran {
                    value,
                    tasks: job.tasks,
                    retries: job.retries,
                    elapsed_ns,
                    busy_ns: job.busy_ns,
                };
                self.answer_job(id, Ok(Reply::Ran(Box::new(ran))));
            }
            Err(failure) => self.answer_job(id, Err(failure)),
        }
    }

    /// Answers a job's request. What no worker has vanishes; what runs may end, for a while.
    pub(super) fn answer_job(&mut self, id: JobId, result: Result<Reply, Failure>) {
        let Some((session, request)) = self.detach_job(id) else {
            return;
        };
        match result {
            Ok(_) => self.counters.jobs_done += 1,
            Err(_) => self.counters.jobs_failed += 1,
        }
        self.reply(session, request, result);
        self.drop_job_if_through(id);
        self.end_if_drained();
    }

    /// Stops a job that nobody waits for any more.
    pub(super) fn abandon_job(&mut self, id: JobId) {
        if self.detach_job(id).is_some() {
            self.counters.jobs_failed += 1;
            self.drop_job_if_through(id);
            self.end_if_drained();
        }
    }

    fn detach_job(&mut self, id: JobId) -> Option<(SessionId, u64)> {
        let job = self.jobs.get_mut(&id).filter(|job| !job.is_answered)?;
        job.is_answered = true;
        job.drop_work();
        let (session, request, running) = (job.session, job.request, job.running);
        if std::mem::take(&mut job.is_queued) {
            self.queue.remove(session, id);
        }
        if let Some(deadline) = job.deadline {
            self.timers.clear(deadline, Timer::Job(id));
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.in_flight.remove(&(request, Deferred::Job(id)));
            session.jobs -= 1;
        }
        self.live_jobs -= 1;
        if running > 0 {
            let slots: Vec<SlotId> = self.workers.iter().map(|worker| worker.slot).collect();
            for slot in slots {
                self.watch_overrun(slot);
            }
        }
        Some((session, request))
    }

    /// Starts the grace of a worker that runs something nobody waits for.
    fn watch_overrun(&mut self, slot: SlotId) {
        let Some(worker) = self.workers.get(slot) else {
            return;
        };
        let is_for_nobody = worker.tasks.front().is_some_and(|running| {
            self.jobs
                .get(&running.job)
                .is_none_or(|job| job.is_answered)
        });
        if is_for_nobody && worker.overrun_at.is_none() && worker.phase == WorkerPhase::Ready {
            let at = self.now.after(self.policy.kill_grace);
            self.timers.set(at, Timer::Overrun(slot));
            self.workers
                .change(slot, |worker| worker.overrun_at = Some(at));
        }
    }

    /// Forgets an answered job once no worker has a task of it; until then its objects stay.
    pub(super) fn drop_job_if_through(&mut self, id: JobId) {
        if !self
            .jobs
            .get(&id)
            .is_some_and(|job| job.is_answered && job.running == 0)
        {
            return;
        }
        if let Some(job) = self.jobs.remove(&id) {
            let is_in_place = job.is_in_place();
            for operand in &job.operands {
                let index = operand.object.index;
                if let Some(object) = self.objects.at_mut(index) {
                    object.jobs -= 1;
                    object.jobs_in_place -= u32::from(is_in_place);
                }
                self.free_if_dead(index);
            }
        }
    }

    pub(super) fn job_deadline(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get(&id) {
            let after_ms = self.now.millis_since(job.arrived);
            self.answer_job(id, Err(Failure::DeadlineExceeded { after_ms }));
            self.dispatch();
        }
    }

    pub(super) fn kernel_of(&self, id: JobId) -> &'static str {
        self.jobs.get(&id).map_or("", |job| job.kernel)
    }

    /// A worker knows the slot that it waited for; we know whose it is.
    fn with_holder_pid(&self, mut failure: Failure) -> Failure {
        if let Failure::LockTimeout {
            holder_slot: Some(slot),
            holder_pid,
            ..
        } = &mut failure
        {
            *holder_pid = self.pid_of_slot(SlotId(*slot));
        }
        failure
    }
}

enum Pass {
    Another,
    Done(Option<arena_core::protocol::Value>),
}

/// Puts the results of a pass together.
fn finish_pass(job: &mut Job) -> Result<Pass, Failure> {
    let Kind::Reduce {
        plan,
        state,
        merger,
    } = &mut job.kind
    else {
        return Ok(Pass::Done(None));
    };
    let Some(merged) = merger.take() else {
        return Ok(Pass::Done(None));
    };
    match merged.finish() {
        Ok(Outcome::Value(value)) => Ok(Pass::Done(Some(value_to_wire(value)))),
        Ok(Outcome::AnotherPass(found)) => {
            *merger = Some(plan.merger(&found).map_err(|error| system(&error))?);
            *state = found;
            job.rest = 0..plan.leaves();
            Ok(Pass::Another)
        }
        Err(FinishError::Data(error)) => Err(Failure::BadArguments {
            detail: error.to_string(),
        }),
        Err(error) => Err(system(&error)),
    }
}

fn system(error: &dyn std::fmt::Display) -> Failure {
    Failure::System {
        detail: error.to_string(),
    }
}
