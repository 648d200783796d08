//! A file that appears whole or not at all.
//!
//! It is written without a name, so that a program that is killed leaves nothing behind, and gets its name at the end. Where
//! the file system knows no nameless files it has a hidden name meanwhile. What is no regular file (`/dev/stdout`, a pipe) is
//! written to as it is.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// What `fill` writes to.
pub(crate) struct Target {
    pub(crate) file: File,
    /// Whether it is a new, empty file, which may be written in any order.
    pub(crate) is_new: bool,
}

/// Makes `path` the file that `fill` writes. A file of that name is replaced; `-` is stdout.
///
/// # Errors
/// What `fill` says, or the file system; `path` is then as before.
pub(crate) fn replace(
    path: &Path,
    fill: impl FnOnce(&mut Target) -> io::Result<()>,
) -> io::Result<()> {
    if let Some(file) = stream(path)? {
        return fill(&mut Target {
            file,
            is_new: false,
        });
    }
    // A symbolic link goes on pointing where it points.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let hidden = hidden_name(&path)?;
    match nameless(&path) {
        Some(file) => {
            let mut target = Target { file, is_new: true };
            fill(&mut target)?;
            name(&target.file, &hidden)?;
        }
        None => {
            let file = File::create_new(&hidden)?;
            fill(&mut Target { file, is_new: true }).inspect_err(|_| discard(&hidden))?;
        }
    }
    fs::rename(&hidden, &path).inspect_err(|_| discard(&hidden))
}

/// Whether `path` is this program's stdout, under whatever name.
pub(crate) fn is_stdout(path: &Path) -> bool {
    let is_same = |a: &Metadata, b: &Metadata| a.dev() == b.dev() && a.ino() == b.ino();
    path == Path::new("-")
        || match (fs::metadata(path), fs::metadata("/proc/self/fd/1")) {
            (Ok(file), Ok(stdout)) => is_same(&file, &stdout),
            _ => false,
        }
}

/// What `path` names, if that is written from front to end as it stands: stdout, a device, a pipe.
fn stream(path: &Path) -> io::Result<Option<File>> {
    if is_stdout(path) {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        return Ok(Some(stdout.into()));
    }
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => OpenOptions::new().write(true).open(path).map(Some),
        _ => Ok(None),
    }
}

/// A file without a name in the directory of `path`, if its file system can do that.
fn nameless(path: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(directory(path), flags, Mode::from_raw_mode(0o666))
        .ok()
        .map(File::from)
}

fn name(file: &File, path: &Path) -> io::Result<()> {
    let through_proc = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, through_proc, CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

fn hidden_name(path: &Path) -> io::Result<PathBuf> {
    let file_name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(file_name);
    hidden.push(format!(".{}.part", std::process::id()));
    Ok(directory(path).join(hidden))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The file is of no use to anybody; that it can't be removed is less than the error that led here.
fn discard(path: &Path) {
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.npy");
        for text in ["first", "second, longer", "third"] {
            replace(&path, |target| target.file.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(directory.path()), ["out.npy"]);
    }

    #[test]
    fn an_error_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.npy");
        fs::write(&path, "old").unwrap();
        let result = replace(&path, |target| {
            target.file.write_all(b"half")?;
            Err(io::Error::other("broken"))
        });
        assert!(result.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(directory.path()), ["out.npy"]);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, |target| target.file.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_is_no_file_is_written_to() {
        replace(Path::new("/dev/null"), |target| {
            target.file.write_all(b"gone")
        })
        .unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_directory_that_is_missing_is_an_error() {
        assert!(replace(Path::new("/nowhere/at/all"), |_| Ok(())).is_err());
    }
}
