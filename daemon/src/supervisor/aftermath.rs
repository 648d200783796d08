//! What becomes of a dead worker's tasks, once its slot is swept.
//!
//! | task | what is known | what follows |
//! |---|---|---|
//! | the second one, not begun | the progress word does not name it | another worker gets it, as if nothing had happened |
//! | the first one, a reduction | nothing was changed | the same slice once more, alone |
//! | the first one, in place | progress (task, stripe `k`); cells that the sweep poisoned | goes on at `k` if `k` is poisoned, else behind it; poisoned stripes are rolled back from their before-images first; without images the job fails |
//! | any, too many deaths | | the job fails with `WorkerDied` |
//!
//! The progress word is written between the grant of a stripe's lock and the first store to it, so a poisoned stripe other than
//! `k` was not touched; rolling it back only lifts the poison.

use arena_core::SlotId;
use arena_core::protocol::{Failure, Span};

use super::effect::Note;
use super::event::{Progress, Swept};
use super::job::{Job, JobId, Kind, Piece};
use super::machine::Supervisor;
use super::worker::Running;

/// What a death says about a worker's tasks.
struct Death<'a> {
    pid: u32,
    cause: &'a str,
    swept: &'a Swept,
}

impl Supervisor {
    pub(super) fn worker_swept(&mut self, slot: SlotId, swept: &Swept) {
        let Some(mut worker) = self.bury_worker(slot) else {
            return;
        };
        if self.is_ending() {
            self.exit_when_alone();
            return;
        }
        let cause = worker
            .cause
            .take()
            .unwrap_or_else(|| "an unknown cause".to_owned());
        let pid = worker.process.map_or(0, |process| process.peer.pid);
        let running = worker.tasks.front();
        let note = Note::WorkerDied {
            slot,
            pid,
            cause: cause.clone(),
            task: running.map(|running| running.task),
            kernel: running.map(|running| self.kernel_of(running.job).to_owned()),
        };
        self.counters.workers_died += 1;
        self.note(note);
        self.replace_worker(&worker, &cause);
        let death = Death {
            pid,
            cause: &cause,
            swept,
        };
        self.reissue(std::mem::take(&mut worker.tasks).into(), &death);
        self.dispatch();
    }

    fn reissue(&mut self, tasks: Vec<Running>, death: &Death<'_>) {
        let progress = death.swept.progress;
        let begun =
            |running: &Running| progress.is_some_and(|progress| progress.task == running.task);
        let last_begun = tasks.iter().rposition(begun).unwrap_or(0);
        for (position, running) in tasks.into_iter().enumerate() {
            let Some(job) = self.jobs.get_mut(&running.job) else {
                continue;
            };
            job.running -= 1;
            if job.is_answered {
                self.drop_job_if_through(running.job);
            } else if position > last_begun {
                self.hand_on(running.job, running.piece);
            } else if position < last_begun {
                self.outrun(running.job, running.piece);
            } else {
                self.task_died(running, death);
            }
        }
    }

    /// A task that no worker has begun.
    fn hand_on(&mut self, id: JobId, piece: Piece) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.again.push(piece);
            self.requeue(id);
        }
    }

    /// A task that its worker had ended, as it had begun the next one, but whose report did not arrive.
    fn outrun(&mut self, id: JobId, piece: Piece) {
        let is_reduction = self
            .jobs
            .get(&id)
            .is_some_and(|job| matches!(job.kind, Kind::Reduce { .. }));
        if is_reduction {
            self.hand_on(id, piece);
        } else {
            self.piece_done(id, piece, &[]);
        }
    }

    fn task_died(&mut self, running: Running, death: &Death<'_>) {
        let id = running.job;
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let task = running.task;
        let mut piece = running.piece;
        piece.deaths += 1;
        let attempts = piece.deaths;
        if let Err(failure) = after_death(job, &mut piece, task, death.swept) {
            self.answer_job(id, Err(failure));
            return;
        }
        if piece.units() == 0 && piece.roll_back.is_empty() {
            self.finish_if_through(id);
            return;
        }
        let kernel = job.kernel;
        let is_quarantined = self.count_death(id);
        if attempts >= self.policy.attempts_max || is_quarantined {
            let failure = Failure::WorkerDied {
                pid: death.pid,
                cause: death.cause.to_owned(),
                task,
                kernel: kernel.to_owned(),
                attempts,
            };
            self.answer_job(id, Err(failure));
            return;
        }
        if let Some(job) = self.jobs.get_mut(&id) {
            job.retries += 1;
        }
        self.counters.tasks_retried += 1;
        self.hand_on(id, piece);
    }

    /// Blames a death on the session's kernel; whether that is one too many.
    fn count_death(&mut self, id: JobId) -> bool {
        let Some(job) = self.jobs.get(&id) else {
            return false;
        };
        let (session, kernel) = (job.session, job.kernel);
        let Some(blamed) = self.sessions.get_mut(&session) else {
            return false;
        };
        let deaths = blamed.deaths.entry(kernel).or_insert(0);
        *deaths += 1;
        let deaths = *deaths;
        if deaths < self.policy.quarantine_deaths {
            return false;
        }
        self.note(Note::Quarantined {
            session,
            kernel: kernel.to_owned(),
            deaths,
        });
        let same = |job: &Job| job.session == session && job.kernel == kernel && !job.is_answered;
        let others: Vec<JobId> = self
            .jobs
            .iter()
            .filter(|&(&other, job)| other != id && same(job))
            .map(|(&other, _)| other)
            .collect();
        for other in others {
            let kernel = kernel.to_owned();
            self.answer_job(other, Err(Failure::Quarantined { kernel, deaths }));
        }
        true
    }
}

/// Cuts off what the dead worker had done of an in-place piece, and adds what must be rolled back.
fn after_death(job: &Job, piece: &mut Piece, task: u64, swept: &Swept) -> Result<(), Failure> {
    let Some(operand) = job.operands.first().filter(|_| job.is_in_place()) else {
        return Ok(());
    };
    let Some(stripes) = operand.stripes else {
        return Ok(());
    };
    let cells = stripes.first_cell..stripes.first_cell + stripes.count;
    let poisoned: Vec<u32> = swept
        .poisoned
        .iter()
        .filter(|cell| cells.contains(cell))
        .map(|cell| cell - cells.start)
        .collect();
    if let Some(&stripe) = poisoned.first()
        && operand.image.is_none()
    {
        return Err(Failure::Poisoned {
            object: operand.object,
            stripe,
        });
    }
    if piece.roll_back.is_empty() {
        go_on_from(piece, task, swept.progress, &poisoned);
    }
    piece.roll_back.extend(poisoned);
    piece.roll_back.sort_unstable();
    piece.roll_back.dedup();
    Ok(())
}

/// Moves the start of a piece behind the stripes that are committed.
fn go_on_from(piece: &mut Piece, task: u64, progress: Option<Progress>, poisoned: &[u32]) {
    let Some(progress) = progress.filter(|progress| progress.task == task) else {
        return;
    };
    if let Span::Stripes { start, end } = &mut piece.span {
        let is_open = poisoned.contains(&progress.stripe);
        let next = progress.stripe.saturating_add(u32::from(!is_open));
        *start = next.clamp(*start, *end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece() -> Piece {
        Piece {
            span: Span::Stripes { start: 10, end: 20 },
            deaths: 0,
            roll_back: Vec::new(),
        }
    }

    fn start_after(progress: Option<(u64, u32)>, poisoned: &[u32]) -> Span {
        let mut piece = piece();
        let progress = progress.map(|(task, stripe)| Progress { task, stripe });
        go_on_from(&mut piece, 7, progress, poisoned);
        piece.span
    }

    #[test]
    fn each_stripe_is_changed_exactly_once() {
        let from = |start| Span::Stripes { start, end: 20 };
        assert_eq!(start_after(None, &[]), from(10), "nothing begun");
        assert_eq!(
            start_after(Some((6, 15)), &[]),
            from(10),
            "progress of another task"
        );
        assert_eq!(
            start_after(Some((7, 12)), &[12]),
            from(12),
            "died inside stripe 12"
        );
        assert_eq!(
            start_after(Some((7, 12)), &[]),
            from(13),
            "stripe 12 is committed"
        );
        assert_eq!(
            start_after(Some((7, 12)), &[13]),
            from(13),
            "13 locked, not begun"
        );
        assert_eq!(start_after(Some((7, 19)), &[]), from(20), "all committed");
        assert_eq!(
            start_after(Some((7, 4_000)), &[]),
            from(20),
            "a hostile word stays inside"
        );
    }
}
