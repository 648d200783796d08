//! Where the named parts of an arena are, and how they are opened without being tricked.
//!
//! /dev/shm is open to all users: somebody else may have put a file, a link or a FIFO under one of our names. So parts are opened
//! relative to the directory without following links, and type, owner, mode and link count are looked at on the descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::FilesError;
use crate::layout::BackingCode;
use crate::name::ArenaName;
use crate::process::open_pidfd;
use crate::segment::{SEGMENT_DIRECTORY, create_segment};

/// What the files of an arena are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backing {
    /// Memfds: private, gone with their last user.
    Memfd,
    /// POSIX shared-memory segments: they survive the daemon, not the machine.
    Named,
    /// Files in this directory, on a mount of the user's choice.
    Directory(PathBuf),
}

impl Backing {
    /// The code in the header.
    #[must_use]
    pub const fn code(&self) -> BackingCode {
        match self {
            Self::Memfd => BackingCode::Memfd,
            Self::Named => BackingCode::Named,
            Self::Directory(_) => BackingCode::Directory,
        }
    }

    /// The directory of the files, if they have names.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Memfd => None,
            Self::Named => Some(Path::new(SEGMENT_DIRECTORY)),
            Self::Directory(path) => Some(path),
        }
    }
}

/// One of the files of an arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Whoever holds its flock is the supervisor.
    Lock,
    /// The journal.
    Table,
    /// Lock cells and slot records.
    Locks,
    /// The objects.
    Data,
}

impl Part {
    /// The last part of the file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Table => "table",
            Self::Locks => "locks",
            Self::Data => "data",
        }
    }
}

/// How often a lock file that is being removed is opened again.
const LOCK_TRIES_MAX: usize = 32;

/// A directory and the arena's names in it.
#[derive(Debug)]
pub(crate) struct Place {
    directory: OwnedFd,
    path: PathBuf,
    arena: ArenaName,
    uid: u32,
    is_segment: bool,
}

impl Place {
    /// The place of an arena; `None` for private ones.
    pub(super) fn of(backing: &Backing, arena: &ArenaName) -> Result<Option<Self>, FilesError> {
        let Some(path) = backing.directory() else {
            return Ok(None);
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| FilesError::of_errno("open", path, errno))?;
        let place = Self {
            directory,
            path: path.to_owned(),
            arena: arena.clone(),
            uid: rustix::process::geteuid().as_raw(),
            is_segment: matches!(backing, Backing::Named),
        };
        place.check_directory()?;
        Ok(Some(place))
    }

    /// Others must not be able to replace our files.
    fn check_directory(&self) -> Result<(), FilesError> {
        let stat = rustix::fs::fstat(&self.directory)
            .map_err(|errno| FilesError::of_errno("look at", &self.path, errno))?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        let others_write = mode.intersects(Mode::WGRP | Mode::WOTH);
        if others_write && !mode.contains(Mode::SVTX) {
            return Err(self.foreign("is a directory in which others may replace files"));
        }
        if stat.st_uid != self.uid && stat.st_uid != 0 {
            return Err(self.foreign("is a directory of another user"));
        }
        Ok(())
    }

    fn foreign(&self, problem: &'static str) -> FilesError {
        FilesError::Foreign {
            path: self.path.clone(),
            problem,
        }
    }

    /// The file name of a part, or of another file beside them.
    pub(crate) fn file_name(&self, part: &str) -> String {
        format!("{}{part}", prefix(self.uid, Some(&self.arena)))
    }

    pub(crate) fn path_of(&self, part: &str) -> PathBuf {
        self.path.join(self.file_name(part))
    }

    pub(crate) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Opens a part that exists.
    pub(super) fn open_part(&self, part: Part) -> Result<OwnedFd, FilesError> {
        self.open_checked(part.name()).map(|(file, _)| file)
    }

    /// Opens a part that must have `expected` bytes.
    pub(super) fn open_sized_part(&self, part: Part, expected: u64) -> Result<OwnedFd, FilesError> {
        let (file, found) = match self.open_checked(part.name()) {
            Ok((file, stat)) => (Some(file), u64::try_from(stat.st_size).unwrap_or(0)),
            Err(error) if error.is_not_found() => (None, 0),
            Err(error) => return Err(error),
        };
        match file {
            Some(file) if found == expected => Ok(file),
            _ => Err(FilesError::Size {
                path: self.path_of(part.name()),
                found,
                expected,
                arena: self.arena.clone(),
            }),
        }
    }

    /// Whether a part is there and anything was ever stored in it.
    pub(super) fn has_pages(&self, part: Part) -> Result<bool, FilesError> {
        match self.open_checked(part.name()) {
            Ok((_, stat)) => Ok(stat.st_blocks > 0),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn open_checked(&self, part: &str) -> Result<(OwnedFd, Stat), FilesError> {
        // NONBLOCK: a FIFO under our name must not hold us up. It means nothing to a regular file.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let path = || self.path_of(part);
        let opened =
            rustix::fs::openat(&self.directory, self.file_name(part), flags, Mode::empty());
        let file = opened.map_err(|errno| match errno {
            Errno::LOOP => FilesError::Foreign {
                path: path(),
                problem: "is a symbolic link",
            },
            Errno::ACCESS | Errno::PERM => FilesError::Foreign {
                path: path(),
                problem: "belongs to another user",
            },
            _ => FilesError::of_errno("open", path(), errno),
        })?;
        let stat = rustix::fs::fstat(&file)
            .map_err(|errno| FilesError::of_errno("look at", path(), errno))?;
        match self.problem_of(&stat) {
            Some(problem) => Err(FilesError::Foreign {
                path: path(),
                problem,
            }),
            None => Ok((file, stat)),
        }
    }

    fn problem_of(&self, stat: &Stat) -> Option<&'static str> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Some("is not a regular file");
        }
        if stat.st_uid != self.uid {
            return Some("belongs to another user");
        }
        if Mode::from_raw_mode(stat.st_mode) != (Mode::RUSR | Mode::WUSR) {
            return Some("has another mode than 0600");
        }
        // Zero links: it was unlinked a moment ago, which the lock's owner finds out.
        (stat.st_nlink > 1).then_some("has more than one name")
    }

    /// Creates a part of `bytes`, sparse. It must not exist.
    pub(super) fn create_part(&self, part: Part, bytes: u64) -> Result<OwnedFd, FilesError> {
        let name = self.file_name(part.name());
        let failed = |source| FilesError::of_io("create", self.path_of(part.name()), source);
        let file = if self.is_segment {
            create_segment(self.directory.as_fd(), &name).map_err(failed)?
        } else {
            let flags =
                OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(&self.directory, &name, flags, Mode::RUSR | Mode::WUSR)
                .map_err(|errno| failed(errno.into()))?
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
        // The umask may have taken bits away.
        rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(|errno| failed(errno.into()))?;
        if stat.st_uid != self.uid || stat.st_nlink != 1 {
            let problem = "was replaced while it was made";
            return Err(FilesError::Foreign {
                path: self.path_of(part.name()),
                problem,
            });
        }
        rustix::fs::ftruncate(&file, bytes).map_err(|errno| failed(errno.into()))?;
        Ok(file)
    }

    /// Opens the lock file, creating it where it is missing, and takes its flock.
    ///
    /// A removal unlinks the lock file while it holds the flock, so a lock that was taken counts only if its file still has its
    /// name; else the next one is tried.
    pub(super) fn acquire_lock(&self) -> Result<OwnedFd, FilesError> {
        for _ in 0..LOCK_TRIES_MAX {
            let opened = match self.open_part(Part::Lock) {
                Err(error) if error.is_not_found() => self.create_part(Part::Lock, 0),
                opened => opened,
            };
            let file = match opened {
                Ok(file) => file,
                Err(error) if error.is_already_there() => continue,
                Err(error) => return Err(error),
            };
            self.take_flock(&file)?;
            if self.still_names(Part::Lock, &file) {
                return Ok(file);
            }
        }
        Err(FilesError::InUse {
            arena: self.arena.clone(),
            pid: None,
        })
    }

    /// Takes the flock, unless another daemon has it.
    ///
    /// A daemon that was killed between the fork and the exec of a child leaves a child that holds the lock for a moment. The
    /// kernel names the dead daemon as the holder then, and the child's exec or end is waited for.
    fn take_flock(&self, file: &OwnedFd) -> Result<(), FilesError> {
        let flock = |operation| rustix::io::retry_on_intr(|| rustix::fs::flock(file, operation));
        let failed = |errno| FilesError::of_errno("lock", self.path_of(Part::Lock.name()), errno);
        match flock(FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(()),
            Err(Errno::WOULDBLOCK) => {
                let pid = rustix::fs::fstat(file)
                    .ok()
                    .and_then(|stat| flock_holder(&stat));
                if pid.is_some_and(is_gone) {
                    return flock(FlockOperation::LockExclusive).map_err(failed);
                }
                Err(FilesError::InUse {
                    arena: self.arena.clone(),
                    pid,
                })
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    fn still_names(&self, part: Part, file: &OwnedFd) -> bool {
        let named = self.stat(part.name());
        let held = rustix::fs::fstat(file).ok();
        matches!((named, held), (Some(named), Some(held))
            if named.st_ino == held.st_ino && named.st_dev == held.st_dev)
    }

    /// What stands under a name, without following links.
    pub(super) fn stat(&self, part: &str) -> Option<Stat> {
        let name = self.file_name(part);
        rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// Unlinks everything but the lock: the table first, so that what is left is never served. Only for the lock's holder.
    pub(super) fn remove_contents(&self) -> Result<(), FilesError> {
        for part in [Part::Table, Part::Locks, Part::Data] {
            self.unlink(part.name())?;
        }
        for part in self.parts()? {
            if part != Part::Lock.name() {
                self.unlink(&part)?;
            }
        }
        Ok(())
    }

    /// Unlinks a file; one that is not there is no error.
    pub(crate) fn unlink(&self, part: &str) -> Result<(), FilesError> {
        match rustix::fs::unlinkat(&self.directory, self.file_name(part), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(FilesError::of_errno("remove", self.path_of(part), errno)),
        }
    }

    /// What stands behind the arena's prefix in the names of the directory: parts and lifelines.
    pub(crate) fn parts(&self) -> Result<Vec<String>, FilesError> {
        let prefix = prefix(self.uid, Some(&self.arena));
        let names = names_in(&self.directory)
            .map_err(|errno| FilesError::of_errno("list", &self.path, errno))?;
        Ok(names
            .iter()
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }
}

/// The names of all files in `directory` that are UTF-8.
pub(super) fn names_in(directory: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        if let Ok(name) = entry?.file_name().to_str() {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// What the names of all arenas of a user, or of one of them, begin with. Arena names have no dots, so none is a prefix of
/// another.
pub(super) fn prefix(uid: u32, arena: Option<&ArenaName>) -> String {
    match arena {
        Some(arena) => format!("arenad.{uid}.{arena}."),
        None => format!("arenad.{uid}."),
    }
}

/// Whether no process has this number.
fn is_gone(pid: u32) -> bool {
    matches!(open_pidfd(pid), Ok(None))
}

/// Who holds an flock on a file, where the kernel tells: the process must be visible in this pid namespace.
pub(super) fn flock_holder(stat: &Stat) -> Option<u32> {
    let (major, minor) = (
        rustix::fs::major(stat.st_dev),
        rustix::fs::minor(stat.st_dev),
    );
    let file = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let is_held = fields.next() == Some("FLOCK") && fields.nth(1) == Some("WRITE");
        let pid = fields.next()?.parse().ok()?;
        (is_held && fields.next() == Some(&file)).then_some(pid)
    })
}
