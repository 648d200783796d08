//! The floor of a request: 64 bytes to another process and back over a Unix stream socket, both sides blocking.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

/// The size of a message, as large as a small request.
const MESSAGE_BYTES: usize = 64;

/// A child that sends back what it gets.
pub(crate) struct SocketEcho {
    stream: UnixStream,
    child: Child,
}

impl SocketEcho {
    /// Starts the child: this program with the hidden argument `echo-socket`.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(std::env::current_exe()?)
            .arg("echo-socket")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        Ok(Self {
            stream: ours,
            child,
        })
    }

    /// One round trip.
    pub(crate) fn round_trip(&mut self) -> std::io::Result<()> {
        let mut message = [1; MESSAGE_BYTES];
        self.stream.write_all(&message)?;
        self.stream.read_exact(&mut message)
    }

    /// The child's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child's main: standard input is the socket.
    pub(crate) fn serve() -> std::io::Result<()> {
        let mut stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let mut message = [0; MESSAGE_BYTES];
        while stream.read_exact(&mut message).is_ok() {
            stream.write_all(&message)?;
        }
        Ok(())
    }
}

impl Drop for SocketEcho {
    fn drop(&mut self) {
        // The child ends at the end of its input.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}
