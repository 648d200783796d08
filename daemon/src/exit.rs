//! How an `arenad` process ends: the one list of exit codes. docs and tests derive from [`Exit::ALL`].

use std::process::ExitCode;

/// The outcome of an `arenad` process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Asked to end, and ended in order.
    Ok,
    /// The system refused something that is needed.
    System,
    /// The command line is wrong.
    Usage,
    /// The configuration is wrong.
    Config,
    /// Another daemon serves this arena.
    ArenaInUse,
    /// The socket's address is taken, by another daemon or by something else.
    SocketInUse,
    /// The arena's files are damaged, foreign, of another version or of another boot.
    ArenaRefused,
    /// There is not enough memory or room in a file system for the arena.
    NoRoom,
    /// The arena's memory was damaged from outside while it was served.
    Damaged,
}

impl Exit {
    /// Every outcome.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::System,
        Self::Usage,
        Self::Config,
        Self::ArenaInUse,
        Self::SocketInUse,
        Self::ArenaRefused,
        Self::NoRoom,
        Self::Damaged,
    ];

    /// The number that the shell sees. A panic, which is a bug of arenad's, gives Rust's 101.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::System => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::ArenaInUse => 4,
            Self::SocketInUse => 5,
            Self::ArenaRefused => 6,
            Self::NoRoom => 7,
            Self::Damaged => 8,
        }
    }

    /// What the code means, for `--help` and the manual.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "ended in order",
            Self::System => "the system refused something that is needed",
            Self::Usage => "the command line is wrong",
            Self::Config => "the configuration is wrong",
            Self::ArenaInUse => "another daemon serves this arena",
            Self::SocketInUse => "the socket's address is taken",
            Self::ArenaRefused => "the arena's files are damaged, foreign or of another version",
            Self::NoRoom => "not enough memory, or no room in the file system, for the arena",
            Self::Damaged => "the arena's memory was damaged from outside while it was served",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table of codes as `--help` shows it.
#[must_use]
pub fn help() -> String {
    let lines: Vec<String> = Exit::ALL
        .iter()
        .map(|exit| format!("  {}  {}", exit.code(), exit.meaning()))
        .collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_below_those_of_signals() {
        for (index, exit) in Exit::ALL.iter().enumerate() {
            assert_eq!(usize::from(exit.code()), index);
            assert!(help().contains(exit.meaning()));
        }
    }
}
