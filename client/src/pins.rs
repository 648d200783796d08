//! Which objects this process looks at, as the supervisor counts it.
//!
//! The supervisor counts pins of a session; handles count themselves here. Taking the last handle's pins back is the only
//! message. While a connection is made anew, the pins that it declares are a snapshot: what is let go meanwhile is taken back
//! once the new connection stands. Pins that a forked child may rely on are kept after the last handle until no child is left.

use std::collections::HashMap;

use arena_core::ObjectId;

use crate::fork;

/// The objects of one connection's arena.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    entries: HashMap<ObjectId, Entry>,
    released_meanwhile: Option<Vec<ObjectId>>,
    /// Entries without handles.
    kept: Vec<ObjectId>,
    /// Which connection the entries belong to.
    epoch: u64,
}

#[derive(Debug, Default)]
struct Entry {
    handles: usize,
    pins: usize,
    /// How many forks there had been when the first handle came.
    born: u64,
}

impl Pins {
    /// A reply on connection `epoch` granted a pin to a new handle. False where that connection is being replaced: the pin was
    /// not declared on the next one, so the reply is as good as lost.
    #[must_use]
    pub(crate) fn granted(&mut self, object: ObjectId, epoch: u64) -> bool {
        if epoch != self.epoch {
            return false;
        }
        let entry = self.entries.entry(object).or_insert_with(|| Entry {
            born: fork::forks(),
            ..Entry::default()
        });
        entry.handles += 1;
        entry.pins += 1;
        true
    }

    /// A handle ended. Returns the pins to take back.
    pub(crate) fn released(&mut self, object: ObjectId) -> Vec<ObjectId> {
        let Some(entry) = self.entries.get_mut(&object) else {
            return Vec::new();
        };
        entry.handles -= 1;
        if entry.handles == 0 {
            self.kept.push(object);
        }
        self.collect(fork::may_let_go)
    }

    /// The object was given up, and its only pin with it.
    pub(crate) fn forget(&mut self, object: ObjectId) {
        self.entries.remove(&object);
    }

    /// Lets go of what has no handle and no forked child that may look at it. Returns the pins to take back.
    pub(crate) fn collect(&mut self, may_let_go: impl Fn(u64) -> bool) -> Vec<ObjectId> {
        let mut returned = Vec::new();
        let entries = &mut self.entries;
        self.kept.retain(|object| match entries.get(object) {
            Some(entry) if entry.handles == 0 && may_let_go(entry.born) => {
                returned.extend(std::iter::repeat_n(*object, entry.pins));
                entries.remove(object);
                false
            }
            Some(entry) => entry.handles == 0,
            None => false,
        });
        match &mut self.released_meanwhile {
            Some(later) => {
                // The snapshot declares each object once.
                returned.dedup();
                later.append(&mut returned);
                Vec::new()
            }
            None => returned,
        }
    }

    /// The objects to declare on a new connection.
    pub(crate) fn begin_resume(&mut self) -> Vec<ObjectId> {
        self.epoch += 1;
        self.released_meanwhile = Some(Vec::new());
        self.entries.keys().copied().collect()
    }

    /// The number of the connection that is current, or being made.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The new connection stands, each declared object with one pin. Returns the pins to take back.
    pub(crate) fn resumed(&mut self) -> Vec<ObjectId> {
        for entry in self.entries.values_mut() {
            entry.pins = 1;
        }
        self.released_meanwhile.take().unwrap_or_default()
    }

    /// No new connection came about.
    pub(crate) fn resume_failed(&mut self) {
        self.released_meanwhile = None;
    }

    /// The new connection is to another arena: what is held of the old one is mapped, and pinned nowhere.
    pub(crate) fn forget_all(&mut self) {
        self.entries.clear();
        self.kept.clear();
        self.released_meanwhile = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(index: u32) -> ObjectId {
        ObjectId {
            index,
            generation: 1,
        }
    }

    #[test]
    fn the_last_handle_takes_all_pins_back() {
        let mut pins = Pins::default();
        assert!(pins.granted(object(1), 0));
        assert!(pins.granted(object(1), 0));
        assert!(pins.released(object(1)).is_empty());
        assert_eq!(pins.released(object(1)), [object(1), object(1)]);
        assert!(pins.released(object(1)).is_empty());
    }

    #[test]
    fn what_a_child_may_see_is_kept_and_declared() {
        let mut pins = Pins::default();
        assert!(pins.granted(object(1), 0));
        pins.entries.get_mut(&object(1)).unwrap().handles = 0;
        pins.kept.push(object(1));
        assert!(pins.collect(|_| false).is_empty());
        assert_eq!(pins.begin_resume(), [object(1)]);
        pins.resume_failed();
        assert_eq!(pins.collect(|_| true), [object(1)]);
        assert!(pins.collect(|_| true).is_empty());
    }

    #[test]
    fn a_new_connection_has_one_pin_an_object() {
        let mut pins = Pins::default();
        for index in [1, 1, 2] {
            assert!(pins.granted(object(index), 0));
        }
        let mut declared = pins.begin_resume();
        declared.sort();
        assert!(!pins.granted(object(3), 0), "the snapshot lacks it");
        assert_eq!(declared, [object(1), object(2)]);
        assert!(pins.released(object(2)).is_empty());
        assert_eq!(pins.resumed(), [object(2)]);
        assert!(pins.released(object(1)).is_empty());
        assert_eq!(pins.released(object(1)), [object(1)]);
    }
}
