//! Where a daemon is found and which one a client trusts: rules that client and daemon must share.
//!
//! A user's daemon listens in the *run directory* of its user, which nobody else can enter. A system daemon listens as
//! `/run/arenad/NAME.sock`, where only root, and whom root chose, can create sockets. Anybody may listen on an abstract address
//! or in a directory like `/tmp`, so a client asks the kernel who answers before it says anything ([`ServerRule`]).

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::process::geteuid;

use crate::name::ArenaName;

/// The environment variable that names the socket in place of the default.
pub const SOCKET_VARIABLE: &str = "ARENAD_SOCKET";

/// The socket of the user's daemon, in the run directory.
pub const SOCKET_FILE: &str = "arenad.sock";

/// Where system daemons listen.
pub const SYSTEM_DIRECTORY: &str = "/run/arenad";

/// The user that system daemons run as, beside root.
pub const SERVICE_USER: &str = "arenad";

/// Why the run directory can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum ScopeError {
    #[error("the run directory is no directory (remove it, or set XDG_RUNTIME_DIR): {path:?}")]
    NotADirectory { path: PathBuf },
    #[error(
        "the run directory belongs to uid {owner_uid}, not to {uid} (remove it, or set XDG_RUNTIME_DIR): {path:?}"
    )]
    ForeignOwner {
        path: PathBuf,
        owner_uid: u32,
        uid: u32,
    },
    #[error("others can enter the run directory (chmod 0700), its mode is {mode:04o}: {path:?}")]
    Open { path: PathBuf, mode: u32 },
    #[error("the run directory can't be made or read: {path:?}")]
    Io { path: PathBuf, source: io::Error },
}

/// The user's run directory: `$XDG_RUNTIME_DIR/arenad`, else `/tmp/arenad-UID`. It need not exist.
///
/// An `XDG_RUNTIME_DIR` that is relative or belongs to somebody else, as after `sudo`, counts as unset.
#[must_use]
pub fn run_directory() -> PathBuf {
    run_directory_from(env::var_os("XDG_RUNTIME_DIR"), geteuid().as_raw())
}

fn run_directory_from(runtime: Option<OsString>, uid: u32) -> PathBuf {
    runtime
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && owner_of(path) == Some(uid))
        .map_or_else(
            || PathBuf::from(format!("/tmp/arenad-{uid}")),
            |path| path.join("arenad"),
        )
}

fn owner_of(path: &Path) -> Option<u32> {
    rustix::fs::stat(path).ok().map(|stat| stat.st_uid)
}

/// The run directory, made if it is missing, and checked: a real directory of the caller's, closed to everybody else.
///
/// # Errors
/// [`ScopeError`] where another user has put something in its place, or its mode lets others in.
pub fn ensure_run_directory() -> Result<PathBuf, ScopeError> {
    let path = run_directory();
    ensure_private_directory(&path)?;
    Ok(path)
}

/// Makes `path` if it is missing and checks that it is a directory of the caller's, closed to everybody else.
///
/// # Errors
/// As [`ensure_run_directory`].
pub fn ensure_private_directory(path: &Path) -> Result<(), ScopeError> {
    let failed = |errno: rustix::io::Errno| ScopeError::Io {
        path: path.to_owned(),
        source: errno.into(),
    };
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => return Err(failed(errno)),
    }
    // A symbolic link in /tmp may point anywhere: it is looked at, never followed.
    let opened = rustix::fs::open(
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed)?;
    let stat = rustix::fs::fstat(&opened).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(ScopeError::NotADirectory {
            path: path.to_owned(),
        });
    }
    let uid = geteuid().as_raw();
    if stat.st_uid != uid {
        return Err(ScopeError::ForeignOwner {
            path: path.to_owned(),
            owner_uid: stat.st_uid,
            uid,
        });
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(ScopeError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

/// The socket to use unless told: `ARENAD_SOCKET`, else `arenad.sock` in the user's run directory.
#[must_use]
pub fn default_socket() -> PathBuf {
    env::var_os(SOCKET_VARIABLE)
        .filter(|value| !value.is_empty())
        .map_or_else(user_socket, PathBuf::from)
}

/// The socket of the user's daemon: `arenad.sock` in the run directory.
#[must_use]
pub fn user_socket() -> PathBuf {
    run_directory().join(SOCKET_FILE)
}

/// The socket of the system daemon that serves the arena `name`.
#[must_use]
pub fn system_socket(name: &ArenaName) -> PathBuf {
    Path::new(SYSTEM_DIRECTORY).join(format!("{name}.sock"))
}

/// Which users a client takes for the server behind an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerRule {
    uid: u32,
    service_allowed: bool,
}

impl ServerRule {
    /// The rule of the calling process for the socket at `path`: its own user and root, and below [`SYSTEM_DIRECTORY`] the
    /// service user too.
    #[must_use]
    pub fn for_path(path: &Path) -> Self {
        Self {
            uid: geteuid().as_raw(),
            service_allowed: path.parent() == Some(Path::new(SYSTEM_DIRECTORY)),
        }
    }

    /// The rule of the calling process for abstract addresses and inherited sockets: its own user and root.
    #[must_use]
    pub fn for_unnamed() -> Self {
        Self {
            uid: geteuid().as_raw(),
            service_allowed: false,
        }
    }

    /// Whether a server of user `server_uid` is trusted.
    #[must_use]
    pub fn trusts(self, server_uid: u32) -> bool {
        self.trusts_with(server_uid, service_uid)
    }

    fn trusts_with(self, server_uid: u32, service_uid: impl FnOnce() -> Option<u32>) -> bool {
        server_uid == self.uid
            || server_uid == 0
            || (self.service_allowed && service_uid() == Some(server_uid))
    }
}

/// Asks the user database, which may be slow, so only where nothing else has decided.
fn service_uid() -> Option<u32> {
    nix::unistd::User::from_name(SERVICE_USER)
        .ok()
        .flatten()
        .map(|user| user.uid.as_raw())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_usable_runtime_directory_is_preferred() {
        let uid = geteuid().as_raw();
        let own = tempfile::tempdir().unwrap();
        let fallback = PathBuf::from(format!("/tmp/arenad-{uid}"));
        assert_eq!(
            run_directory_from(Some(own.path().into()), uid),
            own.path().join("arenad")
        );
        assert_eq!(run_directory_from(None, uid), fallback);
        assert_eq!(run_directory_from(Some("relative".into()), uid), fallback);
        assert_eq!(
            run_directory_from(Some(own.path().into()), uid + 1),
            PathBuf::from(format!("/tmp/arenad-{}", uid + 1))
        );
    }

    #[test]
    fn a_run_directory_is_made_private_and_checked() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("arenad");
        ensure_private_directory(&path).unwrap();
        ensure_private_directory(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            ensure_private_directory(&path),
            Err(ScopeError::Open { mode: 0o755, .. })
        ));
    }

    #[test]
    fn a_link_or_file_in_its_place_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("target");
        ensure_private_directory(&target).unwrap();
        let link = parent.path().join("link");
        symlink(&target, &link).unwrap();
        assert!(matches!(
            ensure_private_directory(&link),
            Err(ScopeError::NotADirectory { .. })
        ));
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(
            ensure_private_directory(&file),
            Err(ScopeError::NotADirectory { .. })
        ));
    }

    #[test]
    fn the_service_user_is_trusted_in_its_directory_alone() {
        let service = || Some(77);
        let user = |path: &str| ServerRule {
            uid: 1000,
            ..ServerRule::for_path(Path::new(path))
        };
        let system = user("/run/arenad/lab.sock");
        assert!(system.trusts_with(1000, service));
        assert!(system.trusts_with(0, service));
        assert!(system.trusts_with(77, service));
        assert!(!system.trusts_with(78, service));
        for path in [
            "/tmp/lab.sock",
            "/run/arenad/../lab.sock",
            "/run/arenad/x/lab.sock",
        ] {
            assert!(!user(path).trusts_with(77, service), "{path}");
        }
    }
}
