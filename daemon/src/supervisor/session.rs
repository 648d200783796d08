//! One client's session: what it holds, and which of its ends have come.

use std::collections::{BTreeMap, BTreeSet};

use arena_core::{SessionId, SlotId};

use super::event::{ConnId, Peer};
use super::job::JobId;
use super::moment::Moment;
use super::records::{ProcessRecord, Role};

/// A session, from its hello until nobody can look at anything through it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The connection that speaks for it now.
    pub(super) conn: ConnId,
    pub(super) peer: Peer,
    pub(super) program: String,
    /// A client, or a leftover child of before a restart.
    pub(super) role: Role,
    /// Its row of the process table.
    pub(super) row: u32,
    pub(super) opened: Moment,
    /// The socket.
    pub(super) is_open: bool,
    /// The process, after the sweep of its slot.
    pub(super) is_gone: bool,
    /// The lifeline: whether forked children may still look at what it pinned.
    pub(super) has_lifeline: bool,
    /// Whether it is from before a restart and has not told what it looks at.
    pub(super) is_blind: bool,
    pub(super) slot: Option<SlotId>,
    /// How often it looks at each object, by row.
    pub(super) pins: BTreeMap<u32, u32>,
    /// Shared objects it has a writable window on, by row.
    pub(super) windows: BTreeSet<u32>,
    /// Objects it has made that are not freed, by row.
    pub(super) made: BTreeSet<u32>,
    /// Bytes of these, page-rounded.
    pub(super) bytes: u64,
    /// Requests that wait for something.
    pub(super) in_flight: BTreeSet<(u64, Deferred)>,
    /// Jobs among them.
    pub(super) jobs: u32,
    /// Workers that a kernel of this session killed.
    pub(super) deaths: BTreeMap<&'static str, u32>,
}

/// What a request waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Deferred {
    /// Pages.
    Allocation(u64),
    /// Work.
    Job(JobId),
}

impl Session {
    pub(super) const fn new(
        id: SessionId,
        conn: ConnId,
        peer: Peer,
        row: u32,
        opened: Moment,
    ) -> Self {
        Self {
            id,
            conn,
            peer,
            program: String::new(),
            role: Role::Client,
            row,
            opened,
            is_open: true,
            is_gone: false,
            has_lifeline: true,
            is_blind: false,
            slot: None,
            pins: BTreeMap::new(),
            windows: BTreeSet::new(),
            made: BTreeSet::new(),
            bytes: 0,
            in_flight: BTreeSet::new(),
            jobs: 0,
            deaths: BTreeMap::new(),
        }
    }

    pub(super) const fn process_record(&self) -> ProcessRecord {
        ProcessRecord {
            row: self.row,
            session: self.id,
            role: self.role,
            peer: self.peer,
            slot: self.slot,
        }
    }

    /// What the request with this id waits for.
    pub(super) fn deferred(&self, request: u64) -> Option<Deferred> {
        let mut same_id = self
            .in_flight
            .range((request, Deferred::Allocation(0))..)
            .take_while(|(id, _)| *id == request);
        same_id.next().map(|&(_, deferred)| deferred)
    }

    /// One pin less; whether it was the last one. `None` if there was none.
    pub(super) fn unpin(&mut self, index: u32) -> Option<bool> {
        let count = self.pins.get_mut(&index)?;
        *count -= 1;
        let was_last = *count == 0;
        if was_last {
            self.pins.remove(&index);
        }
        Some(was_last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let peer = Peer {
            pid: 1,
            uid: 2,
            start_time: 4,
        };
        Session::new(SessionId(1), ConnId(1), peer, 0, Moment(0))
    }

    #[test]
    fn requests_without_an_id_may_wait_together() {
        let mut session = session();
        session.in_flight.insert((0, Deferred::Allocation(1)));
        session.in_flight.insert((0, Deferred::Job(JobId(1))));
        session.in_flight.insert((7, Deferred::Job(JobId(2))));
        assert_eq!(session.in_flight.len(), 3);
        assert_eq!(session.deferred(7), Some(Deferred::Job(JobId(2))));
        assert_eq!(session.deferred(6), None);
    }

    #[test]
    fn pins_are_counted() {
        let mut session = session();
        session.pins.insert(5, 2);
        assert_eq!(session.unpin(5), Some(false));
        assert_eq!(session.unpin(5), Some(true));
        assert_eq!(session.unpin(5), None);
    }
}
