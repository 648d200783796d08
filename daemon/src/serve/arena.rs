//! The arena as its supervisor holds it: files, journal, lock cells. What the state machine decided is written here.

use std::io;
use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};

use arena_core::files::ArenaFiles;
use arena_core::layout::BlockState;
use arena_core::lifeline::Lifeline;
use arena_core::protocol::Descriptor;
use arena_core::table::{Table, TableError};
use arena_core::{ObjectId, SessionId};

use super::journal;
use super::locks::Locks;
use crate::supervisor::{ObjectRecord, ProcessRecord};

/// Session numbers that are noted as given out ahead of need. A restart skips what is left of them.
const SESSIONS_AHEAD: u64 = 255;

/// The arena that is served.
pub(super) struct ServedArena {
    pub(super) files: ArenaFiles,
    pub(super) locks: Locks,
    table: Table,
    session_floor: u64,
    pub(super) pid_namespace: u64,
}

impl ServedArena {
    pub(super) fn new(
        files: ArenaFiles,
        table: Table,
        locks: Locks,
        session_floor: u64,
        pid_namespace: u64,
    ) -> Self {
        Self {
            files,
            locks,
            table,
            session_floor,
            pid_namespace,
        }
    }

    /// Takes memory for the rows below `rows`, and says how many have some.
    pub(super) fn reserve_rows(&mut self, rows: u32) -> u32 {
        if let Err(error) = self.table.reserve_rows(rows) {
            tracing::error!(%error, rows, "no room for more rows of the object table");
        }
        self.table.rows_reserved()
    }

    /// # Errors
    /// Only where a file system breaks its word: the row was reserved.
    pub(super) fn write_object(&mut self, record: ObjectRecord) -> Result<(), TableError> {
        let index = record.id.index;
        self.table.write_object(index, &journal::object_row(record))
    }

    pub(super) fn clear_object(&mut self, id: ObjectId) {
        self.table.free_object(id.index);
    }

    pub(super) fn write_blocks(&mut self, first_block: u64, states: &[BlockState]) {
        self.table.write_block_states(first_block, states);
    }

    pub(super) fn write_process(&mut self, record: &ProcessRecord) {
        if record.session.0 > self.session_floor {
            self.session_floor = record.session.0 + SESSIONS_AHEAD;
            self.table.write_session_floor(self.session_floor);
        }
        let row = journal::process_row(record, self.pid_namespace);
        self.table.write_process(record.row, &row);
    }

    pub(super) fn clear_process(&mut self, row: u32, session: SessionId) {
        self.table.free_process(row);
        if let Err(error) = Lifeline::remove(&self.files, session) {
            tracing::error!(%error, session = session.0, "a lifeline can't be removed");
        }
    }

    /// Opens the cells of a new shared object. Where the file system has no room for them they stay closed, and who wants to
    /// lock is told so.
    pub(super) fn open_cells(&self, cells: &Range<u32>, generation: u64) {
        match self.files.reserve_cells(cells.clone().into()) {
            Ok(()) => self.locks.open(cells, generation),
            Err(error) => tracing::error!(%error, ?cells, "lock cells can't be opened"),
        }
    }

    /// What a welcome announces, and the supervisor's end of the lifeline if there is one among it.
    pub(super) fn descriptors(
        &self,
        session: SessionId,
        wanted: &[Descriptor],
    ) -> io::Result<(Vec<OwnedFd>, Option<Lifeline>)> {
        let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
        let mut lifeline = None;
        let mut descriptors = Vec::with_capacity(wanted.len());
        for descriptor in wanted {
            descriptors.push(match descriptor {
                Descriptor::Data => own(self.files.data())?,
                Descriptor::Locks => own(self.files.locks())?,
                Descriptor::Lifeline => {
                    let (ours, theirs) = Lifeline::create(&self.files, session)?;
                    lifeline = Some(ours);
                    theirs
                }
            });
        }
        Ok((descriptors, lifeline))
    }
}
