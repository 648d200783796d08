//! The supervisor's start: from the journal of an arena, fresh or left by a supervisor that was killed.
//!
//! A process of before may still look at any object that was there, and write through windows and locks that no journal knows. So
//! as long as one of them has neither come back nor ended, nothing is reused that was not plainly free, no slot is swept
//! whose holder lives, and no shared object is sealed. What is left of unsealed objects goes with their makers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use arena_core::alloc::RebuildError;
use arena_core::protocol::{Counters, ObjectState};
use arena_core::{Extent, ObjectId, SessionId};

use super::cells::Cells;
use super::effect::Effect;
use super::groomer::Groomer;
use super::machine::{Conn, ConnRole, Phase, Supervisor};
use super::memory::Memory;
use super::moment::Moment;
use super::objects::{Object, Objects};
use super::policy::Policy;
use super::process_rows::ProcessRows;
use super::queue::Queue;
use super::rates::Rates;
use super::records::{Identity, ObjectRecord, Recovered, Role, Survivor};
use super::session::Session;
use super::slots::Slots;
use super::timers::Timers;
use super::worker::Workers;

/// A journal that makes no arena.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The extents of its objects don't fit together.
    #[error("the object table is damaged: {0}")]
    Extents(#[from] RebuildError),
    /// Two rows have one id, or a row is out of range.
    #[error("the object table is damaged: object {0} is there twice or out of range")]
    Row(ObjectId),
}

impl Supervisor {
    /// Takes an arena over. The effects start the children and sweep up after whoever died meanwhile.
    ///
    /// # Errors
    /// [`RecoverError`] where the journal can't be; nothing was done then.
    pub fn new(
        policy: Policy,
        identity: Identity,
        recovered: Recovered,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) -> Result<Self, RecoverError> {
        check_rows(&identity, &recovered.objects)?;
        let extents: Vec<Extent> = recovered
            .objects
            .iter()
            .flat_map(|record| [Some(record.extent), record.image])
            .flatten()
            .filter(|extent| extent.len > 0)
            .collect();
        let memory = Memory::recover(identity.arena.bytes, &recovered.blocks, &extents)?;
        let rows: BTreeSet<u32> = recovered
            .processes
            .iter()
            .map(|survivor| survivor.record.row)
            .collect();
        let mut supervisor = Self {
            policy,
            started: now,
            now,
            out: Vec::new(),
            conns: BTreeMap::new(),
            sessions: BTreeMap::new(),
            next_session: recovered.first_session.0,
            process_rows: ProcessRows::new(identity.geometry.process_rows, &rows),
            objects: Objects::new(identity.geometry.object_rows, &recovered.generations),
            rows_reserved: 0,
            memory,
            cells: Cells::new(identity.geometry.cells),
            slots: Slots::new(),
            allocations: BTreeMap::new(),
            next_allocation: 1,
            last_allocation: now,
            groomer: Groomer::new(),
            workers: Workers::new(),
            jobs: BTreeMap::new(),
            live_jobs: 0,
            next_job: 1,
            next_task: 1,
            queue: Queue::default(),
            rates: Rates::default(),
            timers: Timers::default(),
            asked: VecDeque::new(),
            counters: Counters::default(),
            by_uid: BTreeMap::new(),
            blind: 0,
            held: BTreeSet::new(),
            phase: Phase::Serving,
            had_client: false,
            was_ready: false,
            identity,
        };
        supervisor.take_over(recovered);
        effects.append(&mut supervisor.out);
        Ok(supervisor)
    }

    fn take_over(&mut self, recovered: Recovered) {
        for survivor in &recovered.processes {
            self.recover_process(survivor);
        }
        let indices: Vec<u32> = recovered
            .objects
            .iter()
            .map(|record| record.id.index)
            .collect();
        for record in recovered.objects {
            self.recover_object(record);
        }
        self.objects.index_free_rows();
        if self.blind > 0 {
            self.close_free_cells();
        }
        for index in indices {
            self.settle_object(index);
        }
        for survivor in &recovered.processes {
            self.settle_process(survivor);
        }
        self.staff();
        self.start_groomer();
    }

    fn recover_process(&mut self, survivor: &Survivor) {
        let Survivor { record, conn, .. } = *survivor;
        let mut session = Session::new(record.session, conn, record.peer, record.row, self.now);
        session.role = record.role;
        session.slot = record.slot;
        session.is_open = false;
        session.is_blind = true;
        session.has_lifeline = survivor.lifeline_held && record.role == Role::Client;
        if let Some(slot) = record.slot {
            self.slots.occupy(slot);
        }
        self.blind += 1;
        let role = match record.role {
            Role::Client => ConnRole::Client(record.session),
            Role::Worker | Role::Groomer => ConnRole::Leftover(record.session),
        };
        if record.role == Role::Groomer {
            self.groomer.leftovers += 1;
        }
        self.conns.insert(
            conn,
            Conn {
                peer: record.peer,
                role,
            },
        );
        self.sessions.insert(record.session, session);
    }

    fn recover_object(&mut self, record: ObjectRecord) {
        let object = Object::new(record);
        if let Some(cells) = object.cells() {
            self.cells.occupy(cells);
        }
        self.charge(&object);
        self.objects.recover(object);
    }

    /// A kill may have come between the row that says sealed and the closing of the cells.
    fn close_free_cells(&mut self) {
        let mut start = 0;
        let mut gaps = Vec::new();
        for used in self.cells.in_use() {
            gaps.push(start..used.start);
            start = used.end;
        }
        gaps.push(start..self.identity.geometry.cells);
        for cells in gaps.into_iter().filter(|gap| !gap.is_empty()) {
            self.out.push(Effect::CloseCells { cells });
        }
    }

    fn settle_object(&mut self, index: u32) {
        let Some(object) = self.objects.at(index) else {
            return;
        };
        if !self.sessions.contains_key(&object.record.session) {
            self.orphan(index);
        } else if object.record.state == ObjectState::Removed {
            self.free_if_dead(index);
        }
    }

    fn settle_process(&mut self, survivor: &Survivor) {
        let id: SessionId = survivor.record.session;
        if !survivor.alive {
            self.session_gone(id);
        } else if survivor.record.role != Role::Client {
            self.out.push(Effect::Kill {
                conn: survivor.conn,
            });
        }
    }
}

fn check_rows(identity: &Identity, records: &[ObjectRecord]) -> Result<(), RecoverError> {
    let mut seen = BTreeSet::new();
    for record in records {
        let id = record.id;
        if id.index >= identity.geometry.object_rows || !seen.insert(id.index) {
            return Err(RecoverError::Row(id));
        }
    }
    Ok(())
}
