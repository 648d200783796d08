//! The supervisor's view of the table file: the journal from which a restart recovers.
//!
//! The supervisor is the only writer and may be killed between any two stores. A row is written like this:
//!
//! | step | state word | what a kill behind it leaves |
//! |---|---|---|
//! | new row, 1 | `WRITING` | a free row: nothing of the new object was published |
//! | new row, 2 | the same, body stored | the same |
//! | new row, 3 | state, half 0, checksum (Release) | the new row |
//! | change, 1 | unchanged, the other half stored | the old row |
//! | change, 2 | state, other half, checksum (Release) | the changed row |
//! | free | `FREE`, checksum of the generation (Release) | a free row that keeps its generation |
//!
//! What the states mean to the loader: `FILLING` never survives a restart, `SEALED` and `SHARED` do, `REMOVED` and `LINGERING`
//! keep their extents until nobody can see them any more. Those are decisions of the supervisor: the loader reports the rows.
//!
//! The body's stores are ordered before the state word by its Release, behind `WRITING` by a Release fence: a killed process
//! retires its stores in program order, so the compiler's order is all that matters, and the loader runs after that process's
//! end has been observed through the file lock.
//!
//! The file is sparse. Memory for the header, the block states and the process rows is reserved at creation; object rows are
//! reserved in chunks as they come into use, so that a full file system is an error of [`Table::write_object`] and never a
//! SIGBUS.

mod conflicts;
mod error;
mod load;
mod objects;
mod words;

pub use error::{Damage, TableError};
pub use load::{LoadedObject, Recovered};

use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};

use rustix::io::Errno;

use crate::layout::{
    ArenaIdentity, BlockState, Geometry, Header, ObjectRow, ObjectState, ProcessRow, READY,
    RawObject, RawProcess, WRITING, checked_counter,
};
use words::Words;

/// Object rows are reserved so many at a time: 64 KiB.
const ROWS_PER_CHUNK: u32 = 128;

/// What the supervisor remembers of a row in use, so that it need not believe the file.
#[derive(Clone, Copy, Default)]
struct Shadow {
    /// Zero where the row is free.
    generation: u64,
    half: u8,
}

/// The mapped table file.
pub struct Table {
    file: OwnedFd,
    words: Words,
    geometry: Geometry,
    objects: Vec<Shadow>,
    processes: Vec<Shadow>,
    /// Object rows below this have memory.
    rows_reserved: u32,
}

impl Table {
    /// Lays out a new table in `file`, which has the right size and holds only zeros. The ready word is written last.
    ///
    /// # Errors
    /// [`TableError::Full`] and [`TableError::Io`].
    pub fn create(
        file: OwnedFd,
        identity: &ArenaIdentity,
        geometry: Geometry,
    ) -> Result<Self, TableError> {
        reserve(&file, 0, geometry.objects_offset())?;
        let mut table = Self::map(file, geometry)?;
        let mut header = Header::new(identity, geometry);
        header.incarnation = checked_counter(1);
        header.session_floor = checked_counter(0);
        let words: &[u64] = bytemuck::cast_slice(std::slice::from_ref(&header));
        table.store_words(8, &words[1..]);
        // Release: whoever finds the arena ready finds its header.
        table.words.store(0, READY, Ordering::Release);
        table.rows_reserved = 0;
        Ok(table)
    }

    fn map(file: OwnedFd, geometry: Geometry) -> Result<Self, TableError> {
        let words = Words::map(&file).map_err(|source| TableError::Io {
            action: "map",
            source,
        })?;
        Ok(Self {
            file,
            words,
            geometry,
            objects: Vec::new(),
            processes: vec![Shadow::default(); geometry.process_rows() as usize],
            rows_reserved: 0,
        })
    }

    /// The sizes that the arena was created with.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// How many object rows have memory.
    #[must_use]
    pub const fn rows_reserved(&self) -> u32 {
        self.rows_reserved
    }

    /// The addresses of the mapped file, which stay as long as the table.
    #[must_use]
    pub fn addresses(&self) -> Range<usize> {
        self.words.addresses()
    }

    /// Writes an object row: a new generation, or a change of state, session, cells, image or flags of the one that is there.
    ///
    /// # Errors
    /// [`TableError::Full`] where the file system has no room for the row; nothing was written then. Rows that were written
    /// before never fail.
    ///
    /// # Panics
    /// Where `index` is out of range or the state is [`ObjectState::Free`]: mistakes of the caller.
    pub fn write_object(&mut self, index: u32, row: &ObjectRow) -> Result<(), TableError> {
        assert!(index < self.geometry.object_rows() && row.state != ObjectState::Free);
        self.reserve_rows(index + 1)?;
        let shadow = self.objects[index as usize];
        let fixed = RawObject::fixed_of(row);
        let twin = RawObject::twin_of(row);
        let is_change = shadow.generation == row.generation;
        let half = if is_change {
            1 - usize::from(shadow.half)
        } else {
            0
        };
        let base = self.geometry.object_offset(index);
        if !is_change {
            self.open_row(base);
            let fixed_at = base + std::mem::offset_of!(RawObject, fixed) as u64;
            self.store_words(fixed_at, bytemuck::cast_slice(std::slice::from_ref(&fixed)));
        }
        let twin_at = std::mem::offset_of!(RawObject, twins) + half * size_of_val(&twin);
        self.store_words(
            base + twin_at as u64,
            bytemuck::cast_slice(std::slice::from_ref(&twin)),
        );
        let word = RawObject::used_word(index, row.state, half, &fixed, &twin);
        self.close_row(base, word);
        self.objects[index as usize] = Shadow {
            generation: row.generation,
            half: half as u8,
        };
        Ok(())
    }

    /// Frees an object row. Its generation stays in the file.
    ///
    /// # Panics
    /// Where the row is not in use: a mistake of the caller.
    pub fn free_object(&mut self, index: u32) {
        let shadow = std::mem::take(&mut self.objects[index as usize]);
        assert!(shadow.generation > 0, "a row in use is freed");
        let word = RawObject::free_word(index, shadow.generation);
        self.close_row(self.geometry.object_offset(index), word);
    }

    /// Writes a process row: a new process, or a change of what is known of it.
    ///
    /// # Panics
    /// Where `index` is out of range: a mistake of the caller.
    pub fn write_process(&mut self, index: u32, row: &ProcessRow) {
        let shadow = self.processes[index as usize];
        let twin = RawProcess::twin_of(row);
        let is_change = shadow.generation != 0;
        let half = if is_change {
            1 - usize::from(shadow.half)
        } else {
            0
        };
        let base = self.geometry.process_offset(index);
        if !is_change {
            self.open_row(base);
        }
        let twin_at = std::mem::offset_of!(RawProcess, twins) + half * size_of_val(&twin);
        self.store_words(
            base + twin_at as u64,
            bytemuck::cast_slice(std::slice::from_ref(&twin)),
        );
        self.close_row(base, RawProcess::used_word(index, half, &twin));
        self.processes[index as usize] = Shadow {
            generation: 1,
            half: half as u8,
        };
    }

    /// Frees a process row; free ones may be freed again.
    ///
    /// # Panics
    /// Where `index` is out of range: a mistake of the caller.
    pub fn free_process(&mut self, index: u32) {
        self.processes[index as usize] = Shadow::default();
        self.close_row(
            self.geometry.process_offset(index),
            RawProcess::free_word(index),
        );
    }

    /// Writes the states of the blocks from `first` on.
    ///
    /// # Panics
    /// Where a block is out of range: a mistake of the caller.
    pub fn write_block_states(&self, first: u64, states: &[BlockState]) {
        let end = first.checked_add(states.len() as u64);
        assert!(end.is_some_and(|end| end <= self.geometry.block_count()));
        for (at, &state) in (self.geometry.blocks_offset() + first..).zip(states) {
            // A hint: a restart compares it with the file system.
            self.words.store_byte(at, state as u8);
        }
    }

    /// Notes that sessions up to `floor` have been given out.
    ///
    /// # Panics
    /// Where `floor` is 2^48 or more.
    pub fn write_session_floor(&self, floor: u64) {
        let at = std::mem::offset_of!(Header, session_floor) as u64;
        self.words
            .store(at, checked_counter(floor), Ordering::Release);
    }

    fn write_incarnation(&self, incarnation: u64) {
        let at = std::mem::offset_of!(Header, incarnation) as u64;
        self.words
            .store(at, checked_counter(incarnation), Ordering::Release);
    }

    /// Marks a row as being written, before its body changes.
    fn open_row(&self, base: u64) {
        self.words.store(base, WRITING, Ordering::Relaxed);
        // Release fence: the mark is stored before the body.
        fence(Ordering::Release);
    }

    /// Publishes a row, after its body.
    fn close_row(&self, base: u64, word: u64) {
        // Release: the body is stored before the word that makes it valid.
        self.words.store(base, word, Ordering::Release);
    }

    fn store_words(&self, offset: u64, words: &[u64]) {
        for (at, &word) in (offset..).step_by(8).zip(words) {
            self.words.store(at, word, Ordering::Relaxed);
        }
    }

    /// Takes memory for the object rows below `rows`, and some more, so that writing them does not fail.
    ///
    /// # Errors
    /// [`TableError::Full`] where the file system has no room.
    pub fn reserve_rows(&mut self, rows: u32) -> Result<(), TableError> {
        let rows = rows.min(self.geometry.object_rows());
        if rows <= self.rows_reserved {
            return Ok(());
        }
        let end = rows.next_multiple_of(ROWS_PER_CHUNK);
        let end = end.min(self.geometry.object_rows());
        let from = self.geometry.object_offset(self.rows_reserved);
        reserve(&self.file, from, self.geometry.object_offset(end) - from)?;
        self.objects.resize(end as usize, Shadow::default());
        self.rows_reserved = end;
        Ok(())
    }
}

/// Takes memory of the file system for a part of `file`, so that no store into it can fail.
fn reserve(file: impl AsFd, offset: u64, len: u64) -> Result<(), TableError> {
    crate::files::reserve(file, offset, len).map_err(|errno| match errno {
        Errno::NOSPC | Errno::DQUOT => TableError::Full,
        _ => TableError::Io {
            action: "reserve room in",
            source: errno.into(),
        },
    })
}

#[cfg(test)]
mod tests;
