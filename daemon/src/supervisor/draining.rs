//! The end of the supervisor: no new work, what runs is finished, the children end, then it.

use arena_core::SlotId;
use arena_core::protocol::{Failure, Notice};

use super::effect::{Effect, ExitReason, Note};
use super::groomer::GroomerPhase;
use super::job::JobId;
use super::machine::{Phase, Supervisor};
use super::timers::Timer;

impl Supervisor {
    pub(super) fn drain(&mut self) {
        if self.phase != Phase::Serving {
            return;
        }
        let until = self.now.after(self.policy.drain_timeout);
        self.phase = Phase::Draining { until };
        self.timers.set(until, Timer::Drain);
        self.note(Note::Draining);
        self.tell_all(Notice::Draining);
        self.fail_all_allocations(&Failure::Draining);
        self.end_if_drained();
    }

    /// While draining: ends the children when no job is left.
    pub(super) fn end_if_drained(&mut self) {
        if let Phase::Draining { until } = self.phase
            && self.live_jobs == 0
        {
            self.timers.clear(until, Timer::Drain);
            self.end_children(ExitReason::Drained);
        }
    }

    pub(super) fn drain_timed_out(&mut self) {
        let Phase::Draining { .. } = self.phase else {
            return;
        };
        let live: Vec<JobId> = self
            .jobs
            .iter()
            .filter(|(_, job)| !job.is_answered)
            .map(|(&id, _)| id)
            .collect();
        self.end_children(ExitReason::DrainTimedOut);
        for id in live {
            self.answer_job(id, Err(Failure::Draining));
        }
    }

    fn end_children(&mut self, reason: ExitReason) {
        let until = self.now.after(self.policy.kill_grace);
        self.phase = Phase::Ending { until, reason };
        self.timers.set(until, Timer::End);
        let slots: Vec<SlotId> = self.workers.iter().map(|worker| worker.slot).collect();
        for slot in slots {
            self.dismiss(slot);
        }
        self.end_groomer("the supervisor ends".to_owned());
        self.exit_when_alone();
    }

    /// Ends when the last child has.
    pub(super) fn exit_when_alone(&mut self) {
        if let Phase::Ending { until, reason } = self.phase
            && self.workers.count() == 0
            && self.groomer.phase == GroomerPhase::Absent
        {
            self.timers.clear(until, Timer::End);
            self.exit(reason);
        }
    }

    /// Children that do not end are killed.
    pub(super) fn end_timed_out(&mut self) {
        let Phase::Ending { reason, .. } = self.phase else {
            return;
        };
        let of_workers = self.workers.iter().filter_map(|worker| worker.process);
        let all = of_workers.chain(self.groomer.process);
        let conns: Vec<_> = all.map(|process| process.conn).collect();
        for conn in conns {
            self.out.push(Effect::Kill { conn });
        }
        self.exit(reason);
    }
}
