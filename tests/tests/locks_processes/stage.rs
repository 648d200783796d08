//! The supervisor's side: an arena's lock cells and pairs in memfds, and children that hold slots.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use arena_core::SlotId;
use arena_core::lock::{CellRange, Certificate, LOCKS_BYTES, LockArea, SlotSet, Swept};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use crate::child::Pairs;

pub(crate) const GENERATION: u64 = 3;
pub(crate) const CELLS: CellRange = CellRange { first: 0, count: 8 };

pub(crate) struct Stage {
    pub(crate) area: Arc<LockArea>,
    pub(crate) pairs: Pairs,
    locks: File,
    issued: SlotSet,
    incarnation: u64,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let locks = memfd("locks", LOCKS_BYTES);
        let pairs = Pairs::new(memfd("pairs", 4096));
        let area = Arc::new(LockArea::map(&locks).unwrap());
        area.open_cells(CELLS, GENERATION);
        Self {
            area,
            pairs,
            locks,
            issued: SlotSet::EMPTY,
            incarnation: 0,
        }
    }

    /// Gives a slot to this process.
    pub(crate) fn issue(&mut self, slot: u8) -> SlotId {
        let slot = SlotId(slot);
        assert!(!self.issued.contains(slot), "slot {slot} is in use");
        self.incarnation += 1;
        self.area.record(slot).issue(self.incarnation);
        self.issued.insert(slot);
        slot
    }

    /// Starts a child in `slot`. `environment` tells it what to do: see [`child`](crate::child).
    pub(crate) fn start(&mut self, slot: u8, environment: &[(&str, &str)]) -> Actor {
        let slot = self.issue(slot);
        let of_file = |file: &File| format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::act", "--nocapture", "--test-threads=1"])
            .env("LOCKS_FILE", of_file(&self.locks))
            .env("LOCKS_PAIRS", of_file(self.pairs.file()))
            .env("LOCKS_SLOT", slot.0.to_string())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Actor {
            slot,
            pidfd: pidfd_open(pid(&process), PidfdFlags::empty()).unwrap(),
            orders: process.stdin.take(),
            lines: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    /// Kills, waits for the certificate and sweeps, twice: the second time finds nothing more to do.
    pub(crate) fn kill_and_sweep(&mut self, actor: Actor) -> Swept {
        let slot = actor.slot;
        actor.kill();
        self.sweep(slot)
    }

    /// Waits for the child's own end and sweeps: nothing is left of it.
    pub(crate) fn retire(&mut self, actor: Actor) {
        let slot = actor.slot;
        actor.end();
        let swept = self.sweep(slot);
        assert!(swept.poisoned.is_empty() && swept.claims_freed == 0 && swept.reads_freed == 0);
    }

    fn sweep(&mut self, slot: SlotId) -> Swept {
        let certificate = Certificate::of_dead_process(slot);
        let swept = self.area.sweep(certificate, [CELLS], self.issued);
        let again = self.area.sweep(certificate, [CELLS], self.issued);
        assert!(again.poisoned.is_empty() && again.claims_freed == 0 && again.reads_freed == 0);
        assert!(swept.damaged.is_empty() && again.damaged.is_empty());
        self.issued.remove(slot);
        swept
    }

    /// Nothing is held any more.
    pub(crate) fn assert_free(&self) {
        for cell in self.area.inspect(CELLS) {
            assert!(cell.readers.is_empty(), "{cell:?}");
            assert_eq!(cell.state.writer(), None, "{cell:?}");
        }
    }
}

/// A child that holds a slot. Dropped, it is killed.
pub(crate) struct Actor {
    slot: SlotId,
    pidfd: OwnedFd,
    orders: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    process: Child,
}

impl Actor {
    /// The next thing that the child says.
    pub(crate) fn says(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "the child ended"
            );
            if let Some((_, said)) = line.trim_end().split_once('@') {
                return said.to_owned();
            }
        }
    }

    /// Lets the child go on.
    pub(crate) fn go(&mut self) {
        self.orders.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// Stops the child and waits until it stands.
    pub(crate) fn freeze(&self) {
        pidfd_send_signal(&self.pidfd, Signal::STOP).unwrap();
        let status = waitid(WaitId::Pid(pid(&self.process)), WaitIdOptions::STOPPED).unwrap();
        assert!(status.unwrap().stopped());
    }

    pub(crate) fn thaw(&self) {
        pidfd_send_signal(&self.pidfd, Signal::CONT).unwrap();
    }

    pub(crate) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Waits for the child's own end, which must be a good one.
    fn end(mut self) {
        assert!(self.process.wait().unwrap().success());
    }

    fn kill(mut self) {
        pidfd_send_signal(&self.pidfd, Signal::KILL).unwrap();
        let mut gone = [PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN)];
        assert_eq!(poll(&mut gone, None).unwrap(), 1);
        assert!(!self.process.wait().unwrap().success());
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Fails where the child has ended and was reaped.
        let _reaped = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _status = self.process.wait();
    }
}

fn pid(process: &Child) -> Pid {
    Pid::from_child(process)
}

fn memfd(name: &str, len: u64) -> File {
    let file = File::from(memfd_create(name, MemfdFlags::CLOEXEC).unwrap());
    file.set_len(len).unwrap();
    file
}
