//! Where clients connect: a path, or an abstract address.
//!
//! The races of a path: two daemons started at once must not both replace a stale socket, and a socket must not be taken for stale
//! while its daemon is about to listen. So a lock file beside the socket is held for life, and only its holder removes, binds and
//! unlinks. What stands in the way is removed only if it is a socket of this user that nobody answers on.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use arena_core::scope::{ScopeError, ensure_private_directory};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    socket_with,
};
use rustix::process::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Why nothing can be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(transparent)]
    RunDirectory(#[from] ScopeError),
    #[error("another daemon listens there (stop it, or choose another --socket): {path:?}")]
    InUse { path: PathBuf },
    #[error(
        "something that is no socket of this user is in the way (remove it, or choose another --socket): {path:?}"
    )]
    InTheWay { path: PathBuf },
    #[error(
        "others may replace files in the socket's directory (choose one of your own): {path:?}"
    )]
    OpenDirectory { path: PathBuf },
    #[error("the socket's path is longer than the system allows, 107 bytes: {path:?}")]
    TooLong { path: PathBuf },
    #[error("can't listen, {action} failed: {path:?}")]
    System {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// A listening socket. A path is unlinked when this is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    socket: OwnedFd,
    address: String,
    _path: Option<Held>,
}

/// A path that this process holds, with its lock file.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    _lock: OwnedFd,
}

impl Drop for Held {
    fn drop(&mut self) {
        // The lock is still held, so this is our own socket. A directory that is gone already is no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener {
    /// Listens in the user's run directory or at another path.
    pub(super) fn at_path(path: &Path) -> Result<Self, ListenError> {
        let path = std::path::absolute(path).map_err(|source| ListenError::System {
            action: "making the path absolute",
            path: path.to_owned(),
            source,
        })?;
        let path = path.as_path();
        let address = SocketAddrUnix::new(path).map_err(|_| ListenError::TooLong {
            path: path.to_owned(),
        })?;
        prepare_directory(path)?;
        let lock = lock(path)?;
        remove_stale(path, &address)?;
        let socket = listening(&address).map_err(|(action, errno)| match errno {
            // Only somebody who ignores the lock can have been quicker.
            Errno::ADDRINUSE => ListenError::InUse {
                path: path.to_owned(),
            },
            _ => failed(action, path)(errno),
        })?;
        let path = Held {
            path: path.to_owned(),
            _lock: lock,
        };
        rustix::fs::chmod(&path.path, Mode::RUSR | Mode::WUSR)
            .map_err(failed("setting the socket's mode", &path.path))?;
        Ok(Self {
            socket,
            address: path.path.display().to_string(),
            _path: Some(path),
        })
    }

    /// Listens on an abstract address that nobody can guess.
    pub(super) fn abstract_address() -> Result<Self, ListenError> {
        let mut random = [0; 16];
        let name = Path::new("@arenad");
        getrandom(&mut random, GetRandomFlags::empty())
            .map_err(failed("drawing a random address", name))?;
        let name = format!(
            "arenad.{}.{:032x}",
            geteuid().as_raw(),
            u128::from_ne_bytes(random)
        );
        let shown = PathBuf::from(format!("@{name}"));
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())
            .map_err(failed("making the address", &shown))?;
        let socket =
            listening(&address).map_err(|(action, errno)| failed(action, &shown)(errno))?;
        Ok(Self {
            socket,
            address: format!("@{name}"),
            _path: None,
        })
    }

    /// The path, or `@name` in the abstract namespace.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Takes one waiting connection, nonblocking and close-on-exec.
    pub(super) fn accept(&self) -> Result<OwnedFd, Errno> {
        accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(Errno) -> ListenError + use<> {
    let path = path.to_owned();
    move |errno| ListenError::System {
        action,
        path: path.clone(),
        source: errno.into(),
    }
}

fn listening(address: &SocketAddrUnix) -> Result<OwnedFd, (&'static str, Errno)> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|errno| ("making a socket", errno))?;
    bind(&socket, address).map_err(|errno| ("binding the socket", errno))?;
    listen(&socket, BACKLOG).map_err(|errno| ("listening", errno))?;
    Ok(socket)
}

/// The directory is the user's own and closed to others, and made if it is missing; or it is another existing one in which
/// others can't replace the socket.
fn prepare_directory(path: &Path) -> Result<(), ListenError> {
    let Some(directory) = path.parent() else {
        return Err(ListenError::InTheWay {
            path: path.to_owned(),
        });
    };
    if directory == arena_core::scope::run_directory() {
        return Ok(ensure_private_directory(directory)?);
    }
    let stat = rustix::fs::stat(directory).map_err(failed("looking at its directory", path))?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    let others_write = mode.intersects(Mode::WGRP | Mode::WOTH) && !mode.contains(Mode::SVTX);
    let is_trusted = stat.st_uid == geteuid().as_raw() || stat.st_uid == 0;
    if others_write || !is_trusted {
        return Err(ListenError::OpenDirectory {
            path: directory.to_owned(),
        });
    }
    Ok(())
}

/// Takes the lock file beside the socket. It stays when the daemon ends: a lock file that is removed can be held twice.
fn lock(path: &Path) -> Result<OwnedFd, ListenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let in_the_way = || ListenError::InTheWay { path: name.clone() };
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(&name, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => file,
        Err(Errno::LOOP | Errno::ACCESS | Errno::PERM | Errno::ISDIR | Errno::NXIO) => {
            return Err(in_the_way());
        }
        Err(errno) => return Err(failed("opening its lock file", path)(errno)),
    };
    let stat = rustix::fs::fstat(&file).map_err(failed("looking at its lock file", path))?;
    let is_ours = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_uid == geteuid().as_raw()
        && stat.st_nlink == 1;
    if !is_ours {
        return Err(in_the_way());
    }
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(ListenError::InUse {
            path: path.to_owned(),
        }),
        Err(errno) => Err(failed("locking its lock file", path)(errno)),
    }
}

/// Removes the socket that a killed daemon has left. The lock is held.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), ListenError> {
    let stat = match rustix::fs::lstat(path) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(failed("looking at it", path)(errno)),
    };
    let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
    if !is_socket || stat.st_uid != geteuid().as_raw() {
        return Err(ListenError::InTheWay {
            path: path.to_owned(),
        });
    }
    if is_answered(address) {
        return Err(ListenError::InUse {
            path: path.to_owned(),
        });
    }
    rustix::fs::unlink(path).map_err(failed("removing the old socket", path))
}

/// Whether some program that doesn't know our lock listens there.
fn is_answered(address: &SocketAddrUnix) -> bool {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    // AGAIN: somebody listens whose backlog is full.
    probe.is_ok_and(|probe| matches!(connect(&probe, address), Ok(()) | Err(Errno::AGAIN)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_live_socket_is_refused_and_a_stale_one_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("arenad.sock");
        let first = Listener::at_path(&path).unwrap();
        assert!(matches!(
            Listener::at_path(&path),
            Err(ListenError::InUse { .. })
        ));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        drop(first);
        assert!(!path.exists());
        // A killed daemon unlinks nothing, and its lock ends with it.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = Listener::at_path(&path).unwrap();
        assert_eq!(second.address(), path.to_str().unwrap());
        assert!(matches!(second.accept(), Err(Errno::AGAIN)));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("arenad.sock");
        let listens = UnixListener::bind(&path).unwrap();
        assert!(matches!(
            Listener::at_path(&path),
            Err(ListenError::InUse { .. })
        ));
        drop(listens);
        std::fs::remove_file(&path).unwrap();
        for make in [
            (|path: &Path| std::fs::write(path, "precious").unwrap()) as fn(&Path),
            |path| symlink("/dev/null", path).unwrap(),
        ] {
            make(&path);
            assert!(matches!(
                Listener::at_path(&path),
                Err(ListenError::InTheWay { .. })
            ));
            assert!(path.symlink_metadata().is_ok());
            std::fs::remove_file(&path).unwrap();
        }
        let lock = dir.path().join("arenad.sock.lock");
        std::fs::remove_file(&lock).unwrap();
        symlink(dir.path().join("elsewhere"), &lock).unwrap();
        assert!(matches!(
            Listener::at_path(&path),
            Err(ListenError::InTheWay { .. })
        ));
    }

    #[test]
    fn directories_of_others_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let path = dir.path().join("arenad.sock");
        assert!(matches!(
            Listener::at_path(&path),
            Err(ListenError::OpenDirectory { .. })
        ));
        let long = dir.path().join("x".repeat(120));
        assert!(matches!(
            Listener::at_path(&long),
            Err(ListenError::TooLong { .. })
        ));
    }

    #[test]
    fn abstract_addresses_differ() {
        let (one, other) = (
            Listener::abstract_address().unwrap(),
            Listener::abstract_address().unwrap(),
        );
        assert_ne!(one.address(), other.address());
        assert!(one.address().starts_with("@arenad."));
    }
}
