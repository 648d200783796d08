//! The floor of a dispatch: a word in shared memory that two processes hand to each other, asleep in between.

#![expect(unsafe_code, reason = "turns a mapped page into two atomic words")]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arena_core::futex;
use memmap2::MmapRaw;
use rustix::fs::MemfdFlags;

const PAGE_BYTES: u64 = 4096;
const PATIENCE: Duration = Duration::from_secs(1);

/// A child that answers each count in the first word with the same count in the second.
pub(crate) struct FutexEcho {
    words: Words,
    count: u32,
    child: Child,
}

impl FutexEcho {
    /// Starts the child: this program with the hidden argument `echo-futex`.
    pub(crate) fn start() -> std::io::Result<Self> {
        let page = File::from(rustix::fs::memfd_create("futex-echo", MemfdFlags::CLOEXEC)?);
        page.set_len(PAGE_BYTES)?;
        let words = Words::map(&page)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("echo-futex")
            .stdin(Stdio::from(OwnedFd::from(page)))
            .spawn()?;
        Ok(Self {
            words,
            count: 0,
            child,
        })
    }

    /// One round trip.
    pub(crate) fn round_trip(&mut self) {
        self.count = self.count.wrapping_add(1).max(1);
        hand_over(self.words.ask(), self.count);
        wait_until(self.words.answer(), self.count);
    }

    /// The child's main: standard input is the page. Ends when its parent writes the last count.
    pub(crate) fn serve() -> std::io::Result<()> {
        let words = Words::map(&File::from(std::io::stdin().as_fd().try_clone_to_owned()?))?;
        let mut seen = 0;
        loop {
            seen = wait_while(words.ask(), seen);
            if seen == u32::MAX {
                return Ok(());
            }
            hand_over(words.answer(), seen);
        }
    }
}

impl Drop for FutexEcho {
    fn drop(&mut self) {
        hand_over(self.words.ask(), u32::MAX);
        let _ = self.child.wait();
    }
}

fn hand_over(word: &AtomicU32, count: u32) {
    word.store(count, Ordering::Release);
    futex::wake_all(word);
}

fn wait_until(word: &AtomicU32, count: u32) {
    loop {
        let seen = word.load(Ordering::Acquire);
        if seen == count {
            return;
        }
        futex::wait(word, seen, PATIENCE);
    }
}

fn wait_while(word: &AtomicU32, count: u32) -> u32 {
    loop {
        let seen = word.load(Ordering::Acquire);
        if seen != count {
            return seen;
        }
        futex::wait(word, seen, PATIENCE);
    }
}

/// Two words on a page, on cache lines of their own.
struct Words(MmapRaw);

impl Words {
    const ANSWER_OFFSET: usize = 128;

    fn map(page: &File) -> std::io::Result<Self> {
        MmapRaw::map_raw(page).map(Self)
    }

    fn ask(&self) -> &AtomicU32 {
        self.word(0)
    }

    fn answer(&self) -> &AtomicU32 {
        self.word(Self::ANSWER_OFFSET)
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: the offset is one of the two constants, inside the page and aligned to 4; the page stays mapped as long as
        // `self` and is only ever looked at through atomics.
        unsafe { AtomicU32::from_ptr(self.0.as_mut_ptr().add(offset).cast()) }
    }
}
