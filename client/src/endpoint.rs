//! Where a supervisor is reached.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use arena_core::ArenaName;
use arena_core::scope::{self, ServerRule};
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::{Error, Result};

/// Where a daemon listens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Endpoint {
    /// The user's daemon: `ARENAD_SOCKET`, else `arenad.sock` in the run directory.
    #[default]
    Default,
    /// A socket in the file system.
    Path(PathBuf),
    /// A system daemon, by the name of its arena: `/run/arenad/NAME.sock`.
    System(ArenaName),
    /// A name in the abstract namespace, without the leading `@`: where private arenas listen.
    Abstract(String),
}

impl Endpoint {
    /// The endpoint that a supervisor told in its welcome: `@name`, or a path.
    #[must_use]
    pub fn from_address(address: &str) -> Self {
        match address.strip_prefix('@') {
            Some(name) => Self::Abstract(name.to_owned()),
            None => Self::Path(address.into()),
        }
    }

    fn resolve(&self) -> Self {
        match self {
            Self::Default => Self::Path(scope::default_socket()),
            Self::System(name) => Self::Path(scope::system_socket(name)),
            Self::Path(_) | Self::Abstract(_) => self.clone(),
        }
    }

    fn socket_address(&self) -> rustix::io::Result<SocketAddrUnix> {
        match self {
            Self::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
            Self::Path(path) => SocketAddrUnix::new(path),
            Self::Default | Self::System(_) => self.resolve().socket_address(),
        }
    }

    fn rule(&self) -> ServerRule {
        match self {
            Self::Path(path) => ServerRule::for_path(path),
            Self::Abstract(_) => ServerRule::for_unnamed(),
            Self::Default | Self::System(_) => self.resolve().rule(),
        }
    }

    /// Connects, and asks the kernel who listens before anything is said.
    pub(crate) fn connect(&self, timeout: Duration) -> Result<OwnedFd> {
        let endpoint = self.resolve();
        let socket = endpoint.open(timeout).map_err(|errno| Error::Connect {
            address: endpoint.to_string(),
            source: errno.into(),
        })?;
        let server = socket_peercred(&socket).map_err(Error::map)?;
        if !endpoint.rule().trusts(server.uid.as_raw()) {
            return Err(Error::Untrusted {
                address: endpoint.to_string(),
                uid: server.uid.as_raw(),
            });
        }
        Ok(socket)
    }

    fn open(&self, timeout: Duration) -> rustix::io::Result<OwnedFd> {
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        // Bounds the wait for a listener whose queue is full, too.
        set_socket_timeout(&socket, Timeout::Send, Some(timeout))?;
        let address = self.socket_address()?;
        rustix::io::retry_on_intr(|| connect(&socket, &address))?;
        Ok(socket)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Abstract(name) => write!(f, "@{name}"),
            Self::Default | Self::System(_) => self.resolve().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_endpoints() {
        for (address, endpoint) in [
            ("@arenad-1f", Endpoint::Abstract("arenad-1f".to_owned())),
            ("/tmp/x.sock", Endpoint::Path("/tmp/x.sock".into())),
        ] {
            assert_eq!(Endpoint::from_address(address), endpoint);
            assert_eq!(endpoint.to_string(), address);
        }
        let system = Endpoint::System("lab".parse().unwrap());
        assert_eq!(system.to_string(), "/run/arenad/lab.sock");
    }

    #[test]
    fn nobody_listening_is_an_error_that_says_how_to_start() {
        let missing = tempfile::tempdir().unwrap().path().join("none.sock");
        let error = Endpoint::Path(missing)
            .connect(Duration::from_secs(1))
            .unwrap_err();
        assert!(matches!(error, Error::Connect { .. }));
        assert!(error.to_string().contains("arenad --arena"));
    }
}
