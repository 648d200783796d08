//! How long a waiter waits, and whom it has seen in its way since when.

use std::time::Duration;

use super::error::{Blocker, LockError};
use super::waiting::Waiting;

/// One acquire's deadline and what it has seen while it waited. The clock is read at the first obstacle, not before: an
/// uncontended acquire costs no time stamp.
#[derive(Debug)]
pub(super) struct Patience {
    timeout: Duration,
    started_ns: Option<u64>,
    /// The cell that the next two are about. The deadline is about all cells of a range.
    cell: Option<u32>,
    seen: Option<(Blocker, u64)>,
    pending_since_ns: Option<u64>,
}

impl Patience {
    /// Waits `timeout` at most, counted from the first obstacle. Zero asks once and does not wait.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            started_ns: None,
            cell: None,
            seen: None,
            pending_since_ns: None,
        }
    }

    /// Notes who stands in the way of `cell`, and answers how long to sleep at most, or why to give up.
    pub(super) fn obstacle<W: Waiting>(
        &mut self,
        waiting: &W,
        cell: u32,
        blocker: Blocker,
    ) -> Result<Duration, LockError> {
        let now = waiting.now_ns();
        if self.cell.replace(cell) != Some(cell) {
            self.seen = None;
            self.pending_since_ns = None;
        }
        let since = match self.seen {
            Some((seen, since)) if same_holder(seen, blocker) => since,
            _ => now,
        };
        self.seen = Some((blocker, since));
        let started = *self.started_ns.get_or_insert(now);
        let waited = Duration::from_nanos(now.saturating_sub(started));
        if waited >= self.timeout {
            return Err(LockError::TimedOut {
                cell,
                blocker,
                seen: Duration::from_nanos(now.saturating_sub(since)),
                waited,
            });
        }
        if waiting.interrupted() {
            return Err(LockError::Interrupted { cell });
        }
        Ok(waiting.round().min(self.timeout - waited))
    }

    /// Whether a pending writer's hint has bound this reader for a whole round; else how much of the round is left.
    pub(super) fn hint_left<W: Waiting>(&mut self, waiting: &W) -> Option<Duration> {
        let now = waiting.now_ns();
        let since = *self.pending_since_ns.get_or_insert(now);
        let bound = Duration::from_nanos(now.saturating_sub(since));
        waiting
            .round()
            .checked_sub(bound)
            .filter(|left| !left.is_zero())
    }
}

/// A writer that went from draining to granted is still the same holder.
fn same_holder(a: Blocker, b: Blocker) -> bool {
    let entered = matches!(
        (a, b),
        (Blocker::Draining(_), Blocker::Writer(_)) | (Blocker::Writer(_), Blocker::Draining(_))
    );
    a == b || (entered && a.slot() == b.slot())
}
