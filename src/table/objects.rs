//! Reading the object rows: only those that have memory, and a bounded number at a time.

use std::os::fd::OwnedFd;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::load::{io, read_range};
use super::{Damage, LoadedObject, TableError};
use crate::layout::{DecodedObject, Geometry, RawObject, RowError};
use crate::name::ArenaName;

const ROW_BYTES: u64 = size_of::<RawObject>() as u64;

/// Rows are read so many at a time: 128 KiB, which stay in the cache until they are checked.
const ROWS_PER_READ: u32 = 256;

/// What the object rows of a file hold.
#[derive(Default)]
pub(super) struct LoadedRows {
    pub(super) objects: Vec<LoadedObject>,
    pub(super) halves: Vec<u8>,
    pub(super) generations: Vec<(u32, u64)>,
    /// Behind the last row that has memory.
    pub(super) rows_end: u32,
}

/// Reads the object rows that have memory.
pub(super) fn load_objects(
    file: &OwnedFd,
    geometry: Geometry,
    name: &ArenaName,
) -> Result<LoadedRows, TableError> {
    let mut loaded = LoadedRows::default();
    let mut at = geometry.objects_offset();
    while let Some((start, end)) = next_data(file, at, geometry.table_bytes())? {
        at = end;
        let row_of = |offset: u64| {
            let row = (offset - geometry.objects_offset()) / ROW_BYTES;
            u32::try_from(row).map_or(geometry.object_rows(), |row| {
                row.min(geometry.object_rows())
            })
        };
        let first = row_of(start).max(loaded.rows_end);
        let rows_end = row_of(end.next_multiple_of(ROW_BYTES));
        for first in (first..rows_end).step_by(ROWS_PER_READ as usize) {
            let count = ROWS_PER_READ.min(rows_end - first);
            loaded
                .read(file, first, count, geometry)
                .map_err(|error| match error {
                    ReadError::Table(error) => error,
                    ReadError::Row(row, error) => TableError::Damaged {
                        damage: Damage::Object { row, error },
                        arena: name.clone(),
                    },
                })?;
        }
        loaded.rows_end = loaded.rows_end.max(rows_end);
    }
    Ok(loaded)
}

enum ReadError {
    Table(TableError),
    Row(u32, RowError),
}

impl LoadedRows {
    fn read(
        &mut self,
        file: &OwnedFd,
        first: u32,
        count: u32,
        geometry: Geometry,
    ) -> Result<(), ReadError> {
        let len = count as usize * size_of::<RawObject>();
        let bytes =
            read_range(file, geometry.object_offset(first), len).map_err(ReadError::Table)?;
        for (row, raw) in (first..).zip(bytes.chunks_exact(size_of::<RawObject>())) {
            self.decode(row, raw, geometry)
                .map_err(|error| ReadError::Row(row, error))?;
        }
        Ok(())
    }

    fn decode(&mut self, index: u32, raw: &[u8], geometry: Geometry) -> Result<(), RowError> {
        let raw: RawObject = bytemuck::pod_read_unaligned(raw);
        match raw.decode(index, geometry)? {
            DecodedObject::Unused => {}
            DecodedObject::Free { generation } => self.generations.push((index, generation)),
            DecodedObject::Used { row, half } => {
                self.objects.push(LoadedObject { index, row: *row });
                self.halves.push(half as u8);
            }
        }
        Ok(())
    }
}

/// The next part of the file that has memory, from `at` on and below `end`.
fn next_data(file: &OwnedFd, at: u64, end: u64) -> Result<Option<(u64, u64)>, TableError> {
    if at >= end {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(start) if start < end => start,
        Ok(_) | Err(Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(io("search", errno)),
    };
    let hole =
        rustix::fs::seek(file, SeekFrom::Hole(start)).map_err(|errno| io("search", errno))?;
    Ok(Some((start, hole.min(end))))
}
