//! What goes on, for people only: a bar for what takes longer than half a second, and the step that is worked on.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const PATIENCE: Duration = Duration::from_millis(500);

/// Counts bytes; draws a bar on the terminal behind stderr once [`PATIENCE`] is over.
pub(crate) struct Progress {
    total_bytes: u64,
    done_bytes: AtomicU64,
    started: Instant,
    label: &'static str,
    is_shown: bool,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// A bar for `total_bytes`, unless stderr is no terminal.
    pub(crate) fn new(label: &'static str, total_bytes: u64) -> Self {
        Self {
            total_bytes,
            done_bytes: AtomicU64::new(0),
            started: Instant::now(),
            label,
            is_shown: std::io::stderr().is_terminal(),
            bar: OnceLock::new(),
        }
    }

    /// So many bytes more are done.
    pub(crate) fn advance(&self, bytes: u64) {
        // Relaxed: nothing is read on the strength of this count.
        let done = self.done_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.is_shown && self.started.elapsed() >= PATIENCE {
            self.bar.get_or_init(|| self.draw()).set_position(done);
        }
    }

    fn draw(&self) -> ProgressBar {
        let style = ProgressStyle::with_template(
            "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(self.total_bytes).with_style(style);
        bar.set_message(self.label);
        bar.reset_elapsed();
        bar
    }
}

/// Works, with `step` on the terminal behind stderr meanwhile.
pub(crate) fn during<R>(step: &'static str, work: impl FnOnce() -> R) -> R {
    // Hidden unless stderr is a terminal.
    let line = ProgressBar::new_spinner();
    line.set_style(
        ProgressStyle::with_template("{msg} ...")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    line.set_message(step);
    let result = work();
    line.finish_and_clear();
    result
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
