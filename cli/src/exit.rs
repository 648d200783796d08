//! The exit codes of `arenactl`, told once: the program returns them, `--help` lists them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Done = 0,
    /// Something failed that no other code tells.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No daemon answers, or it refuses this user.
    Unreachable = 3,
    /// No object, kernel or arena has that name.
    NotFound = 4,
    /// The name is taken, or the object's state or a lock forbids this now.
    Conflict = 5,
    /// The arena, the machine's memory or a bound of the daemon is exhausted.
    Exhausted = 6,
    /// The input can't be used: a damaged file, a wrong type, a bad parameter.
    BadInput = 7,
    /// The deadline passed, or the job was cancelled.
    Late = 8,
    /// A worker died in the job more often than it is retried.
    WorkerDied = 9,
    /// The demo computed something else than a single process does.
    WrongResults = 10,
}

impl Exit {
    /// Every code, in order.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Unreachable,
        Self::NotFound,
        Self::Conflict,
        Self::Exhausted,
        Self::BadInput,
        Self::Late,
        Self::WorkerDied,
        Self::WrongResults,
    ];

    /// One line for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "something failed that no other code tells",
            Self::Usage => "the command line makes no sense",
            Self::Unreachable => "no daemon answers, or it refuses this user",
            Self::NotFound => "no object, kernel or arena has that name",
            Self::Conflict => "the name is taken, or the object's state or a lock forbids this",
            Self::Exhausted => "the arena, memory or a bound of the daemon is exhausted",
            Self::BadInput => "the input can't be used: damaged file, wrong type, bad parameter",
            Self::Late => "the deadline passed, or the job was cancelled",
            Self::WorkerDied => "a worker died in the job more often than it is retried",
            Self::WrongResults => "demo: the results differ from a single process's",
        }
    }

    /// The number that the program returns.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The list of all codes, as `--help` shows it.
#[must_use]
pub(crate) fn help() -> String {
    let lines: Vec<String> = Exit::ALL
        .into_iter()
        .map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning()))
        .collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_positions_in_the_list() {
        for (position, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), position);
        }
        assert_eq!(help().lines().count(), Exit::ALL.len() + 1);
    }
}
