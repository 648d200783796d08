//! Structured logs on standard error, for people or as JSON lines.
//!
//! Logging never stops the event loop: lines go through a bounded queue to a thread of their own. Strings that came from a
//! peer are logged with `?`, which escapes them.

mod queue;

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{LogFormat, LogLevel};
use queue::{Next, Queue};

/// How long the end of the process waits for the last lines to be written.
const LAST_LINES_PATIENCE: Duration = Duration::from_secs(1);

/// The running log.
pub(crate) struct Log {
    queue: Queue,
    level: reload::Handle<LevelFilter, Registry>,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

impl Log {
    /// Starts to log, once per process.
    ///
    /// # Errors
    /// What the system says where it gives no thread.
    pub(crate) fn start(format: LogFormat, level: LogLevel) -> std::io::Result<Self> {
        let queue = Queue::default();
        let (filter, handle) = reload::Layer::new(LevelFilter::from(level));
        let lines = tracing_subscriber::fmt::layer().with_writer(queue.clone());
        let lines = match format {
            LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
            LogFormat::Json => lines.json().boxed(),
        };
        let subscriber = tracing_subscriber::registry().with(filter).with(lines);
        // A subscriber that is there already is one of our own tests' or the embedding program's, and serves as well.
        let _ = subscriber.try_init();
        let source = queue.clone();
        std::thread::Builder::new()
            .name("arenad-log".to_owned())
            .stack_size(256 << 10)
            .spawn(move || write_lines(&source))?;
        Ok(Self {
            queue,
            level: handle,
        })
    }

    /// Changes what is written from now on.
    pub(crate) fn set_level(&self, level: LogLevel) {
        // Fails only where the subscriber is gone, which lives as long as the process.
        let _ = self.level.reload(LevelFilter::from(level));
    }

    /// Writes out what is queued, within bounds.
    pub(crate) fn finish(self) {
        self.queue.close(LAST_LINES_PATIENCE);
    }
}

fn write_lines(queue: &Queue) {
    let mut told = 0;
    while let Next::Line { line, dropped } = queue.next() {
        write_all(&line);
        if dropped > told {
            // The line goes through the queue like any other; if it is dropped, the count has grown and is told later.
            told = dropped;
            tracing::warn!(
                dropped,
                "log lines were dropped because standard error was not read, lines so far"
            );
        }
    }
}

/// Writes a line whatever kind of file standard error is. What can't be written (nobody reads any more) is given up.
fn write_all(mut line: &[u8]) {
    let stderr = std::io::stderr();
    while !line.is_empty() {
        match rustix::io::write(&stderr, line) {
            Ok(written) => line = &line[written..],
            Err(Errno::INTR) => {}
            // Somebody who shares the file has made it nonblocking.
            Err(Errno::AGAIN) => {
                let fd = stderr.as_fd();
                let _ = poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None);
            }
            Err(_) => return,
        }
    }
}
