//! The first exchange of a connection: who we are, which arena it is, and the descriptors to map it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena_core::protocol::{
    Descriptor, FromSupervisor, Hello, PROTOCOL_VERSION, Resume, ToSupervisor, Welcome, encode,
};
use rustix::net::{SendFlags, send};

use crate::arena::Arena;
use crate::error::{Error, Result};
use crate::link::Greeted;
use crate::reader::{Read, Reader};

/// What a process has of a session or arena already.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) arena: Arc<Arena>,
    /// The lifeline of the session that is resumed, if one is.
    pub(crate) lifeline: Option<Arc<OwnedFd>>,
}

/// Says hello on a fresh socket. An arena that is mapped already is not mapped again, and a session that goes on keeps what it
/// has.
///
/// # Errors
/// What the supervisor refuses with, [`Error::NoAnswer`] after `timeout`, [`Error::ConnectionLost`] where it goes away, and
/// [`Error::Handshake`] for a welcome that doesn't hold what it must.
pub(crate) fn greet(
    socket: OwnedFd,
    program: &str,
    resume: Option<Resume>,
    known: Option<&Known>,
    timeout: Duration,
) -> Result<Greeted> {
    say_hello(&socket, program, resume)?;
    let mut reader = Reader::new();
    let (welcome, passed) = await_welcome(&socket, &mut reader, timeout)?;
    if welcome.protocol != PROTOCOL_VERSION {
        return Err(mismatch(format!(
            "the supervisor speaks version {}, this client version {PROTOCOL_VERSION}",
            welcome.protocol
        )));
    }
    let passed = Passed::sort(&welcome.descriptors, passed)?;
    let (arena, lifeline) = match passed.complete() {
        Some((data, locks, lifeline)) => (map(&welcome, data, locks, known)?, Arc::new(lifeline)),
        None => keep(&welcome, known)?,
    };
    Ok(Greeted {
        socket,
        lifeline,
        reader,
        arena,
        session: welcome.session,
        supervisor_pid: welcome.supervisor_pid,
        workers: welcome.workers,
        address: welcome.address,
        resumed: welcome.resumed,
    })
}

fn map(
    welcome: &Welcome,
    data: OwnedFd,
    locks: Option<OwnedFd>,
    known: Option<&Known>,
) -> Result<Arc<Arena>> {
    match known {
        Some(Known { arena, .. })
            if arena.id() == welcome.arena.id && arena.is_backed_by(&data) =>
        {
            Ok(Arc::clone(arena))
        }
        _ => Arena::map(welcome.arena.clone(), data, locks).map(Arc::new),
    }
}

/// A session that goes on gets no descriptors.
fn keep(welcome: &Welcome, known: Option<&Known>) -> Result<(Arc<Arena>, Arc<OwnedFd>)> {
    match known {
        Some(Known {
            arena,
            lifeline: Some(lifeline),
        }) if welcome.resumed && arena.id() == welcome.arena.id => {
            Ok((Arc::clone(arena), Arc::clone(lifeline)))
        }
        _ => Err(mismatch("data or lifeline are missing".to_owned())),
    }
}

fn say_hello(socket: &OwnedFd, program: &str, resume: Option<Resume>) -> Result<()> {
    let mut frame = Vec::new();
    encode(
        &ToSupervisor::Hello(Hello {
            protocol: PROTOCOL_VERSION,
            program: program.to_owned(),
            resume,
        }),
        &mut frame,
    )?;
    let mut rest = frame.as_slice();
    while !rest.is_empty() {
        match rustix::io::retry_on_intr(|| send(socket, rest, SendFlags::NOSIGNAL)) {
            Ok(sent) => rest = &rest[sent..],
            Err(_) => return Err(lost()),
        }
    }
    Ok(())
}

fn await_welcome(
    socket: &OwnedFd,
    reader: &mut Reader,
    timeout: Duration,
) -> Result<(Box<Welcome>, Vec<OwnedFd>)> {
    let start = Instant::now();
    let mut passed = Vec::new();
    loop {
        match reader.next()? {
            Some(FromSupervisor::Welcome(welcome)) => return Ok((welcome, passed)),
            Some(FromSupervisor::Refused(failure)) => return Err(failure.into()),
            Some(_) => {
                return Err(mismatch(
                    "something else came before the welcome".to_owned(),
                ));
            }
            None => {}
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(Error::NoAnswer {
                silent: start.elapsed(),
            });
        }
        if reader.read_descriptors(socket, left, &mut passed) == Read::End {
            return Err(lost());
        }
    }
}

/// The passed descriptors by what they are.
#[derive(Default)]
struct Passed {
    data: Option<OwnedFd>,
    locks: Option<OwnedFd>,
    lifeline: Option<OwnedFd>,
}

impl Passed {
    fn sort(kinds: &[Descriptor], passed: Vec<OwnedFd>) -> Result<Self> {
        if kinds.len() != passed.len() {
            return Err(mismatch(format!(
                "{} descriptors were announced, {} came",
                kinds.len(),
                passed.len()
            )));
        }
        let mut sorted = Self::default();
        for (kind, descriptor) in kinds.iter().zip(passed) {
            let place = match kind {
                Descriptor::Data => &mut sorted.data,
                Descriptor::Locks => &mut sorted.locks,
                Descriptor::Lifeline => &mut sorted.lifeline,
            };
            if place.replace(descriptor).is_some() {
                return Err(mismatch(format!("{kind:?} came twice")));
            }
        }
        Ok(sorted)
    }

    /// What a new session needs; the locks file is for those who may lock.
    fn complete(self) -> Option<(OwnedFd, Option<OwnedFd>, OwnedFd)> {
        Some((self.data?, self.locks, self.lifeline?))
    }
}

fn lost() -> Error {
    Error::ConnectionLost {
        may_have_happened: false,
    }
}

fn mismatch(detail: String) -> Error {
    Error::Handshake { detail }
}
