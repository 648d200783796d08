//! Handing out work: idle workers first, then one task ahead for each while more than one is left per worker.
//!
//! Nothing here looks at more than the job at the front and one worker, whatever their numbers.

use arena_core::SlotId;
use arena_core::protocol::{FromSupervisor, Task};

use super::job::{Job, JobId, Piece};
use super::machine::Supervisor;
use super::rates::{SliceTimes, slice_units};
use super::worker::Running;

impl Supervisor {
    pub(super) fn dispatch(&mut self) {
        while let Some(job) = self.queue.front() {
            if !self.assign_idle(job) && !self.assign_ahead(job) {
                break;
            }
        }
    }

    fn assign_idle(&mut self, job: JobId) -> bool {
        let Some(slot) = self.workers.idle(self.policy.workers.max(1)) else {
            return false;
        };
        let units = self.next_units(job);
        let piece = self
            .jobs
            .get_mut(&job)
            .and_then(|job| job.again.pop().or_else(|| job.cut(units)));
        self.assign(slot, job, piece)
    }

    /// A worker that gets its next task ahead needs no wake-up between the two. What a worker died of is not given ahead: it
    /// runs alone.
    fn assign_ahead(&mut self, job: JobId) -> bool {
        let units = self.next_units(job);
        let workers = u64::from(self.policy.workers.max(1));
        let Some(waiting) = self.jobs.get(&job).filter(|job| job.again.is_empty()) else {
            return false;
        };
        let is_much = self.queue.len() as u64 > workers
            || waiting.units_left() > units.saturating_mul(workers);
        let Some(slot) = self.workers.single().filter(|_| is_much) else {
            return false;
        };
        let piece = self.jobs.get_mut(&job).and_then(|job| job.cut(units));
        self.assign(slot, job, piece)
    }

    fn next_units(&self, job: JobId) -> u64 {
        let Some(job) = self.jobs.get(&job) else {
            return 1;
        };
        let times = SliceTimes {
            min: self.policy.slice_time_min,
            max: self.policy.slice_time_max,
        };
        slice_units(
            job.units_left(),
            self.policy.workers,
            self.nanos_per_unit(job),
            times,
        )
    }

    fn nanos_per_unit(&self, job: &Job) -> f64 {
        let per_element = self.rates.nanos_per_element(job.kernel, job.dtype());
        (per_element * job.elements_per_unit()).max(1.0)
    }

    fn assign(&mut self, slot: SlotId, id: JobId, piece: Option<Piece>) -> bool {
        let Some(job) = self.jobs.get_mut(&id) else {
            return false;
        };
        let Some(piece) = piece else {
            job.is_queued = false;
            self.queue.remove(job.session, id);
            return true;
        };
        job.running += 1;
        let session = job.session;
        let task = Task {
            task: self.next_task,
            work: job.work(&piece),
            lock_timeout_ms: u64::try_from(self.policy.lock_timeout.as_millis())
                .unwrap_or(u64::MAX),
        };
        self.next_task += 1;
        if !job.has_work() {
            job.is_queued = false;
        }
        let is_queued = job.is_queued;
        let cost = self
            .jobs
            .get(&id)
            .map_or(0.0, |job| self.nanos_per_unit(job) * piece.units() as f64);
        self.queue.charge_front(cost as u64);
        if !is_queued {
            self.queue.remove(session, id);
        }
        let number = task.task;
        let conn = self.workers.change(slot, |worker| {
            worker.is_isolated = piece.deaths > 0;
            worker.tasks.push_back(Running {
                task: number,
                job: id,
                piece,
            });
            worker.process.map(|process| process.conn)
        });
        if let Some(Some(conn)) = conn {
            self.send(conn, FromSupervisor::Task(Box::new(task)));
        }
        true
    }

    /// Puts a job that has work again into the queue: before its session's others, as it was there first.
    pub(super) fn requeue(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id)
            && !job.is_queued
            && job.has_work()
        {
            job.is_queued = true;
            self.queue.push_front(job.session, id);
        }
    }
}
