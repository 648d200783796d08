#![expect(
    unsafe_code,
    reason = "fork handlers are registered with the C library, and cover descriptors that other values own"
)]
//! What happens to a client when its process forks.
//!
//! The race: a fork copies the memory of a process with one thread, at any moment of the others. A mutex that another thread
//! holds stays locked in the child for ever; a shared writable window would let the child write into the parent's objects.
//!
//! - Windows over shared objects and the lock words are not inherited (the kernel leaves them out). Windows that are being
//!   filled are made private first, in place, so that the child keeps the bytes and neither process can change them, and their
//!   objects are sealed by the parent right after the fork.
//! - The child never touches a session of its parent's: every session knows its [`generation`], and a child that calls gets a
//!   session of its own. What a child must lock lies behind the [`gate`], which the forking thread holds over the fork.
//! - The child's copy of the parent's socket is covered by a copy of the lifeline, so that the supervisor sees the parent's
//!   socket close when the parent closes it. The lifeline stays: it says that somebody may still look at the parent's objects.
//! - The parent may let go of an object that a child still looks at. Each fork leaves a pipe whose write end only the children
//!   hold: until it is at its end, pins of objects that existed at the fork are kept ([`may_let_go`]).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, Weak};

use arena_core::ObjectId;
use arena_core::protocol::Request;
use arena_core::window::Window;
use nix::libc;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::session::Session;
use crate::sync::locked;

/// How many forks lie between this process and the one that loaded the library.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// How often this process, or one it was forked from, has forked.
static FORKS: AtomicU64 = AtomicU64::new(0);

static GATE: Mutex<Gate> = Mutex::new(Gate {
    filling: BTreeMap::new(),
    fillings_made: 0,
    covered: Vec::new(),
    families: Vec::new(),
    pipe: None,
});

static REGISTERED: Once = Once::new();

thread_local! {
    /// The gate, while this thread forks.
    static HELD: RefCell<Option<MutexGuard<'static, Gate>>> = const { RefCell::new(None) };
}

/// State that a forked child finds whole and unlocked.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Windows that the library's users fill, by key. Those that the library fills itself are in nobody else's hands.
    filling: BTreeMap<u64, Filling>,
    fillings_made: u64,
    covered: Vec<Cover>,
    families: Vec<Family>,
    /// The pipe of the fork that is under way.
    pipe: Option<(OwnedFd, OwnedFd)>,
}

#[derive(Debug)]
struct Filling {
    window: Window,
    object: ObjectId,
    session: Weak<Session>,
    sealed_by_fork: bool,
}

/// The descriptors of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cover {
    socket: RawFd,
    lifeline: RawFd,
}

/// The children of one fork, and all of theirs.
#[derive(Debug)]
struct Family {
    fork: u64,
    /// At its end when none is left. Absent where there was no descriptor for it, so that nobody can tell.
    end: Option<OwnedFd>,
}

/// Which process of a line of forks this is.
#[inline]
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// When something begins that a fork may meet: to be asked about with [`may_let_go`].
pub(crate) fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// Whether no child is left of a fork that came after `born`, as [`forks`] told it.
pub(crate) fn may_let_go(born: u64) -> bool {
    if forks() == born {
        return true;
    }
    let mut gate = gate();
    gate.families.retain(Family::lives);
    gate.families.iter().all(|family| family.fork <= born)
}

/// Locks the gate: briefly, for no system call that waits, and for no other lock but those that are only taken here.
pub(crate) fn gate() -> MutexGuard<'static, Gate> {
    REGISTERED.call_once(register);
    locked(&GATE)
}

/// A connection whose descriptors are covered in forked children. Dropped before they are closed.
#[derive(Debug)]
pub(crate) struct Covered(Cover);

/// Has a connection's descriptors covered in forked children.
pub(crate) fn cover(socket: &OwnedFd, lifeline: &OwnedFd) -> Covered {
    let cover = Cover {
        socket: socket.as_raw_fd(),
        lifeline: lifeline.as_raw_fd(),
    };
    gate().covered.push(cover);
    Covered(cover)
}

impl Drop for Covered {
    fn drop(&mut self) {
        gate().covered.retain(|cover| *cover != self.0);
    }
}

/// A window in the gate's keeping.
#[derive(Debug)]
pub(crate) struct Kept(u64);

/// Hands a window that is being filled to the gate, which makes it private at a fork. Its address does not change.
pub(crate) fn keep(window: Window, object: ObjectId, session: &Arc<Session>) -> Kept {
    let mut gate = gate();
    let key = gate.fillings_made;
    gate.fillings_made += 1;
    gate.filling.insert(
        key,
        Filling {
            window,
            object,
            session: Arc::downgrade(session),
            sealed_by_fork: false,
        },
    );
    Kept(key)
}

impl Kept {
    /// Whether a fork has made the window private and its object sealed.
    pub(crate) fn is_sealed_by_fork(&self) -> bool {
        gate()
            .filling
            .get(&self.0)
            .is_none_or(|filling| filling.sealed_by_fork)
    }

    /// Takes the window back, and whether a fork has sealed it.
    pub(crate) fn take(&mut self) -> Option<(Window, bool)> {
        let filling = gate().filling.remove(&self.0)?;
        Some((filling.window, filling.sealed_by_fork))
    }
}

impl Family {
    fn lives(&self) -> bool {
        let Some(end) = &self.end else {
            return true;
        };
        !matches!(rustix::io::read(end, &mut [0_u8; 1]), Ok(0))
    }
}

fn register() {
    // SAFETY: the handlers are functions of this library, which is never unloaded while its process may still fork: Rust
    // libraries are linked in, and C libraries that hold thread-local destructors are not unloaded.
    let code = unsafe {
        libc::pthread_atfork(
            Some(before_fork),
            Some(after_in_parent),
            Some(after_in_child),
        )
    };
    assert_eq!(code, 0, "there is memory for three pointers");
}

/// In the forking thread, before the fork.
extern "C" fn before_fork() {
    let mut gate = locked(&GATE);
    FORKS.fetch_add(1, Ordering::Relaxed);
    for filling in gate.filling.values_mut() {
        // A window that could not be made private stays the parent's, and is absent in the child.
        filling.sealed_by_fork |= filling.window.make_private().is_ok();
    }
    if !gate.covered.is_empty() {
        gate.pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok();
    }
    HELD.set(Some(gate));
}

/// In the parent, whether there is a child or not.
extern "C" fn after_in_parent() {
    let Some(mut gate) = HELD.take() else {
        return;
    };
    if !gate.covered.is_empty() {
        let fork = forks();
        // The write end closes here: only the child holds it now.
        let end = gate.pipe.take().map(|(end, _)| end);
        gate.families.push(Family { fork, end });
    }
    let sealed: Vec<_> = gate
        .filling
        .values()
        .filter(|filling| filling.sealed_by_fork)
        .filter_map(|filling| Some((filling.session.upgrade()?, filling.object)))
        .collect();
    drop(gate);
    for (session, object) in sealed {
        session.current().post(Request::Seal(object));
    }
}

/// In the child, which has one thread and may be about to execute something else.
extern "C" fn after_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    let Some(mut gate) = HELD.take() else {
        return;
    };
    for cover in &gate.covered {
        // SAFETY: the gate lists descriptors that are open: they leave the list before they are closed, under its lock, which
        // is held. What the number stands for is replaced in one step, so its owner still owns one open descriptor.
        let replaced = unsafe { libc::dup3(cover.lifeline, cover.socket, libc::O_CLOEXEC) };
        debug_assert_eq!(replaced, cover.socket);
    }
    gate.families.clear();
    if let Some((_, write)) = gate.pipe.take() {
        // Open until this process ends or executes something else.
        std::mem::forget(write);
    }
}
