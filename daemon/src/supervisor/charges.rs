//! Who is charged for which bytes: the session that made an object as long as it exists, and its uid until the object is freed.

use arena_core::SessionId;
use arena_core::placement::footprint;
use arena_core::protocol::{Charge, Holder};

use super::machine::Supervisor;
use super::objects::Object;

/// Holders that a full arena names.
const HOLDERS_MAX: usize = 3;

/// What an object takes, with what rounding up takes.
pub(super) fn charged_bytes(object: &Object) -> u64 {
    footprint(object.record.extent.len)
        + object.record.image.map_or(0, |image| footprint(image.len))
}

impl Supervisor {
    pub(super) fn charge(&mut self, object: &Object) {
        let bytes = charged_bytes(object);
        if let Some(session) = self.sessions.get_mut(&object.record.session) {
            session.made.insert(object.record.id.index);
            session.bytes += bytes;
        }
        let of_uid = self.by_uid.entry(object.record.uid).or_insert(Charge {
            holder: u64::from(object.record.uid),
            bytes: 0,
            objects: 0,
        });
        of_uid.bytes += bytes;
        of_uid.objects += 1;
    }

    pub(super) fn discharge(&mut self, object: &Object) {
        self.discharge_bytes(
            object.record.session,
            object.record.uid,
            charged_bytes(object),
        );
        if let Some(session) = self.sessions.get_mut(&object.record.session) {
            session.made.remove(&object.record.id.index);
        }
        if let Some(of_uid) = self.by_uid.get_mut(&object.record.uid) {
            of_uid.objects -= 1;
            if of_uid.objects == 0 {
                self.by_uid.remove(&object.record.uid);
            }
        }
    }

    /// Returns a part of an object's bytes.
    pub(super) fn discharge_bytes(&mut self, session: SessionId, uid: u32, bytes: u64) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.bytes -= bytes;
        }
        if let Some(of_uid) = self.by_uid.get_mut(&uid) {
            of_uid.bytes -= bytes;
        }
    }

    /// The sessions that hold most.
    pub(super) fn largest_holders(&self) -> Vec<Holder> {
        let mut holders: Vec<Holder> = self
            .sessions
            .values()
            .filter(|session| session.bytes > 0)
            .map(|session| Holder {
                session: session.id,
                pid: session.peer.pid,
                bytes: session.bytes,
            })
            .collect();
        holders.sort_by_key(|holder| (std::cmp::Reverse(holder.bytes), holder.session));
        holders.truncate(HOLDERS_MAX);
        holders
    }
}
