//! How much memory there is: of the machine, and of the memory cgroups that this process is in.
//!
//! A cgroup's limit counts like a smaller machine: whoever populates more than it allows is killed. The files are those of
//! version 2 and of version 1; a process may be in either, under a mount that shows the whole tree or only its own part.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What /proc/meminfo says of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineMemory {
    /// All of it.
    pub total_bytes: u64,
    /// What can be had without swapping, as the kernel estimates it.
    pub available_bytes: u64,
}

impl MachineMemory {
    /// Reads /proc/meminfo.
    ///
    /// # Errors
    /// Where it cannot be read or lacks a line.
    pub fn read() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/meminfo")?;
        Self::parse(&text).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "/proc/meminfo lacks MemTotal or MemAvailable",
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<u64>()
                .ok()?
                .checked_mul(1024)
        };
        Some(Self {
            total_bytes: bytes("MemTotal:")?,
            available_bytes: bytes("MemAvailable:")?,
        })
    }
}

/// Which cgroup interface a level speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The memory cgroups of this process: its own and all above that can be seen.
#[derive(Debug, Clone, Default)]
pub struct CgroupChain {
    levels: Vec<(PathBuf, Version)>,
}

/// A cgroup's limit and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupRoom {
    /// The limit.
    pub limit_bytes: u64,
    /// What is left, counting file cache as free.
    pub available_bytes: u64,
}

impl CgroupChain {
    /// Finds the memory cgroups of this process. Without any, or without /proc, the chain is empty.
    #[must_use]
    pub fn discover() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::of(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
    }

    /// The chain that the texts of /proc/self/cgroup and /proc/self/mountinfo describe.
    pub(crate) fn of(cgroup: &str, mountinfo: &str) -> Self {
        let mut levels = Vec::new();
        for line in cgroup.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            let version = match controllers {
                "" => Version::Two,
                list if list.split(',').any(|controller| controller == "memory") => Version::One,
                _ => continue,
            };
            if let Some((mount, root)) = find_mount(mountinfo, version) {
                levels.extend(chain(&mount, &root, path).map(|level| (level, version)));
            }
        }
        Self { levels }
    }

    /// The smallest limit of the chain, if there is one.
    #[must_use]
    pub fn limit_bytes(&self) -> Option<u64> {
        self.levels
            .iter()
            .filter_map(|(level, version)| limit(level, *version))
            .min()
    }

    /// The level with the least room, if any has a limit.
    #[must_use]
    pub fn tightest(&self) -> Option<CgroupRoom> {
        self.levels
            .iter()
            .filter_map(|(level, version)| room(level, *version))
            .min_by_key(|room| room.available_bytes)
    }
}

/// Where the hierarchy is mounted, and which of its directories the mount shows.
fn find_mount(mountinfo: &str, version: Version) -> Option<(PathBuf, String)> {
    mountinfo.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut filesystem = filesystem.split(' ');
        let kind = filesystem.next()?;
        let options = filesystem.nth(1)?;
        let matches = match version {
            Version::Two => kind == "cgroup2",
            Version::One => kind == "cgroup" && options.split(',').any(|option| option == "memory"),
        };
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        matches.then(|| (PathBuf::from(point), root.to_owned()))
    })
}

/// The directories from the process's cgroup up to the mount.
fn chain(mount: &Path, root: &str, path: &str) -> impl Iterator<Item = PathBuf> {
    let below = match root {
        "/" => path,
        root => path.strip_prefix(root).unwrap_or(""),
    };
    let own = mount.join(below.trim_start_matches('/'));
    let mount = mount.to_owned();
    let up = own.ancestors().map(Path::to_owned).collect::<Vec<_>>();
    up.into_iter()
        .take_while(move |level| level.starts_with(&mount))
}

fn number(level: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(level.join(file))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn limit(level: &Path, version: Version) -> Option<u64> {
    match version {
        // "max" is no number and no limit.
        Version::Two => [number(level, "memory.max"), number(level, "memory.high")]
            .into_iter()
            .flatten()
            .min(),
        // No limit is a number near 2^63.
        Version::One => number(level, "memory.limit_in_bytes").filter(|&limit| limit < 1 << 60),
    }
}

fn room(level: &Path, version: Version) -> Option<CgroupRoom> {
    let limit_bytes = limit(level, version)?;
    let (usage, prefix) = match version {
        Version::Two => (number(level, "memory.current")?, ""),
        Version::One => (number(level, "memory.usage_in_bytes")?, "total_"),
    };
    let stat = fs::read_to_string(level.join("memory.stat")).unwrap_or_default();
    let cache: u64 = ["inactive_file", "active_file"]
        .iter()
        .filter_map(|key| stat_line(&stat, &format!("{prefix}{key}")))
        .sum();
    let used = usage.saturating_sub(cache);
    Some(CgroupRoom {
        limit_bytes,
        available_bytes: limit_bytes.saturating_sub(used),
    })
}

fn stat_line(stat: &str, key: &str) -> Option<u64> {
    stat.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
}

/// The memory that this process may count on: the machine's, or a cgroup's limit where that is less.
///
/// # Errors
/// Where /proc/meminfo cannot be read.
pub fn effective_bytes() -> io::Result<u64> {
    let machine = MachineMemory::read()?.total_bytes;
    Ok(CgroupChain::discover()
        .limit_bytes()
        .map_or(machine, |limit| limit.min(machine)))
}

#[cfg(test)]
pub(crate) mod fake {
    //! Cgroup hierarchies for tests.

    use std::fs;

    /// A fake hierarchy at a temporary directory.
    pub(crate) struct Tree(tempfile::TempDir);

    impl Tree {
        pub(crate) fn new(files: &[(&str, &str)]) -> Self {
            let tree = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = tree.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(tree)
        }

        pub(crate) fn mountinfo(&self, root: &str, filesystem: &str) -> String {
            format!(
                "30 20 0:26 {root} {} rw shared:4 - {filesystem}\n",
                self.0.path().display()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::Tree;
    use super::*;

    #[test]
    fn this_machine_has_memory() {
        let machine = MachineMemory::read().unwrap();
        assert!(machine.available_bytes <= machine.total_bytes);
        assert!(effective_bytes().unwrap() <= machine.total_bytes);
        assert_eq!(MachineMemory::parse("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn version_2_takes_the_tightest_level() {
        let tree = Tree::new(&[
            ("a/memory.max", "1000\n"),
            ("a/memory.current", "900\n"),
            (
                "a/memory.stat",
                "anon 1\ninactive_file 100\nactive_file 50\n",
            ),
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.high", "800\n"),
            ("a/b/memory.current", "100\n"),
        ]);
        let mounts = tree.mountinfo("/", "cgroup2 cgroup2 rw");
        let chain = CgroupChain::of("0::/a/b\n", &mounts);
        assert_eq!(chain.limit_bytes(), Some(800));
        let room = CgroupRoom {
            limit_bytes: 1000,
            available_bytes: 250,
        };
        assert_eq!(chain.tightest(), Some(room));
        assert_eq!(CgroupChain::of("0::/\n", &mounts).limit_bytes(), None);
    }

    #[test]
    fn version_1_in_a_container_sees_its_own_part() {
        let tree = Tree::new(&[
            ("memory.limit_in_bytes", "5000\n"),
            ("memory.usage_in_bytes", "4000\n"),
            ("memory.stat", "inactive_file 1\ntotal_inactive_file 500\n"),
            ("inner/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let mounts = tree.mountinfo("/docker/x", "cgroup cgroup rw,memory");
        let text = "5:cpu:/\n4:memory:/docker/x/inner\n0::/docker/x\n";
        let chain = CgroupChain::of(text, &mounts);
        let room = CgroupRoom {
            limit_bytes: 5000,
            available_bytes: 1500,
        };
        assert_eq!(chain.tightest(), Some(room));
    }
}
