//! What an earlier daemon left in the arena, told to the supervisor.
//!
//! The processes of before the restart are looked for by number and start time, and watched from then on like any other. Those
//! that are gone are told too: their slots are still to be swept. Native workers are among them; the end of their old
//! supervisor's sockets ends them.

use std::io;

use arena_core::SessionId;
use arena_core::files::ArenaFiles;
use arena_core::groom::populated_blocks;
use arena_core::layout::{BlockState, ProcessRow};
use arena_core::lifeline::{Grip, Lifeline};
use arena_core::lock::SlotSet;
use arena_core::process;
use arena_core::table;

use super::arena::ServedArena;
use super::journal;
use super::link::{Kin, Links};
use crate::supervisor::{Recovered, Survivor};

/// The slots that may stand in lock cells.
pub(super) fn issued_slots(found: &table::Recovered) -> SlotSet {
    let mut issued = SlotSet::EMPTY;
    for slot in found.processes.iter().filter_map(|(_, row)| row.slot) {
        issued.insert(slot);
    }
    issued
}

/// Looks at each process and at the arena's pages.
///
/// # Errors
/// What the system says.
pub(super) fn recover(
    found: table::Recovered,
    arena: &ServedArena,
    links: &mut Links,
) -> io::Result<Recovered> {
    let arena_bytes = found.blocks.len() as u64 * arena_core::BLOCK_BYTES;
    let mut generations = Vec::new();
    let used = found
        .objects
        .iter()
        .map(|object| (object.index, object.row.generation));
    for (index, generation) in found.generations.iter().copied().chain(used) {
        let index = index as usize;
        if generations.len() <= index {
            generations.resize(index + 1, 0);
        }
        generations[index] = generation;
    }
    let mut processes = Vec::with_capacity(found.processes.len());
    for (row_index, row) in &found.processes {
        processes.push(survivor(*row_index, row, arena, links)?);
    }
    Ok(Recovered {
        first_session: SessionId(found.session_floor + 1),
        generations,
        objects: found
            .objects
            .into_iter()
            .filter_map(|object| journal::object_record(object.index, object.row))
            .collect(),
        blocks: checked_blocks(found.blocks, &arena.files, arena_bytes)?,
        processes,
    })
}

fn survivor(
    row_index: u32,
    row: &ProcessRow,
    arena: &ServedArena,
    links: &mut Links,
) -> io::Result<Survivor> {
    let known_here = row.identity.pid_namespace == arena.pid_namespace;
    // A number of another pid namespace says nothing here. Such a process can't be watched, only its lifeline can.
    let pidfd = if known_here {
        process::open_known(row.identity)?
    } else {
        None
    };
    let lifeline = if row.lifeline {
        Lifeline::reopen(&arena.files, row.session)?
    } else {
        None
    };
    // A lifeline that is missing counts as held as long as the process may live.
    let is_held = match &lifeline {
        Some(lifeline) => lifeline.grip()? == Grip::Held,
        None => row.lifeline && (pidfd.is_some() || !known_here),
    };
    let alive = pidfd.is_some() || (!known_here && is_held);
    let conn = links.add(Kin::Survivor, row.identity.pid, None, pidfd)?;
    links.name_session(conn, row.session);
    if is_held && let Some(lifeline) = lifeline {
        links.hold_lifeline(conn, lifeline)?;
    }
    Ok(Survivor {
        record: journal::process_record(row_index, row),
        conn,
        alive,
        lifeline_held: is_held,
    })
}

/// The states of blocks as they are: the table's are hints, as pages may have been given back after the last write.
fn checked_blocks(
    mut states: Vec<BlockState>,
    files: &ArenaFiles,
    arena_bytes: u64,
) -> io::Result<Vec<BlockState>> {
    let mut cold_from = 0;
    let populated = populated_blocks(files.data(), arena_bytes)?;
    let end = states.len() as u64;
    for range in populated.into_iter().chain(std::iter::once(end..end)) {
        states[cold_from as usize..range.start as usize].fill(BlockState::Cold);
        cold_from = range.end;
    }
    Ok(states)
}
