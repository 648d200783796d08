//! Jobs with work to hand out: first in, first out within a session, fair shares between sessions.
//!
//! Each session has a lane with a virtual time, which grows by the work handed out of it; the lane with the least is served
//! next. A lane that was empty starts at the clock, so that nobody saves up a claim by being idle, or where it ended if that is
//! later, so that nobody gets ahead by handing in jobs one at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use arena_core::SessionId;

use super::job::JobId;

/// The jobs that have unassigned work.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: BTreeMap<SessionId, Lane>,
    order: BTreeSet<(u64, SessionId)>,
    /// Where lanes ended that are empty and ahead of the clock.
    ended: BTreeMap<SessionId, u64>,
    ended_order: BTreeSet<(u64, SessionId)>,
    clock: u64,
    jobs: usize,
}

#[derive(Debug)]
struct Lane {
    time: u64,
    jobs: VecDeque<JobId>,
}

impl Queue {
    /// Adds a job behind its session's others.
    pub(super) fn push_back(&mut self, session: SessionId, job: JobId) {
        self.lane(session).jobs.push_back(job);
        self.jobs += 1;
    }

    /// Adds a job before its session's others: it has been served already.
    pub(super) fn push_front(&mut self, session: SessionId, job: JobId) {
        self.lane(session).jobs.push_front(job);
        self.jobs += 1;
    }

    fn lane(&mut self, session: SessionId) -> &mut Lane {
        let Self {
            order,
            ended,
            ended_order,
            clock,
            ..
        } = self;
        self.lanes.entry(session).or_insert_with(|| {
            let time = ended.remove(&session).map_or(*clock, |time| {
                ended_order.remove(&(time, session));
                time.max(*clock)
            });
            order.insert((time, session));
            Lane {
                time,
                jobs: VecDeque::new(),
            }
        })
    }

    /// The job that is served next.
    pub(super) fn front(&self) -> Option<JobId> {
        let (_, session) = self.order.first()?;
        self.lanes.get(session)?.jobs.front().copied()
    }

    /// Work of `cost` was taken from the front job.
    pub(super) fn charge_front(&mut self, cost: u64) {
        let Some((time, session)) = self.order.pop_first() else {
            return;
        };
        self.advance(time);
        if let Some(lane) = self.lanes.get_mut(&session) {
            lane.time = time.saturating_add(cost.max(1));
            self.order.insert((lane.time, session));
        }
    }

    fn advance(&mut self, clock: u64) {
        self.clock = clock;
        while let Some(&(time, session)) = self.ended_order.first()
            && time <= clock
        {
            self.ended_order.pop_first();
            self.ended.remove(&session);
        }
    }

    /// Takes a job out, wherever it stands. Unknown ones are ignored.
    pub(super) fn remove(&mut self, session: SessionId, job: JobId) {
        let Some(lane) = self.lanes.get_mut(&session) else {
            return;
        };
        let Some(position) = lane.jobs.iter().position(|&queued| queued == job) else {
            return;
        };
        lane.jobs.remove(position);
        self.jobs -= 1;
        if lane.jobs.is_empty() {
            let time = lane.time;
            self.order.remove(&(time, session));
            self.lanes.remove(&session);
            if time > self.clock {
                self.ended.insert(session, time);
                self.ended_order.insert((time, session));
            }
        }
        if self.lanes.is_empty()
            && let Some(&(last, _)) = self.ended_order.last()
        {
            self.advance(last);
        }
    }

    /// How many jobs have unassigned work.
    pub(super) const fn len(&self) -> usize {
        self.jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);

    #[test]
    fn sessions_share_and_jobs_of_one_wait_in_order() {
        let mut queue = Queue::default();
        queue.push_back(A, JobId(1));
        queue.push_back(A, JobId(2));
        queue.push_back(B, JobId(3));
        let mut served = Vec::new();
        for _ in 0..4 {
            served.push(queue.front().unwrap().0);
            queue.charge_front(10);
        }
        assert_eq!(served, [1, 3, 1, 3]);
        queue.remove(A, JobId(1));
        assert_eq!(queue.front(), Some(JobId(2)));
        queue.remove(A, JobId(2));
        queue.remove(B, JobId(3));
        assert_eq!((queue.front(), queue.len()), (None, 0));
    }

    /// A session whose lane ran empty after each job came back before one that always had work, which was never served.
    #[test]
    fn jobs_one_at_a_time_starve_nobody() {
        let mut queue = Queue::default();
        queue.push_back(A, JobId(1));
        let mut of_a = 0;
        for _ in 0..100 {
            queue.push_back(B, JobId(2));
            while queue.front() == Some(JobId(1)) {
                of_a += 1;
                queue.charge_front(10);
            }
            queue.charge_front(10);
            queue.remove(B, JobId(2));
        }
        assert!((90..=110).contains(&of_a), "{of_a}");
        queue.remove(A, JobId(1));
        assert!(queue.ended.is_empty() && queue.ended_order.is_empty());
    }

    #[test]
    fn idleness_saves_up_nothing() {
        let mut queue = Queue::default();
        queue.push_back(A, JobId(1));
        for _ in 0..100 {
            queue.charge_front(10);
        }
        queue.push_back(B, JobId(2));
        let mut of_b = 0;
        for _ in 0..20 {
            of_b += u32::from(queue.front() == Some(JobId(2)));
            queue.charge_front(10);
        }
        assert!((9..=11).contains(&of_b), "{of_b}");
    }

    #[test]
    fn cheap_work_gets_more_turns() {
        let mut queue = Queue::default();
        queue.push_back(A, JobId(1));
        queue.push_back(B, JobId(2));
        let mut of_b = 0;
        for _ in 0..110 {
            let is_b = queue.front() == Some(JobId(2));
            of_b += u32::from(is_b);
            queue.charge_front(if is_b { 1 } else { 10 });
        }
        assert!((95..=105).contains(&of_b), "{of_b}");
    }
}
