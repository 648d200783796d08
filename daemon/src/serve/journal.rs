//! The supervisor's records as rows of the table file, and back.

use arena_core::layout::{
    CellRange, ObjectRow, ObjectState as RowState, ProcessIdentity, ProcessRole, ProcessRow,
};
use arena_core::protocol::{ObjectState, Stripes};
use arena_core::{Extent, ObjectId, Offset};

use crate::supervisor::{ObjectRecord, Peer, ProcessRecord, Role};

/// An object's row.
pub(super) fn object_row(record: ObjectRecord) -> ObjectRow {
    let stripes = record.stripes;
    ObjectRow {
        state: row_state(record.state),
        generation: record.id.generation,
        extent: record.extent,
        layout: record.layout,
        name: record.name,
        owner_uid: record.uid,
        session: record.session,
        cells: stripes.map_or_else(CellRange::default, |stripes| {
            stripes.cells(0..stripes.count)
        }),
        lock_axis: stripes.map_or(0, |stripes| stripes.axis),
        image: record.image.unwrap_or(NO_EXTENT),
        flags: 0,
    }
}

/// The object that a row describes; none for a free row.
pub(super) fn object_record(index: u32, row: ObjectRow) -> Option<ObjectRecord> {
    let stripes = Stripes {
        axis: row.lock_axis,
        first_cell: row.cells.first,
        count: row.cells.count,
    };
    Some(ObjectRecord {
        id: ObjectId {
            index,
            generation: row.generation,
        },
        state: record_state(row.state)?,
        layout: row.layout,
        extent: row.extent,
        name: row.name,
        session: row.session,
        uid: row.owner_uid,
        stripes: (stripes.count > 0).then_some(stripes),
        image: (row.image.len > 0).then_some(row.image),
    })
}

/// A process's row. Only clients have lifelines: nobody forks from a worker.
pub(super) fn process_row(record: &ProcessRecord, pid_namespace: u64) -> ProcessRow {
    ProcessRow {
        identity: ProcessIdentity {
            pid: record.peer.pid,
            start_time: record.peer.start_time,
            pid_namespace,
        },
        uid: record.peer.uid,
        session: record.session,
        slot: record.slot,
        incarnation: record.session.0,
        role: match record.role {
            Role::Client => ProcessRole::Client,
            Role::Worker => ProcessRole::Worker,
            Role::Groomer => ProcessRole::Groomer,
        },
        lifeline: record.role == Role::Client,
    }
}

/// The process that a row describes.
pub(super) fn process_record(row_index: u32, row: &ProcessRow) -> ProcessRecord {
    ProcessRecord {
        row: row_index,
        session: row.session,
        role: match row.role {
            ProcessRole::Worker => Role::Worker,
            ProcessRole::Groomer => Role::Groomer,
            ProcessRole::Client | ProcessRole::PoolWorker | ProcessRole::Host => Role::Client,
        },
        peer: Peer {
            pid: row.identity.pid,
            uid: row.uid,
            start_time: row.identity.start_time,
        },
        slot: row.slot,
    }
}

const NO_EXTENT: Extent = Extent {
    offset: Offset::ZERO,
    len: 0,
};

const fn row_state(state: ObjectState) -> RowState {
    match state {
        ObjectState::Filling => RowState::Filling,
        ObjectState::Sealed => RowState::Sealed,
        ObjectState::Shared => RowState::Shared,
        ObjectState::Removed => RowState::Removed,
        ObjectState::Lingering => RowState::Lingering,
    }
}

const fn record_state(state: RowState) -> Option<ObjectState> {
    Some(match state {
        RowState::Free => return None,
        RowState::Filling => ObjectState::Filling,
        RowState::Sealed => ObjectState::Sealed,
        RowState::Shared => ObjectState::Shared,
        RowState::Removed => ObjectState::Removed,
        RowState::Lingering => ObjectState::Lingering,
    })
}

#[cfg(test)]
mod tests {
    use arena_core::{SessionId, SlotId};

    use super::*;

    /// A group that rows did not keep made every ordinary user's process a stranger after a restart: its session was not
    /// resumed, and its own old windows kept it from sealing.
    #[test]
    fn a_process_comes_back_from_its_row_as_it_went() {
        for role in [Role::Client, Role::Worker, Role::Groomer] {
            let record = ProcessRecord {
                row: 7,
                session: SessionId(1 << 40),
                role,
                peer: Peer {
                    pid: 4242,
                    uid: 1000,
                    start_time: 99,
                },
                slot: Some(SlotId(255)),
            };
            assert_eq!(process_record(7, &process_row(&record, 1)), record);
        }
    }
}
