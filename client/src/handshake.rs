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

/// Says hello on a fresh socket. An arena that is mapped already (`known`) is not mapped again.
///
/// # Errors
/// What the supervisor refuses with, [`Error::NoAnswer`] after `timeout`, [`Error::ConnectionLost`] where it goes away, and
/// [`Error::Handshake`] for a welcome that doesn't hold what it must.
pub(crate) fn greet(
    socket: OwnedFd,
    program: &str,
    resume: Option<Resume>,
    known: Option<&Arc<Arena>>,
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
    let arena = match known {
        Some(arena) if arena.id() == welcome.arena.id && arena.is_backed_by(&passed.data) => {
            Arc::clone(arena)
        }
        _ => Arc::new(Arena::map(welcome.arena, passed.data, passed.locks)?),
    };
    Ok(Greeted {
        socket,
        lifeline: passed.lifeline,
        reader,
        arena,
        session: welcome.session,
        supervisor_pid: welcome.supervisor_pid,
        workers: welcome.workers,
        address: welcome.address,
        resumed: welcome.resumed,
    })
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
struct Passed {
    data: OwnedFd,
    locks: Option<OwnedFd>,
    lifeline: OwnedFd,
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
        let (mut data, mut locks, mut lifeline) = (None, None, None);
        for (kind, descriptor) in kinds.iter().zip(passed) {
            let place = match kind {
                Descriptor::Data => &mut data,
                Descriptor::Locks => &mut locks,
                Descriptor::Lifeline => &mut lifeline,
            };
            if place.replace(descriptor).is_some() {
                return Err(mismatch(format!("{kind:?} came twice")));
            }
        }
        match (data, lifeline) {
            (Some(data), Some(lifeline)) => Ok(Self {
                data,
                locks,
                lifeline,
            }),
            _ => Err(mismatch("data or lifeline are missing".to_owned())),
        }
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
