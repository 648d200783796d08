//! The table file: what a restart finds. Every write is checked against what must hold at that instruction, because the
//! supervisor may be killed behind any of them.

use std::collections::BTreeMap;
use std::ops::Range;

use arena_core::layout::BlockState;
use arena_core::offset::BLOCK_BYTES;
use arena_core::placement::footprint;
use arena_core::protocol::ObjectState;
use arena_core::{Extent, ObjectId};
use arenad::supervisor::{ObjectRecord, ProcessRecord};

#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) objects: BTreeMap<u32, ObjectRecord>,
    pub(crate) generations: Vec<u64>,
    pub(crate) blocks: Vec<BlockState>,
    pub(crate) processes: BTreeMap<u32, ProcessRecord>,
    pub(crate) rows_reserved: u32,
}

impl Journal {
    pub(crate) fn new(blocks: usize) -> Self {
        Self {
            objects: BTreeMap::new(),
            generations: Vec::new(),
            blocks: vec![BlockState::Cold; blocks],
            processes: BTreeMap::new(),
            rows_reserved: 0,
        }
    }

    pub(crate) fn get(&self, id: ObjectId) -> Option<&ObjectRecord> {
        self.objects.get(&id.index).filter(|record| record.id == id)
    }

    /// Writes a row; returns whether it is a new object's.
    pub(crate) fn write_object(&mut self, record: ObjectRecord) -> bool {
        let index = record.id.index;
        assert!(
            index < self.rows_reserved,
            "row {index} is written without memory"
        );
        if self.generations.len() <= index as usize {
            self.generations.resize(index as usize + 1, 0);
        }
        let highest = &mut self.generations[index as usize];
        let before = self.objects.get(&index);
        let is_new = before.is_none_or(|before| before.id != record.id);
        if is_new {
            assert!(
                before.is_none(),
                "{:?} is written over {before:?}",
                record.id
            );
            assert!(
                record.id.generation > *highest,
                "generation {} is used twice",
                record.id
            );
            *highest = record.id.generation;
            self.check_grant(&record);
        } else if let Some(before) = before {
            assert_eq!(
                before.name, record.name,
                "a row keeps the name it was made with"
            );
            assert_eq!(before.extent, record.extent);
            assert_eq!(before.layout, record.layout);
            assert_eq!(before.uid, record.uid);
        }
        self.objects.insert(index, record);
        is_new
    }

    /// A new row's bytes are nobody else's and have pages; its published name is its alone.
    fn check_grant(&self, record: &ObjectRecord) {
        for extent in extents_of(record) {
            for other in self.objects.values() {
                for taken in extents_of(other) {
                    assert!(
                        !extent.overlaps(taken),
                        "{:?} overlaps {:?}",
                        record.id,
                        other.id
                    );
                }
            }
            for block in blocks_of(extent) {
                let state = self.blocks[block as usize];
                assert!(
                    state.is_warm(),
                    "{:?} is granted cold block {block}",
                    record.id
                );
            }
        }
        let is_published = |record: &ObjectRecord| {
            matches!(
                record.state,
                ObjectState::Filling | ObjectState::Sealed | ObjectState::Shared
            )
        };
        let same_name = |other: &&ObjectRecord| {
            is_published(other) && other.name.is_some() && other.name == record.name
        };
        assert!(
            !self.objects.values().any(|other| same_name(&other)),
            "a name is given twice"
        );
    }

    pub(crate) fn clear_object(&mut self, id: ObjectId) {
        let cleared = self.objects.remove(&id.index);
        assert_eq!(
            cleared.map(|record| record.id),
            Some(id),
            "an empty row is cleared"
        );
    }

    pub(crate) fn write_process(&mut self, record: ProcessRecord) {
        if let Some(slot) = record.slot {
            let same_slot =
                |other: &&ProcessRecord| other.row != record.row && other.slot == Some(slot);
            let other = self.processes.values().find(same_slot);
            assert!(
                other.is_none(),
                "slot {slot} is in two rows: {other:?} and {record:?}"
            );
        }
        if let Some(before) = self.processes.get(&record.row) {
            assert_eq!(
                before.session, record.session,
                "a row in use is overwritten"
            );
        }
        self.processes.insert(record.row, record);
    }

    pub(crate) fn clear_process(&mut self, row: u32) {
        assert!(
            self.processes.remove(&row).is_some(),
            "an empty process row is cleared"
        );
    }

    pub(crate) fn write_blocks(&mut self, first: u64, states: &[BlockState]) {
        for (block, &state) in (first..).zip(states) {
            if state == BlockState::Cold {
                self.check_nobody_has(block);
            }
            self.blocks[block as usize] = state;
        }
    }

    pub(crate) fn check_nobody_has(&self, block: u64) {
        for record in self.objects.values() {
            for extent in extents_of(record) {
                assert!(
                    !blocks_of(extent).contains(&block),
                    "block {block} is touched under {:?}",
                    record.id
                );
            }
        }
    }
}

/// The bytes that a row takes, as far as they may not overlap others'.
pub(crate) fn extents_of(record: &ObjectRecord) -> impl Iterator<Item = Extent> {
    let whole = |extent: Extent| Extent {
        offset: extent.offset,
        len: footprint(extent.len),
    };
    [Some(record.extent), record.image]
        .into_iter()
        .flatten()
        .map(whole)
}

pub(crate) fn blocks_of(extent: Extent) -> Range<u64> {
    if extent.len == 0 {
        return 0..0;
    }
    extent.offset.get() / BLOCK_BYTES..extent.end().get().div_ceil(BLOCK_BYTES)
}
