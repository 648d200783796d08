//! What clients do with objects once they have bytes: seal, give up, look, look away, remove.

use arena_core::protocol::{Failure, ObjectState, Reply, Selector};
use arena_core::{ObjectId, SessionId};

use super::effect::Effect;
use super::machine::Supervisor;
use super::requests::{Handled, busy, no_such_id, wrong_state};

impl Supervisor {
    pub(super) fn seal(&mut self, session: SessionId, request: u64, id: ObjectId) -> Handled {
        let object = self
            .objects
            .get(id)
            .filter(|object| !object.is_waiting)
            .ok_or_else(|| no_such_id(id))?;
        match object.record.state {
            ObjectState::Filling if object.record.session == session => {
                Ok(Some(self.publish_sealed(id.index)))
            }
            ObjectState::Shared => self.seal_shared(session, request, id),
            _ => Err(wrong_state(object, "seal")),
        }
    }

    /// The object is immutable from here on.
    pub(super) fn publish_sealed(&mut self, index: u32) -> Reply {
        self.objects
            .change(index, |record| record.state = ObjectState::Sealed);
        self.write_object(index);
        self.object_reply(index)
    }

    pub(super) fn object_reply(&self, index: u32) -> Reply {
        match self.objects.at(index) {
            Some(object) => Reply::Object(Box::new(object.info())),
            None => Reply::Done,
        }
    }

    pub(super) fn abandon(&mut self, session: SessionId, id: ObjectId) -> Handled {
        let object = self
            .objects
            .get(id)
            .filter(|object| !object.is_waiting)
            .ok_or_else(|| no_such_id(id))?;
        if object.record.state != ObjectState::Filling || object.record.session != session {
            return Err(wrong_state(object, "abandon"));
        }
        if let Some(session) = self.sessions.get_mut(&session)
            && session.pins.remove(&id.index).is_some()
        {
            self.objects.unpin(id.index);
        }
        self.give_up(id.index);
        Ok(Some(Reply::Done))
    }

    /// What was being filled will never be sealed.
    pub(super) fn give_up(&mut self, index: u32) {
        self.objects.free_name(index);
        if let Some(object) = self.objects.at_mut(index) {
            object.is_orphan = true;
        }
        if !self.free_if_dead(index) {
            self.linger(index);
        }
    }

    pub(super) fn get(&mut self, session: SessionId, selector: &Selector) -> Handled {
        let index = self.find(selector, "get")?.record.id.index;
        self.check_pins(session)?;
        self.pin(session, index);
        Ok(Some(self.object_reply(index)))
    }

    /// Whether a session may look at one object more.
    pub(super) fn check_pins(&self, session: SessionId) -> Result<(), Failure> {
        let limit = self.policy.pins_per_session_max;
        match self.sessions.get(&session) {
            Some(session) if session.pins.len() >= limit as usize => {
                Err(busy("pins per session", u64::from(limit)))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn pin(&mut self, session: SessionId, index: u32) {
        if let Some(session) = self.sessions.get_mut(&session) {
            let count = session.pins.entry(index).or_insert(0);
            *count = count.saturating_add(1);
            if *count == 1 {
                self.objects.pin(index);
            }
        }
    }

    pub(super) fn unpin(&mut self, session: SessionId, ids: &[ObjectId]) -> Handled {
        for &id in ids {
            let object = self.objects.get(id).ok_or_else(|| no_such_id(id))?;
            if object.record.state == ObjectState::Filling {
                return Err(wrong_state(object, "unpin (seal or abandon it)"));
            }
            let session = self
                .sessions
                .get_mut(&session)
                .ok_or_else(|| no_such_id(id))?;
            match session.unpin(id.index) {
                None => return Err(no_such_id(id)),
                Some(false) => {}
                Some(true) => {
                    self.objects.unpin(id.index);
                    self.free_if_dead(id.index);
                }
            }
        }
        Ok(Some(Reply::Done))
    }

    pub(super) fn remove(&mut self, selector: &Selector) -> Handled {
        let index = self.find(selector, "remove")?.record.id.index;
        self.unpublish(index);
        Ok(Some(Reply::Done))
    }

    /// Takes a sealed or shared object out of the arena's names; it is freed when nobody looks at it any more.
    pub(super) fn unpublish(&mut self, index: u32) {
        self.objects.free_name(index);
        self.objects
            .change(index, |record| record.state = ObjectState::Removed);
        if !self.free_if_dead(index) {
            self.write_object(index);
        }
    }

    pub(super) fn write_object(&mut self, index: u32) {
        if let Some(object) = self.objects.at(index) {
            let record = Box::new(object.record.clone());
            self.out.push(Effect::WriteObject(record));
        }
    }

    /// Frees an object that has no future and that nobody can look at. Its row is cleared before its bytes can be given again.
    pub(super) fn free_if_dead(&mut self, index: u32) -> bool {
        let Some(object) = self.objects.at(index).filter(|object| object.is_dead()) else {
            return false;
        };
        if object.is_recovered && self.blind > 0 {
            self.held.insert(index);
            return false;
        }
        self.free_object(index);
        true
    }

    /// Gives everything back that an object has.
    pub(super) fn free_object(&mut self, index: u32) {
        let Some(object) = self.objects.take_out(index) else {
            return;
        };
        if !object.is_waiting {
            // The row goes first: a restart closes cells that no row has, and a shared object must not come back with closed
            // ones.
            self.out.push(Effect::ClearObject(object.record.id));
            self.counters.objects_freed += 1;
        }
        if let Some(cells) = object.cells() {
            if !object.is_waiting {
                self.out.push(Effect::CloseCells {
                    cells: cells.clone(),
                });
            }
            self.cells.give_back(&cells);
        }
        self.memory.release(object.record.extent);
        if let Some(image) = object.record.image {
            self.memory.release(image);
        }
        self.discharge(&object);
    }
}
