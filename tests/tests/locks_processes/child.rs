//! What a child does. Its environment says: `LOCKS_ROLE` is `once` or `hammer`; `LOCKS_HALT_AT` names a moment at which it says so
//! and waits to be told to go on; `LOCKS_TELL` a moment that it only tells, once.

use std::cell::Cell;
use std::env;
use std::fs::File;
use std::io::{BufRead, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use arena_core::SlotId;
use arena_core::futex::{self, Wake};
use arena_core::lock::{
    CellRange, FutexWaiting, LockArea, LockError, Locker, Mode, Moment, Protocol, Request, Waiting,
};

use crate::stage::{CELLS, GENERATION};

/// How long a child waits for a lock. Less than a round, so that no lost wake-up is made good by one.
const DEADLINE: Duration = Duration::from_secs(20);

/// Pairs of numbers in a file; each write of a number is one step.
pub(crate) struct Pairs(File);

impl Pairs {
    const STOP: u64 = 4000;

    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }

    pub(crate) fn read(&self, cell: u32) -> [u64; 2] {
        [0, 8].map(|half| self.word(u64::from(cell) * 16 + half))
    }

    /// Writes both numbers, and calls `between` between them.
    pub(crate) fn write(&self, cell: u32, value: u64, between: impl FnOnce()) {
        self.set(u64::from(cell) * 16, value);
        between();
        self.set(u64::from(cell) * 16 + 8, value);
    }

    pub(crate) fn stop_everybody(&self) {
        self.set(Self::STOP, 1);
    }

    fn is_stopped(&self) -> bool {
        self.word(Self::STOP) != 0
    }

    fn word(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, offset).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn set(&self, offset: u64, value: u64) {
        self.0.write_all_at(&value.to_ne_bytes(), offset).unwrap();
    }
}

pub(crate) fn request(cell: u32, mode: Mode) -> Request {
    Request {
        cells: CellRange {
            first: cell,
            count: 1,
        },
        generation: GENERATION,
        mode,
        keeps_images: false,
    }
}

/// Waits on futexes, in one round only, and halts and tells as the environment says.
struct Watched {
    halt_at: Cell<Option<String>>,
    tell: Cell<Option<String>>,
}

impl Watched {
    fn from_environment() -> Self {
        Self {
            halt_at: Cell::new(env::var("LOCKS_HALT_AT").ok()),
            tell: Cell::new(env::var("LOCKS_TELL").ok()),
        }
    }

    fn pass(&self, moment: &str) {
        if take_if(&self.tell, moment) {
            say(moment);
        }
        if take_if(&self.halt_at, moment) {
            say(moment);
            await_order();
        }
    }
}

impl Waiting for &Watched {
    type Rules = Protocol;

    fn now_ns(&self) -> u64 {
        FutexWaiting.now_ns()
    }

    /// Somebody must wake this waiter: the last look at the deadline, which might save it, is not waited for.
    fn wait(&self, event: &AtomicU32, seen: u32, timeout: Duration) {
        let woken = futex::wait(event, seen, timeout);
        assert_eq!(woken, Wake::Maybe, "a wake-up was lost");
    }

    fn wake_all(&self, event: &AtomicU32) {
        FutexWaiting.wake_all(event);
    }

    fn round(&self) -> Duration {
        2 * DEADLINE
    }

    fn reached(&self, moment: Moment) {
        self.pass(&format!("{moment:?}"));
    }
}

fn take_if(cell: &Cell<Option<String>>, moment: &str) -> bool {
    let wanted = cell.take();
    let matches = wanted.as_deref() == Some(moment);
    if !matches {
        cell.set(wanted);
    }
    matches
}

fn say(word: &str) {
    println!("@{word}");
    std::io::stdout().flush().unwrap();
}

/// Waits for a line. The end of the input is the end of the test that would have written it.
fn await_order() {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap();
    assert_ne!(read, 0, "the test has ended");
}

/// Not a test by itself: what the children of the tests run.
#[test]
fn act() {
    let Ok(role) = env::var("LOCKS_ROLE") else {
        return;
    };
    let open = |name| {
        let path = env::var(name).unwrap();
        File::options().read(true).write(true).open(path).unwrap()
    };
    let area = Arc::new(LockArea::map(open("LOCKS_FILE")).unwrap());
    let pairs = Pairs::new(open("LOCKS_PAIRS"));
    let slot = SlotId(env::var("LOCKS_SLOT").unwrap().parse().unwrap());
    let watched = Watched::from_environment();
    let locker = Locker::solo_with(area, slot, &watched);
    match role.as_str() {
        "once" => once(&locker, &pairs, &watched),
        "hammer" => hammer(&locker, &pairs),
        other => panic!("no such role: {other}"),
    }
}

/// Locks cell 0 once, as `LOCKS_MODE` says, says that it is held and waits for an order, works, and leaves.
fn once(locker: &Locker<&Watched>, pairs: &Pairs, watched: &Watched) {
    let mode = match env::var("LOCKS_MODE").unwrap().as_str() {
        "read" => Mode::Read,
        "write" => Mode::Write,
        "overwrite" => Mode::Overwrite,
        other => panic!("no such mode: {other}"),
    };
    let guard = match locker.acquire(request(0, mode), DEADLINE) {
        Ok(guard) => guard,
        Err(LockError::Poisoned { .. }) => return say("poisoned"),
        Err(error) => return say(&error.to_string()),
    };
    say("held");
    await_order();
    if mode == Mode::Read {
        let [left, right] = pairs.read(0);
        assert_eq!(left, right, "torn data read as valid");
    } else {
        pairs.write(0, 9, || watched.pass("Half"));
    }
    guard.commit().unwrap();
    say("left");
}

/// Reads and writes random cells until everybody is stopped.
fn hammer(locker: &Locker<&Watched>, pairs: &Pairs) {
    let mut random = u64::from(locker.slot().0 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    say("hammering");
    while !pairs.is_stopped() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let cell = (random >> 8) as u32 % CELLS.count;
        if random.is_multiple_of(3) {
            write(locker, pairs, cell, random);
        } else {
            read(locker, pairs, cell);
        }
    }
    say("stopped");
}

fn read(locker: &Locker<&Watched>, pairs: &Pairs, cell: u32) {
    match locker.acquire(request(cell, Mode::Read), DEADLINE) {
        Ok(guard) => {
            let [left, right] = pairs.read(cell);
            assert_eq!(left, right, "torn data read as valid");
            guard.commit().unwrap();
        }
        Err(LockError::Poisoned { .. }) => write(locker, pairs, cell, 1),
        Err(error) => panic!("{error}"),
    }
}

fn write(locker: &Locker<&Watched>, pairs: &Pairs, cell: u32, value: u64) {
    let guard = match locker.acquire(request(cell, Mode::Write), DEADLINE) {
        Err(LockError::Poisoned { .. }) => locker.acquire(request(cell, Mode::Overwrite), DEADLINE),
        acquired => acquired,
    };
    pairs.write(cell, value, || {
        pairs.read(cell);
    });
    guard.unwrap().commit().unwrap();
}
