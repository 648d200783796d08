//! The objects: rows with generations, names, and the sums that `stats` tells.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

use arena_core::protocol::{MemoryClasses, Object as ObjectInfo, ObjectState};
use arena_core::{ObjectId, ObjectName};

use super::records::ObjectRecord;

/// An object, from the claim of its bytes to their return.
#[derive(Debug)]
pub(super) struct Object {
    /// As the journal has it, once it is granted.
    pub(super) record: ObjectRecord,
    /// Sessions that look at it.
    pub(super) pins: u32,
    /// Jobs that work on it.
    pub(super) jobs: u32,
    /// Jobs that modify it.
    pub(super) jobs_in_place: u32,
    /// Sessions with a writable window on it.
    pub(super) windows: u32,
    /// Whether it waits for its pages. It is in no journal then and nobody knows its offset.
    pub(super) is_waiting: bool,
    /// Whether its maker can't finish it any more.
    pub(super) is_orphan: bool,
    /// Whether it is from before a restart, so that processes that have not told may look at it.
    pub(super) is_recovered: bool,
}

impl Object {
    pub(super) const fn new(record: ObjectRecord) -> Self {
        Self {
            record,
            pins: 0,
            jobs: 0,
            jobs_in_place: 0,
            windows: 0,
            is_waiting: false,
            is_orphan: false,
            is_recovered: false,
        }
    }

    /// Whether others may find it and work with it.
    pub(super) const fn is_published(&self) -> bool {
        !self.is_waiting && matches!(self.record.state, ObjectState::Sealed | ObjectState::Shared)
    }

    /// Whether its bytes may be given back: it has no future, and no known process or job looks at it. An object without a name
    /// lives as long as somebody looks at it; its maker does from the start.
    pub(super) const fn is_dead(&self) -> bool {
        let is_over = match self.record.state {
            ObjectState::Removed => true,
            ObjectState::Filling | ObjectState::Lingering => self.is_orphan,
            ObjectState::Sealed | ObjectState::Shared => {
                !self.is_waiting && self.record.name.is_none()
            }
        };
        is_over && self.pins == 0 && self.jobs == 0 && self.windows == 0
    }

    /// The lock cells it holds.
    pub(super) fn cells(&self) -> Option<Range<u32>> {
        let stripes = self.record.stripes?;
        Some(stripes.first_cell..stripes.first_cell + stripes.count)
    }

    /// Its bytes without what rounding up takes.
    fn bytes(&self) -> u64 {
        self.record.extent.len + self.record.image.map_or(0, |image| image.len)
    }

    /// As peers see it.
    pub(super) fn info(&self) -> ObjectInfo {
        let record = &self.record;
        let is_named = !matches!(record.state, ObjectState::Removed | ObjectState::Lingering);
        ObjectInfo {
            id: record.id,
            name: record.name.clone().filter(|_| is_named),
            layout: record.layout.clone(),
            extent: record.extent,
            state: record.state,
            stripes: record.stripes,
            image: record.image,
            uid: record.uid,
            pins: self.pins,
        }
    }
}

/// All objects, by row.
#[derive(Debug)]
pub(super) struct Objects {
    rows: Vec<Row>,
    rows_max: u32,
    free: BinaryHeap<Reverse<u32>>,
    names: BTreeMap<ObjectName, u32>,
    sums: Sums,
    count: u32,
    pinned_bytes: u64,
}

#[derive(Debug, Default)]
struct Row {
    generation: u64,
    object: Option<Box<Object>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    filling: u64,
    sealed: u64,
    shared: u64,
    removed: u64,
    lingering: u64,
}

impl Sums {
    fn of(&mut self, state: ObjectState) -> &mut u64 {
        match state {
            ObjectState::Filling => &mut self.filling,
            ObjectState::Sealed => &mut self.sealed,
            ObjectState::Shared => &mut self.shared,
            ObjectState::Removed => &mut self.removed,
            ObjectState::Lingering => &mut self.lingering,
        }
    }
}

impl Objects {
    /// No objects, in a table whose rows were used up to the given generations.
    pub(super) fn new(rows_max: u32, generations: &[u64]) -> Self {
        let rows: Vec<Row> = generations
            .iter()
            .take(rows_max as usize)
            .map(|&generation| Row {
                generation,
                object: None,
            })
            .collect();
        Self {
            rows,
            rows_max,
            free: BinaryHeap::new(),
            names: BTreeMap::new(),
            sums: Sums::default(),
            count: 0,
            pinned_bytes: 0,
        }
    }

    /// Puts an object of before a restart into its row.
    pub(super) fn recover(&mut self, mut object: Object) {
        object.is_recovered = true;
        let index = object.record.id.index;
        while self.rows.len() <= index as usize {
            self.rows.push(Row::default());
        }
        self.rows[index as usize].generation = object.record.id.generation;
        self.put(object);
    }

    /// Finds the free rows, after all recovered objects are in.
    pub(super) fn index_free_rows(&mut self) {
        let is_free = |&index: &u32| self.rows[index as usize].object.is_none();
        self.free = (0..self.rows.len() as u32)
            .filter(is_free)
            .map(Reverse)
            .collect();
    }

    /// The row that the next object gets, if there is one.
    pub(super) fn next_row(&self) -> Option<u32> {
        match self.free.peek() {
            Some(&Reverse(index)) => Some(index),
            None => u32::try_from(self.rows.len())
                .ok()
                .filter(|&len| len < self.rows_max),
        }
    }

    /// The identity of the next object, in the row that `next_row` names.
    pub(super) fn take_id(&mut self) -> Option<ObjectId> {
        let index = self.next_row()?;
        if self.free.pop().is_none() {
            self.rows.push(Row::default());
        }
        let row = &mut self.rows[index as usize];
        row.generation += 1;
        Some(ObjectId {
            index,
            generation: row.generation,
        })
    }

    /// Puts a new object into the row of its id, and reserves its name.
    pub(super) fn insert(&mut self, object: Object) {
        self.put(object);
    }

    fn put(&mut self, object: Object) {
        let index = object.record.id.index;
        *self.sums.of(object.record.state) += object.bytes();
        self.count += 1;
        let owns_name = matches!(
            object.record.state,
            ObjectState::Filling | ObjectState::Sealed | ObjectState::Shared
        );
        if let Some(name) = object.record.name.clone().filter(|_| owns_name) {
            self.names.insert(name, index);
        }
        self.rows[index as usize].object = Some(Box::new(object));
    }

    /// Takes an object out; its row is free.
    pub(super) fn take_out(&mut self, index: u32) -> Option<Box<Object>> {
        self.free_name(index);
        let object = self.rows.get_mut(index as usize)?.object.take()?;
        *self.sums.of(object.record.state) -= object.bytes();
        self.count -= 1;
        self.free.push(Reverse(index));
        Some(object)
    }

    pub(super) fn at(&self, index: u32) -> Option<&Object> {
        self.rows.get(index as usize)?.object.as_deref()
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut Object> {
        self.rows.get_mut(index as usize)?.object.as_deref_mut()
    }

    /// The object with this id, if it is not freed.
    pub(super) fn get(&self, id: ObjectId) -> Option<&Object> {
        self.at(id.index).filter(|object| object.record.id == id)
    }

    /// Whoever has the name, visible or not.
    pub(super) fn named(&self, name: &ObjectName) -> Option<&Object> {
        self.at(*self.names.get(name)?)
    }

    /// Gives the name of an object free for others. The record keeps it.
    pub(super) fn free_name(&mut self, index: u32) {
        let Some(object) = self
            .rows
            .get(index as usize)
            .and_then(|row| row.object.as_deref())
        else {
            return;
        };
        if let Some(name) = &object.record.name
            && self.names.get(name) == Some(&index)
        {
            self.names.remove(name);
        }
    }

    /// Changes an object's record and moves its bytes to the right class.
    pub(super) fn change(&mut self, index: u32, change: impl FnOnce(&mut ObjectRecord)) {
        let Some(object) = self
            .rows
            .get_mut(index as usize)
            .and_then(|row| row.object.as_deref_mut())
        else {
            return;
        };
        *self.sums.of(object.record.state) -= object.bytes();
        change(&mut object.record);
        *self.sums.of(object.record.state) += object.bytes();
    }

    /// One more session looks at it.
    pub(super) fn pin(&mut self, index: u32) {
        if let Some(object) = self.at_mut(index) {
            object.pins += 1;
            if object.pins == 1 {
                self.pinned_bytes += self.at(index).map_or(0, |object| object.record.extent.len);
            }
        }
    }

    /// One session less looks at it.
    pub(super) fn unpin(&mut self, index: u32) {
        if let Some(object) = self.at_mut(index) {
            object.pins -= 1;
            if object.pins == 0 {
                self.pinned_bytes -= self.at(index).map_or(0, |object| object.record.extent.len);
            }
        }
    }

    /// Objects from row `from` on, ascending.
    pub(super) fn rows_from(&self, from: u32) -> impl Iterator<Item = &Object> {
        let rows = self.rows.get(from as usize..).unwrap_or_default();
        rows.iter().filter_map(|row| row.object.as_deref())
    }

    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of objects with a pin.
    pub(super) const fn pinned_bytes(&self) -> u64 {
        self.pinned_bytes
    }

    /// The classes of bytes that objects take.
    pub(super) fn classes(&self) -> MemoryClasses {
        MemoryClasses {
            filling_bytes: self.sums.filling,
            sealed_bytes: self.sums.sealed,
            shared_bytes: self.sums.shared,
            removed_bytes: self.sums.removed,
            lingering_bytes: self.sums.lingering,
            ..MemoryClasses::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use arena_core::{ArrayLayout, Dtype, Extent, Offset, SessionId};

    use super::*;

    fn object(id: ObjectId, name: Option<&str>) -> Object {
        Object::new(ObjectRecord {
            id,
            state: ObjectState::Filling,
            layout: ArrayLayout::c_order(Dtype::Uint8, &[100]).unwrap(),
            extent: Extent::new(Offset::ZERO, 100).unwrap(),
            name: name.map(|name| name.parse().unwrap()),
            session: SessionId(1),
            uid: 0,
            stripes: None,
            image: None,
        })
    }

    #[test]
    fn rows_are_reused_with_new_generations() {
        let mut objects = Objects::new(2, &[7]);
        objects.index_free_rows();
        let first = objects.take_id().unwrap();
        assert_eq!((first.index, first.generation), (0, 8));
        objects.insert(object(first, None));
        let second = objects.take_id().unwrap();
        assert_eq!((second.index, second.generation), (1, 1));
        objects.insert(object(second, None));
        assert_eq!(objects.take_id(), None);
        objects.take_out(0);
        assert!(objects.get(first).is_none());
        assert_eq!(objects.take_id().map(|id| id.generation), Some(9));
    }

    #[test]
    fn a_name_belongs_to_one_object() {
        let mut objects = Objects::new(4, &[]);
        let (old, new) = (objects.take_id().unwrap(), objects.take_id().unwrap());
        let name: ObjectName = "a".parse().unwrap();
        objects.insert(object(old, Some("a")));
        objects.free_name(old.index);
        objects.insert(object(new, Some("a")));
        objects.take_out(old.index);
        assert_eq!(
            objects.named(&name).map(|object| object.record.id),
            Some(new)
        );
    }

    #[test]
    fn sums_follow_states_and_pins() {
        let mut objects = Objects::new(4, &[]);
        let id = objects.take_id().unwrap();
        objects.insert(object(id, None));
        objects.change(id.index, |record| record.state = ObjectState::Sealed);
        assert_eq!(objects.classes().sealed_bytes, 100);
        objects.pin(id.index);
        objects.pin(id.index);
        assert_eq!(objects.pinned_bytes(), 100);
        objects.unpin(id.index);
        objects.unpin(id.index);
        assert_eq!(objects.pinned_bytes(), 0);
        objects.take_out(id.index);
        assert_eq!(objects.classes().total_bytes(), 0);
    }
}
