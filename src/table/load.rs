//! Reading a table file that somebody else has left.
//!
//! Every byte is hostile. The file is read once into private memory with `pread`, which does not give memory to its holes, and
//! only the copy is checked and used. Whatever a kill of the writer cannot have left is damage and refused, with the row and
//! what to do.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::{Shadow, Table, reserve};
use crate::layout::{
    ArenaIdentity, BlockState, DecodedObject, Geometry, GeometryError, HEADER_SECTION_BYTES,
    Header, LAYOUT_HASH, MAGIC, ObjectRow, ProcessRow, READY, RawObject, RawProcess, RowError,
    VERSION, counter_value,
};
use crate::name::ArenaName;
use crate::placement::footprint;

/// Why a table cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file system has no room for more of the table.
    #[error("the file system that holds the arena's table is full")]
    Full,
    /// A system call failed.
    #[error("cannot {action} the arena's table: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A daemon ended while it made the arena.
    #[error("the arena's creation was interrupted before anything was stored in it")]
    Unfinished,
    /// Another format.
    #[error(
        "the arena was made by {} version of arenad (format {found}, this program reads {VERSION}): serve it with that version, or remove it with: arenactl arena rm {arena}",
        if *.found < VERSION { "an older" } else { "a newer" }
    )]
    Version {
        /// The format's version.
        found: u32,
        /// Which arena.
        arena: ArenaName,
    },
    /// Another layout under the same version.
    #[error(
        "the arena's layout is not this program's although the format version agrees: serve it with the build that made it, or remove it with: arenactl arena rm {arena}"
    )]
    LayoutHash {
        /// Which arena.
        arena: ArenaName,
    },
    /// Made before a reboot.
    #[error(
        "the arena was made before the machine was started anew, so its contents are not complete: remove it with: arenactl arena rm {arena}"
    )]
    StaleBoot {
        /// Which arena.
        arena: ArenaName,
    },
    /// Something that no daemon can have written or left.
    #[error("the arena is damaged: {damage}; remove it with: arenactl arena rm {arena}")]
    Damaged {
        /// What is damaged.
        damage: Damage,
        /// Which arena.
        arena: ArenaName,
    },
}

/// Where a table is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum Damage {
    #[error("the table file has {found} bytes, at least {expected} expected")]
    Size { found: u64, expected: u64 },
    #[error("the table does not begin with the arena magic")]
    Magic,
    #[error("the ready word has no meaning")]
    Ready,
    #[error("the header's checksum does not match")]
    HeaderChecksum,
    #[error("the header's sizes make no arena: {0}")]
    Geometry(#[from] GeometryError),
    #[error("a field of the header is out of range: {0}")]
    HeaderField(&'static str),
    #[error("the header belongs to the arena {0}")]
    OtherArena(ArenaName),
    #[error("the state of block {block} has no meaning: {code:#x}")]
    Block { block: u64, code: u8 },
    #[error("object row {row}: {error}")]
    Object { row: u32, error: RowError },
    #[error("process row {row}: {error}")]
    Process { row: u32, error: RowError },
}

/// A used row of the object table, with its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedObject {
    /// Which row.
    pub index: u32,
    /// What it holds.
    pub row: ObjectRow,
}

/// All that a table file says.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// Who made the arena.
    pub identity: ArenaIdentity,
    /// How many daemons have served the arena, this one included.
    pub incarnation: u64,
    /// Sessions up to this number were given out.
    pub session_floor: u64,
    /// Rows in use, ascending.
    pub objects: Vec<LoadedObject>,
    /// Free rows that were used before, with their last generation.
    pub generations: Vec<(u32, u64)>,
    /// Processes that may still map or lock something, by row.
    pub processes: Vec<(u32, ProcessRow)>,
    /// What was last known of each block.
    pub blocks: Vec<BlockState>,
}

impl Table {
    /// Reads, checks and maps the table in `file`, and counts the incarnation up.
    ///
    /// # Errors
    /// [`TableError`] for whatever stands against serving the arena `name`.
    pub fn load(
        file: OwnedFd,
        name: &ArenaName,
        boot_id: [u8; 16],
    ) -> Result<(Self, Recovered), TableError> {
        let found = file_size(&file)?;
        let header = read_header(&file, found, name)?;
        let (identity, geometry) = check_header(&header, name, boot_id)?;
        let damaged = |damage| TableError::Damaged {
            damage,
            arena: name.clone(),
        };
        if found != geometry.table_bytes() {
            let expected = geometry.table_bytes();
            return Err(damaged(Damage::Size { found, expected }));
        }
        let counter =
            |word, field| counter_value(word).ok_or_else(|| damaged(Damage::HeaderField(field)));
        let incarnation = counter(header.incarnation, "incarnation")? + 1;
        let session_floor = counter(header.session_floor, "session floor")?;
        let blocks = load_blocks(&file, geometry, name)?;
        let processes = load_processes(&file, geometry, name)?;
        let loaded = load_objects(&file, geometry, name)?;
        check_objects(&loaded.objects)
            .map_err(|(row, error)| damaged(Damage::Object { row, error }))?;

        reserve(&file, 0, geometry.objects_offset())?;
        let mut table = Self::map(file, geometry)?;
        table.reserve_rows(loaded.rows_end)?;
        for (object, &half) in loaded.objects.iter().zip(&loaded.halves) {
            table.objects[object.index as usize] = Shadow {
                generation: object.row.generation,
                half,
            };
        }
        for &(index, _, half) in &processes {
            table.processes[index as usize] = Shadow {
                generation: 1,
                half: half as u8,
            };
        }
        table.write_incarnation(incarnation);
        let recovered = Recovered {
            identity,
            incarnation,
            session_floor,
            objects: loaded.objects,
            generations: loaded.generations,
            processes: processes
                .into_iter()
                .map(|(index, row, _)| (index, row))
                .collect(),
            blocks,
        };
        Ok((table, recovered))
    }
}

fn file_size(file: &OwnedFd) -> Result<u64, TableError> {
    let stat = rustix::fs::fstat(file).map_err(|errno| io("look at", errno))?;
    Ok(u64::try_from(stat.st_size).unwrap_or(0))
}

fn io(action: &'static str, errno: Errno) -> TableError {
    TableError::Io {
        action,
        source: errno.into(),
    }
}

/// The header, or why the file has none.
fn read_header(file: &OwnedFd, found: u64, name: &ArenaName) -> Result<Header, TableError> {
    if found == 0 {
        return Err(TableError::Unfinished);
    }
    let damaged = |damage| TableError::Damaged {
        damage,
        arena: name.clone(),
    };
    if found < HEADER_SECTION_BYTES {
        return Err(damaged(Damage::Size {
            found,
            expected: HEADER_SECTION_BYTES,
        }));
    }
    let section = read_range(file, 0, HEADER_SECTION_BYTES as usize)?;
    let (header, rest) = section.split_at(size_of::<Header>());
    let header: Header = bytemuck::pod_read_unaligned(header);
    match header.ready {
        0 => return Err(TableError::Unfinished),
        READY => {}
        _ => return Err(damaged(Damage::Ready)),
    }
    if rest.iter().any(|&byte| byte != 0) {
        return Err(damaged(Damage::HeaderField("reserved bytes")));
    }
    Ok(header)
}

/// Checks the header in an order that gives the most useful refusal.
fn check_header(
    header: &Header,
    name: &ArenaName,
    boot_id: [u8; 16],
) -> Result<(ArenaIdentity, Geometry), TableError> {
    let damaged = |damage| TableError::Damaged {
        damage,
        arena: name.clone(),
    };
    if header.magic != MAGIC {
        return Err(damaged(Damage::Magic));
    }
    if header.version != VERSION {
        return Err(TableError::Version {
            found: header.version,
            arena: name.clone(),
        });
    }
    if header.sum != header.computed_sum() {
        return Err(damaged(Damage::HeaderChecksum));
    }
    if header.layout_hash != LAYOUT_HASH {
        return Err(TableError::LayoutHash {
            arena: name.clone(),
        });
    }
    let geometry = Geometry::new(header.arena_bytes, header.object_rows)
        .map_err(|error| damaged(error.into()))?;
    if !header.agrees_with(geometry) {
        return Err(damaged(Damage::HeaderField(
            "section sizes or reserved bytes",
        )));
    }
    let identity = header
        .identity()
        .ok_or_else(|| damaged(Damage::HeaderField("identity")))?;
    if identity.name != *name {
        return Err(damaged(Damage::OtherArena(identity.name)));
    }
    if identity.boot_id != boot_id {
        return Err(TableError::StaleBoot {
            arena: name.clone(),
        });
    }
    Ok((identity, geometry))
}

fn load_blocks(
    file: &OwnedFd,
    geometry: Geometry,
    name: &ArenaName,
) -> Result<Vec<BlockState>, TableError> {
    let count = geometry.block_count() as usize;
    let bytes = read_range(file, geometry.blocks_offset(), count)?;
    let decode = |(block, &code): (usize, &u8)| {
        BlockState::from_code(code).ok_or_else(|| TableError::Damaged {
            damage: Damage::Block {
                block: block as u64,
                code,
            },
            arena: name.clone(),
        })
    };
    bytes.iter().enumerate().map(decode).collect()
}

fn load_processes(
    file: &OwnedFd,
    geometry: Geometry,
    name: &ArenaName,
) -> Result<Vec<(u32, ProcessRow, usize)>, TableError> {
    let len = geometry.process_rows() as usize * size_of::<RawProcess>();
    let bytes = read_range(file, geometry.processes_offset(), len)?;
    let mut rows = Vec::new();
    for (row, raw) in (0..).zip(bytes.chunks_exact(size_of::<RawProcess>())) {
        let raw: RawProcess = bytemuck::pod_read_unaligned(raw);
        let decoded = raw.decode(row).map_err(|error| TableError::Damaged {
            damage: Damage::Process { row, error },
            arena: name.clone(),
        })?;
        rows.extend(decoded.map(|(process, half)| (row, process, half)));
    }
    Ok(rows)
}

#[derive(Default)]
struct LoadedRows {
    objects: Vec<LoadedObject>,
    halves: Vec<u8>,
    generations: Vec<(u32, u64)>,
    /// Behind the last row that has memory.
    rows_end: u32,
}

fn load_objects(
    file: &OwnedFd,
    geometry: Geometry,
    name: &ArenaName,
) -> Result<LoadedRows, TableError> {
    let mut loaded = LoadedRows::default();
    let mut at = geometry.objects_offset();
    while let Some((start, end)) = next_data(file, at, geometry.table_bytes())? {
        at = end;
        let row_bytes = size_of::<RawObject>() as u64;
        let first = (start - geometry.objects_offset()) / row_bytes;
        let rows = (end - geometry.objects_offset()).div_ceil(row_bytes);
        let rows = rows.min(u64::from(geometry.object_rows()));
        let (Ok(first), Ok(rows)) = (u32::try_from(first), u32::try_from(rows)) else {
            break;
        };
        let first = first.max(loaded.rows_end);
        let count = rows.saturating_sub(first) as usize;
        let bytes = read_range(
            file,
            geometry.object_offset(first),
            count * row_bytes as usize,
        )?;
        for (row, raw) in (first..).zip(bytes.chunks_exact(size_of::<RawObject>())) {
            loaded
                .decode(row, raw, geometry)
                .map_err(|error| TableError::Damaged {
                    damage: Damage::Object { row, error },
                    arena: name.clone(),
                })?;
        }
        loaded.rows_end = loaded.rows_end.max(rows);
    }
    Ok(loaded)
}

impl LoadedRows {
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

fn read_range(file: impl AsFd, offset: u64, len: usize) -> Result<Vec<u8>, TableError> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        let at = offset + filled as u64;
        match rustix::io::pread(&file, &mut bytes[filled..], at) {
            Ok(0) => {
                let source = std::io::ErrorKind::UnexpectedEof.into();
                return Err(TableError::Io {
                    action: "read",
                    source,
                });
            }
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(io("read", errno)),
        }
    }
    Ok(bytes)
}

/// What no two rows may share: bytes, published names, lock cells.
fn check_objects(objects: &[LoadedObject]) -> Result<(), (u32, RowError)> {
    check_overlaps(objects)?;
    check_names(objects)?;
    check_cells(objects)
}

fn check_overlaps(objects: &[LoadedObject]) -> Result<(), (u32, RowError)> {
    let mut extents: Vec<(u64, u64, u32)> = objects
        .iter()
        .flat_map(|object| {
            [
                (object.row.extent, object.index),
                (object.row.image, object.index),
            ]
        })
        .filter(|(extent, _)| extent.len > 0)
        .map(|(extent, row)| (extent.offset.get(), footprint(extent.len), row))
        .collect();
    extents.sort_unstable();
    for pair in extents.windows(2) {
        let [(offset, bytes, row), (next, _, other)] = [pair[0], pair[1]];
        if offset.saturating_add(bytes) > next {
            return Err((row, RowError::Overlap { other }));
        }
    }
    Ok(())
}

fn check_names(objects: &[LoadedObject]) -> Result<(), (u32, RowError)> {
    let mut names = HashMap::new();
    for object in objects
        .iter()
        .filter(|object| object.row.state.is_published())
    {
        let Some(name) = &object.row.name else {
            continue;
        };
        if let Some(other) = names.insert(name, object.index) {
            let name = name.clone();
            return Err((object.index, RowError::NameTwice { other, name }));
        }
    }
    Ok(())
}

fn check_cells(objects: &[LoadedObject]) -> Result<(), (u32, RowError)> {
    let with_cells = objects.iter().filter(|object| object.row.cells.count > 0);
    let mut by_first = BTreeMap::new();
    for object in with_cells {
        let cells = object.row.cells;
        if let Some((_, other)) = by_first.insert(cells.first, (cells.count, object.index)) {
            return Err((object.index, RowError::CellsTwice { other }));
        }
    }
    let mut previous: Option<(u32, u32)> = None;
    for (&first, &(count, row)) in &by_first {
        if let Some((end, other)) = previous
            && end > first
        {
            return Err((row, RowError::CellsTwice { other }));
        }
        previous = Some((first + count, row));
    }
    Ok(())
}
