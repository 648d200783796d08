//! Ends a test that hangs, with all that it started.

use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Process;

/// Longer than any test takes on a slow machine, shorter than anybody waits for a hung one.
const PATIENCE: Duration = Duration::from_secs(150);

static STARTED: Mutex<Vec<Process>> = Mutex::new(Vec::new());
static ONCE: Once = Once::new();

/// Remembers a process to end it when time is up.
pub(crate) fn watch(process: Process) {
    ONCE.call_once(|| {
        let due = Instant::now() + PATIENCE;
        thread::spawn(move || bark(due));
    });
    STARTED.lock().unwrap().push(process);
}

fn bark(due: Instant) {
    while let Some(left) = due.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
    eprintln!("the tests of this file hang and are ended");
    for process in STARTED.lock().unwrap().iter() {
        process.kill();
    }
    std::process::abort();
}
