//! Reading a table file that somebody else has left.
//!
//! Every byte is hostile. The file is read once into private memory with `pread`, which does not give memory to its holes, and
//! only the copy is checked and used. Whatever a kill of the writer cannot have left is damage and refused, with the row and
//! what to do.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::conflicts::check_objects;
use super::objects::load_objects;
use super::{Damage, Shadow, Table, TableError, reserve};
use crate::layout::{
    ArenaIdentity, BlockState, Geometry, HEADER_SECTION_BYTES, Header, LAYOUT_HASH, MAGIC,
    ObjectRow, ProcessRow, READY, RawProcess, VERSION, counter_value,
};
use crate::name::ArenaName;

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

pub(super) fn io(action: &'static str, errno: Errno) -> TableError {
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

pub(super) fn read_range(file: impl AsFd, offset: u64, len: usize) -> Result<Vec<u8>, TableError> {
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
