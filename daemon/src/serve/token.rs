//! What an event of the poll is about, packed into its token.

use mio::Token;

use crate::supervisor::ConnId;

/// A source of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// The listening socket.
    Listener,
    /// TERM, INT, HUP.
    Signals,
    /// The SIGBUS handler's bell.
    Bell,
    /// A peer's socket.
    Socket(ConnId),
    /// A peer's pidfd.
    Process(ConnId),
    /// The read end of a session's lifeline.
    Lifeline(ConnId),
}

/// The lowest conn of a peer; the tokens below it are the event loop's own.
pub(super) const FIRST_CONN: u64 = 1;

impl From<Source> for Token {
    fn from(source: Source) -> Self {
        let (conn, kind) = match source {
            Source::Listener => (0, 0),
            Source::Signals => (0, 1),
            Source::Bell => (0, 2),
            Source::Socket(conn) => (conn.0, 0),
            Source::Process(conn) => (conn.0, 1),
            Source::Lifeline(conn) => (conn.0, 2),
        };
        // 2^62 peers don't come by in the life of a process.
        Self((conn << 2) as usize | kind)
    }
}

impl From<Token> for Source {
    fn from(token: Token) -> Self {
        let conn = ConnId((token.0 >> 2) as u64);
        match (conn.0 < FIRST_CONN, token.0 & 3) {
            (true, 0) => Self::Listener,
            (true, 1) => Self::Signals,
            (true, _) => Self::Bell,
            (false, 0) => Self::Socket(conn),
            (false, 1) => Self::Process(conn),
            (false, _) => Self::Lifeline(conn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart() {
        let conns = [FIRST_CONN, 2, 1 << 40].map(ConnId);
        let sources = conns.into_iter().flat_map(|conn| {
            [
                Source::Socket(conn),
                Source::Process(conn),
                Source::Lifeline(conn),
            ]
        });
        for source in sources.chain([Source::Listener, Source::Signals, Source::Bell]) {
            assert_eq!(Source::from(Token::from(source)), source);
        }
    }
}
