//! How much memory a family of processes takes, shared pages counted once.

use std::fs;
use std::io;

/// What the kernel says of one process, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Share {
    private_and_files: u64,
    shared_memory: u64,
}

/// Bytes that this process and all of its descendants take together, with `arena_bytes` populated in the arena.
///
/// The kernel divides each page among those who map it, so the sum counts it once. Pages of the arena that nobody has touched
/// through a mapping are in no sum, so the arena counts whole if that is more.
///
/// # Errors
/// Where the kernel does not list its processes.
pub fn family_bytes(arena_bytes: u64) -> io::Result<u64> {
    let parents = parents()?;
    let own = std::process::id();
    let mut total = Share::default();
    for &(pid, _) in parents
        .iter()
        .filter(|&&(pid, _)| descends(pid, own, &parents))
    {
        // A process that ended meanwhile takes nothing.
        let share = share(pid).unwrap_or_default();
        total.private_and_files += share.private_and_files;
        total.shared_memory += share.shared_memory;
    }
    Ok(total.private_and_files + total.shared_memory.max(arena_bytes))
}

/// Every process with its parent.
fn parents() -> io::Result<Vec<(u32, u32)>> {
    let pids =
        fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(|pid| Some((pid, parent(pid)?))).collect())
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, which may hold anything, ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn descends(pid: u32, ancestor: u32, parents: &[(u32, u32)]) -> bool {
    let mut current = pid;
    // Processes come and go while they are listed, so a chain of parents need not be one: it ends somewhere.
    for _ in 0..64 {
        if current == ancestor {
            return true;
        }
        match parents.iter().find(|(pid, _)| *pid == current) {
            Some(&(_, parent)) => current = parent,
            None => return false,
        }
    }
    false
}

fn share(pid: u32) -> Option<Share> {
    Some(parse(
        &fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?,
    ))
}

fn parse(rollup: &str) -> Share {
    let bytes = |name: &str| {
        rollup
            .lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .trim()
                    .strip_suffix("kB")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or(0u64)
            * 1024
    };
    Share {
        private_and_files: bytes("Pss_Anon:") + bytes("Pss_File:"),
        shared_memory: bytes("Pss_Shmem:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read() {
        let text = "00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss: 99 kB\nPss: 60 kB\nPss_Anon:      10 kB\n\
                    Pss_File:      20 kB\nPss_Shmem:     30 kB\nShared_Clean: 1 kB\n";
        assert_eq!(
            parse(text),
            Share {
                private_and_files: 30 * 1024,
                shared_memory: 30 * 1024
            }
        );
    }

    #[test]
    fn a_family_is_counted_with_its_children() {
        let alone = family_bytes(0).unwrap();
        assert!(alone > 0);
        assert!(family_bytes(1 << 40).unwrap() >= 1 << 40);
    }

    #[test]
    fn chains_of_parents_are_followed_and_loops_end() {
        let parents = [(2, 1), (3, 2), (8, 9), (9, 8)];
        assert!(descends(3, 1, &parents));
        assert!(!descends(8, 1, &parents));
        assert!(!descends(7, 1, &parents));
    }
}
