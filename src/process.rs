//! Telling processes apart: boot, start time, pid namespace, pidfd.
//!
//! A process number alone names whoever has it at the moment. With its start time and the boot it names one process for ever; a
//! pidfd holds on to that process.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::layout::ProcessIdentity;

/// What the kernel calls this boot of the machine.
///
/// # Errors
/// Where /proc cannot be read or holds no such thing.
pub fn boot_id() -> io::Result<[u8; 16]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    parse_boot_id(text.trim()).ok_or_else(|| invalid("boot id"))
}

fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|&c| c != '-').collect();
    if digits.len() != 32 {
        return None;
    }
    u128::from_str_radix(&digits, 16)
        .ok()
        .map(u128::to_be_bytes)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("/proc holds no valid {what}"),
    )
}

/// Which process `pid` is at the moment. Hold its pidfd first, or it may be another one by the time of an answer.
///
/// # Errors
/// `NotFound` where there is no such process.
pub fn identity(pid: u32) -> io::Result<ProcessIdentity> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let start_time = parse_start_time(&stat).ok_or_else(|| invalid("process status"))?;
    Ok(ProcessIdentity {
        pid,
        start_time,
        pid_namespace: pid_namespace(pid),
    })
}

/// The start time in the text of /proc/PID/stat: the 22nd field. The second, the command, may hold anything but ends with the
/// last parenthesis.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, behind_command) = stat.rsplit_once(')')?;
    behind_command
        .split_ascii_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

/// The inode of a process's pid namespace; zero where it may not be looked at.
fn pid_namespace(pid: u32) -> u64 {
    fs::metadata(format!("/proc/{pid}/ns/pid")).map_or(0, |metadata| metadata.ino())
}

/// Opens a pidfd for the process number `pid`; `None` where no process has it.
///
/// # Errors
/// What the kernel says, for instance where a sandbox refuses the call.
pub fn open_pidfd(pid: u32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(Errno::SRCH | Errno::INVAL) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens a pidfd for exactly this process; `None` where it is gone, whoever has its number now.
///
/// # Errors
/// What the kernel says.
pub fn open_known(known: ProcessIdentity) -> io::Result<Option<OwnedFd>> {
    let Some(pidfd) = open_pidfd(known.pid)? else {
        return Ok(None);
    };
    // The pidfd keeps the number from being reused for another process, so what /proc says now is said of its process.
    match identity(known.pid) {
        Ok(found) if found.start_time == known.start_time => Ok(Some(pidfd)),
        Ok(_) => Ok(None),
        Err(error) if is_gone_error(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reading below /proc/PID of a process that ends meanwhile gives ESRCH rather than ENOENT.
fn is_gone_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// Whether the process behind `pidfd` has ended.
///
/// # Errors
/// What the kernel says.
pub fn has_ended(pidfd: impl AsFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(rustix::io::retry_on_intr(|| poll(&mut polled, Some(&at_once)))? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn boot_ids_are_parsed() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
        assert_eq!(
            parse_boot_id("00000000-0000-0000-0000-0000000000ff").unwrap()[15],
            255
        );
        assert_eq!(parse_boot_id("00-ff"), None);
        assert_eq!(parse_boot_id(&"x".repeat(32)), None);
    }

    #[test]
    fn start_times_survive_hostile_command_names() {
        let fields: Vec<String> = (3..=52).map(|field| field.to_string()).collect();
        let stat = format!("7 (a) R 1 (b) {}", fields.join(" "));
        assert_eq!(parse_start_time(&stat), Some(22));
        assert_eq!(parse_start_time("7 (a) R 1"), None);
    }

    #[test]
    fn a_process_is_known_until_it_is_gone() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let known = identity(child.id()).unwrap();
        assert_eq!(
            known.pid_namespace,
            identity(std::process::id()).unwrap().pid_namespace
        );
        let pidfd = open_known(known).unwrap().unwrap();
        assert!(!has_ended(&pidfd).unwrap());
        let other = ProcessIdentity {
            start_time: known.start_time + 1,
            ..known
        };
        assert!(open_known(other).unwrap().is_none());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(has_ended(&pidfd).unwrap());
        assert!(open_known(known).unwrap().is_none());
    }
}
