//! Shared objects: slots, windows, and the seal that makes one immutable.

use arena_core::placement::footprint;
use arena_core::protocol::{Failure, ObjectState, Reply};
use arena_core::{ObjectId, SessionId, SlotId};

use super::effect::Effect;
use super::machine::{Asked, Supervisor};
use super::requests::{Handled, busy, no_such_id, wrong_state};

impl Supervisor {
    /// The session's slot, given on first request. Its row knows it before the session does, and a slot that a row knows is ready.
    pub(super) fn slot(&mut self, id: SessionId) -> Handled {
        let reserved = self.worker_slots_wanted();
        let Some(session) = self.sessions.get_mut(&id) else {
            return Ok(None);
        };
        let slot = match session.slot {
            Some(slot) => slot,
            None => {
                let taken = self.slots.take_for_client(reserved);
                let slot = taken.ok_or_else(|| busy("slots", SlotId::COUNT as u64))?;
                session.slot = Some(slot);
                self.out.push(Effect::PrepareSlot {
                    slot,
                    incarnation: id.0,
                });
                self.out
                    .push(Effect::WriteProcess(session.process_record()));
                slot
            }
        };
        Ok(Some(Reply::Slot {
            slot,
            incarnation: id.0,
        }))
    }

    pub(super) fn open_window(&mut self, session: SessionId, id: ObjectId) -> Handled {
        let object = self.objects.get(id).ok_or_else(|| no_such_id(id))?;
        if object.record.stripes.is_none() || object.is_waiting {
            return Err(wrong_state(object, "open a window"));
        }
        let looks = self
            .sessions
            .get(&session)
            .is_some_and(|session| session.pins.contains_key(&id.index));
        if !looks {
            return Err(no_such_id(id));
        }
        self.open_window_at(session, id.index);
        Ok(Some(Reply::Done))
    }

    pub(super) fn open_window_at(&mut self, session: SessionId, index: u32) {
        if let Some(session) = self.sessions.get_mut(&session)
            && session.windows.insert(index)
            && let Some(object) = self.objects.at_mut(index)
        {
            object.windows += 1;
        }
    }

    pub(super) fn close_window(&mut self, session: SessionId, id: ObjectId) -> Handled {
        self.objects.get(id).ok_or_else(|| no_such_id(id))?;
        let was_open = self
            .sessions
            .get_mut(&session)
            .is_some_and(|session| session.windows.remove(&id.index));
        if was_open {
            self.close_window_at(id.index);
        }
        Ok(Some(Reply::Done))
    }

    pub(super) fn close_window_at(&mut self, index: u32) {
        if let Some(object) = self.objects.at_mut(index) {
            object.windows -= 1;
            self.free_if_dead(index);
        }
    }

    /// Asks whether the caller holds all stripes; nobody else may have a window, and no job may modify the object.
    pub(super) fn seal_shared(
        &mut self,
        session: SessionId,
        request: u64,
        id: ObjectId,
    ) -> Handled {
        let object = self.objects.get(id).ok_or_else(|| no_such_id(id))?;
        let cells = object.cells().ok_or_else(|| no_such_id(id))?;
        let others = self.sessions_that_may_write(session, id);
        if !others.is_empty() {
            return Err(Failure::StillOpen {
                object: id,
                sessions: others,
            });
        }
        let slot = self.sessions.get(&session).and_then(|session| session.slot);
        let slot = slot.ok_or(Failure::NotLocked {
            object: id,
            stripe: 0,
        })?;
        self.asked.push_back(Asked::Locked {
            session,
            request,
            object: id,
        });
        self.out.push(Effect::CheckLocked { slot, cells });
        Ok(None)
    }

    /// Sessions other than the caller's that have a window on the object, that a job in place runs for, or that have not told
    /// since a restart.
    fn sessions_that_may_write(&self, caller: SessionId, id: ObjectId) -> Vec<SessionId> {
        let Some(object) = self.objects.get(id) else {
            return Vec::new();
        };
        if object.windows == 0 && object.jobs_in_place == 0 && self.blind == 0 {
            return Vec::new();
        }
        let with_window = self.sessions.values().filter(|session| {
            session.id != caller
                && (session.windows.contains(&id.index)
                    || (session.is_blind && object.is_recovered))
        });
        let with_job = self.jobs.values().filter(|job| {
            job.is_in_place() && job.operands.iter().any(|operand| operand.object == id)
        });
        let mut others: Vec<SessionId> = with_window
            .map(|session| session.id)
            .chain(with_job.map(|job| job.session))
            .collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    pub(super) fn locked_by(&mut self, missing: Option<u32>) {
        let Some(Asked::Locked {
            session,
            request,
            object,
        }) = self.asked.pop_front()
        else {
            return;
        };
        let result = match missing {
            Some(cell) => Err(self.not_locked(object, cell)),
            None => Ok(self.freeze(session, object)),
        };
        self.reply(session, request, result);
    }

    fn not_locked(&self, object: ObjectId, cell: u32) -> Failure {
        let first = self
            .objects
            .get(object)
            .and_then(super::objects::Object::cells);
        Failure::NotLocked {
            object,
            stripe: first.map_or(0, |cells| cell.saturating_sub(cells.start)),
        }
    }

    /// Makes a shared object sealed. The journal says so before the cells are closed and given to others.
    fn freeze(&mut self, caller: SessionId, id: ObjectId) -> Reply {
        let Some(object) = self.objects.get(id) else {
            return Reply::Done;
        };
        let (cells, image) = (object.cells(), object.record.image);
        let (session, uid) = (object.record.session, object.record.uid);
        self.objects.change(id.index, |record| {
            record.state = ObjectState::Sealed;
            record.stripes = None;
            record.image = None;
        });
        self.write_object(id.index);
        if let Some(cells) = cells {
            self.out.push(Effect::CloseCells {
                cells: cells.clone(),
            });
            self.cells.give_back(&cells);
        }
        if let Some(image) = image {
            self.memory.release(image);
            self.discharge_bytes(session, uid, footprint(image.len));
        }
        let had_window = self
            .sessions
            .get_mut(&caller)
            .is_some_and(|session| session.windows.remove(&id.index));
        if had_window {
            self.close_window_at(id.index);
        }
        self.object_reply(id.index)
    }
}
