//! Moments at which something is due.

use std::collections::BTreeSet;

use super::effect::Child;
use super::event::ConnId;
use super::job::JobId;
use super::moment::Moment;
use arena_core::SlotId;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// A peer has not said hello.
    Hello(ConnId),
    /// A child has not said hello.
    Start(Child),
    /// A child may be started again.
    Respawn(Child),
    /// A job's deadline.
    Job(JobId),
    /// An allocation has waited too long for its pages.
    Allocation(u64),
    /// A worker goes on with a task that nobody waits for.
    Overrun(SlotId),
    /// Memory was short; grooming ahead may be tried again.
    Groom,
    /// Running work may go on no longer.
    Drain,
    /// Children were told to end and may take no longer.
    End,
}

/// The timers, by moment. Setting and clearing are logarithmic in their number.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Moment, Timer)>,
}

impl Timers {
    pub(super) fn set(&mut self, at: Moment, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub(super) fn clear(&mut self, at: Moment, timer: Timer) {
        self.due.remove(&(at, timer));
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.due.first().map(|&(at, _)| at)
    }

    /// Takes out one timer that is due.
    pub(super) fn pop(&mut self, now: Moment) -> Option<Timer> {
        let &(at, timer) = self.due.first()?;
        (at <= now).then(|| {
            self.due.pop_first();
            timer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_and_not_early() {
        let mut timers = Timers::default();
        timers.set(Moment(20), Timer::Drain);
        timers.set(Moment(10), Timer::Groom);
        timers.set(Moment(15), Timer::End);
        timers.clear(Moment(15), Timer::End);
        assert_eq!(timers.next(), Some(Moment(10)));
        assert_eq!(timers.pop(Moment(9)), None);
        assert_eq!(timers.pop(Moment(30)), Some(Timer::Groom));
        assert_eq!(timers.pop(Moment(30)), Some(Timer::Drain));
        assert_eq!(timers.pop(Moment(30)), None);
    }
}
