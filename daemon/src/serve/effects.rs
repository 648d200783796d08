//! Doing what the supervisor wants done.

use super::event_loop::EventLoop;
use super::link::Kin;
use super::note;
use crate::spawn::{self, Form};
use crate::supervisor::{Child, ConnId, Effect, Event, Peer};

impl EventLoop<'_> {
    /// Does one thing. Questions are answered by an event in `answers`.
    pub(super) fn execute(&mut self, effect: Effect) {
        let answer = match effect {
            Effect::Send { conn, message } => return self.send(conn, &message),
            Effect::Close { conn } => return self.close(conn),
            Effect::Kill { conn } => return self.kill(conn),
            Effect::WriteObject(record) => {
                if let Err(error) = self.arena.write_object(*record) {
                    self.fail(std::io::Error::other(error));
                }
                return;
            }
            Effect::ClearObject(id) => return self.arena.clear_object(id),
            Effect::WriteProcess(record) => return self.arena.write_process(&record),
            Effect::ClearProcess { row, session } => {
                self.arena.clear_process(row, session);
                return self.links.forget_session(session);
            }
            Effect::WriteBlocks {
                first_block,
                states,
            } => return self.arena.write_blocks(first_block, &states),
            Effect::OpenCells { cells, generation } => {
                return self.arena.open_cells(&cells, generation);
            }
            Effect::CloseCells { cells } => return self.arena.locks.close(&cells),
            Effect::PrepareSlot { slot, incarnation } => {
                return self.arena.locks.prepare_slot(slot, incarnation);
            }
            Effect::Note(note) => return note::log(&note),
            Effect::Exit(reason) => {
                self.outcome = Some(reason);
                return;
            }
            Effect::Spawn(child) => self.spawn(child),
            Effect::ReserveRows { rows } => Event::RowsReserved {
                rows: self.arena.reserve_rows(rows),
            },
            Effect::Sweep { slot, cells } => Event::Swept(self.arena.locks.sweep(slot, &cells)),
            Effect::InspectCells { cells } => Event::CellsSeen(self.arena.locks.inspect(&cells)),
            Effect::CheckLocked { slot, cells } => Event::LockedBy {
                missing: self.arena.locks.missing(slot, &cells),
            },
        };
        self.answers.push_back(answer);
    }

    fn kill(&self, conn: ConnId) {
        if let Err(error) = self.links.kill(conn) {
            tracing::error!(%error, conn = conn.0, "a process can't be killed");
        }
    }

    fn spawn(&mut self, child: Child) -> Event {
        match self.try_spawn(child) {
            Ok((conn, peer)) => Event::Spawned { child, conn, peer },
            Err(error) => Event::SpawnFailed {
                child,
                detail: error.to_string(),
            },
        }
    }

    fn try_spawn(&mut self, child: Child) -> std::io::Result<(ConnId, Peer)> {
        let form = match child {
            Child::Worker(slot) => Form::Worker(slot.0),
            Child::Groomer => Form::Groomer,
        };
        let started = spawn::spawn(form, &self.shown_name)?;
        let peer = Peer {
            pid: started.pid,
            uid: rustix::process::geteuid().as_raw(),
            start_time: arena_core::process::identity(started.pid)?.start_time,
        };
        let (socket, pidfd) = (Some(started.socket), Some(started.pidfd));
        let conn = self.links.add(Kin::Child, started.pid, socket, pidfd)?;
        Ok((conn, peer))
    }
}
