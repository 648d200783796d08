//! `arenactl doctor`.

use arena_core::probe::{Feature, Probe};
use arena_core::{BLOCK_BYTES, scope};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::error::CliError;
use crate::screen::{Column, Screen, pairs, table};
use crate::units::Bytes;

/// Find out what this kernel and this sandbox give, what each lack costs, and how to mend it
///
/// Everything is tried, nothing is changed, no daemon is needed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  arenactl doctor")]
pub(crate) struct Doctor {}

/// Something that is as it should be, or not.
#[derive(Serialize, Debug)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
    /// What it costs, where it is not as it should be.
    cost: Option<String>,
    /// What can be done about it.
    remedy: Option<String>,
}

impl Doctor {
    pub(crate) fn run(self, screen: Screen) -> Result<(), CliError> {
        let probe = Probe::run();
        let checks = checks(&probe);
        let document = json!({
            "ok": checks.iter().all(|check| check.ok),
            "checks": checks,
            "probe": probe,
        });
        screen.show(&document, || to_text(&probe, &checks))
    }
}

fn checks(probe: &Probe) -> Vec<Check> {
    let mut checks: Vec<Check> = probe.features.iter().map(feature_check).collect();
    checks.push(page_check(probe));
    checks.push(dev_shm_check(probe));
    checks.push(cgroup_check(probe));
    checks.push(run_directory_check());
    checks
}

impl Check {
    fn passed(name: &'static str, found: String) -> Self {
        Self {
            name,
            ok: true,
            found,
            cost: None,
            remedy: None,
        }
    }

    fn failed(name: &'static str, found: String, cost: String, remedy: String) -> Self {
        Self {
            name,
            ok: false,
            found,
            cost: Some(cost),
            remedy: Some(remedy),
        }
    }
}

fn feature_check(feature: &Feature) -> Check {
    match &feature.error {
        None => Check::passed(feature.name, "works".to_owned()),
        Some(error) => Check::failed(
            feature.name,
            error.clone(),
            feature.without.to_owned(),
            format!(
                "a kernel from {} on; if this one is newer, a sandbox (container, seccomp) refuses the call and must allow it",
                feature.since
            ),
        ),
    }
}

fn page_check(probe: &Probe) -> Check {
    let setting = probe.shmem_enabled.as_deref().unwrap_or("unknown");
    let name = "2 MiB pages";
    if probe.page_bytes == BLOCK_BYTES {
        return Check::passed(name, format!("obtained (shmem_enabled: {setting})"));
    }
    let found = match probe.page_bytes {
        0 => "no memory was to be had".to_owned(),
        bytes => format!("{} pages (shmem_enabled: {setting})", Bytes(bytes)),
    };
    Check::failed(
        name,
        found,
        "first touch is 13 times slower, mapping by another process 100 times, noticing a death 100 times".to_owned(),
        "as root: echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled; or give the daemon a --dir on a tmpfs that was mounted with huge=always".to_owned(),
    )
}

/// A named arena is half of the memory unless told otherwise.
fn dev_shm_check(probe: &Probe) -> Check {
    let name = "/dev/shm";
    let Some(bytes) = probe.dev_shm_bytes else {
        return Check::failed(
            name,
            "missing".to_owned(),
            "no named arenas; private ones (demo, embedded clients) work".to_owned(),
            "mount a tmpfs there, or start the daemon with --dir".to_owned(),
        );
    };
    let free = probe.dev_shm_free_bytes.unwrap_or(bytes);
    let found = format!("{}, {} free", Bytes(bytes), Bytes(free));
    let wanted = probe
        .cgroup_limit_bytes
        .into_iter()
        .chain(probe.memory_bytes)
        .min()
        .unwrap_or(0)
        / 2;
    // Half of the memory is the kernel's default for /dev/shm too; rounding must not make it a fault.
    if free >= wanted - wanted / 8 {
        return Check::passed(name, found);
    }
    Check::failed(
        name,
        found,
        format!(
            "a named arena of the default size, {}, can't be filled",
            Bytes(wanted)
        ),
        format!(
            "as root: mount -o remount,size={} /dev/shm (docker: --shm-size); or start the daemon with a smaller --size or a --dir",
            wanted.next_multiple_of(BLOCK_BYTES)
        ),
    )
}

fn cgroup_check(probe: &Probe) -> Check {
    let found = match probe.cgroup_limit_bytes {
        None => "no limit".to_owned(),
        Some(limit) => format!(
            "limited to {}, which is what arenas are sized by",
            Bytes(limit)
        ),
    };
    Check::passed("memory cgroup", found)
}

fn run_directory_check() -> Check {
    let name = "run directory";
    match scope::ensure_run_directory() {
        Ok(path) => Check::passed(name, path.display().to_string()),
        Err(error) => Check::failed(
            name,
            error.to_string(),
            "no daemon can listen at the default socket".to_owned(),
            "set XDG_RUNTIME_DIR to a directory of yours, or use --socket".to_owned(),
        ),
    }
}

fn to_text(probe: &Probe, checks: &[Check]) -> String {
    let mut parts = vec![machine_text(probe), table_text(checks)];
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.ok).collect();
    if failed.is_empty() {
        parts.push("everything is as it should be".to_owned());
    }
    parts.extend(failed.into_iter().map(lack_text));
    parts.join("\n\n")
}

fn machine_text(probe: &Probe) -> String {
    let memory = probe
        .memory_bytes
        .map_or_else(|| "unknown".to_owned(), |bytes| Bytes(bytes).to_string());
    let pages = match probe.page_bytes {
        0 => "none".to_owned(),
        bytes => Bytes(bytes).to_string(),
    };
    pairs([
        ("kernel", probe.kernel.clone()),
        ("cores", probe.cores.to_string()),
        ("memory", memory),
        ("pages of an arena", pages),
    ])
}

fn table_text(checks: &[Check]) -> String {
    table(
        [
            Column::Left("CHECK"),
            Column::Left(""),
            Column::Left("FOUND"),
        ],
        checks.iter().map(|check| {
            [
                check.name.to_owned(),
                if check.ok { "ok" } else { "LACKS" }.to_owned(),
                check.found.clone(),
            ]
        }),
        "",
    )
}

fn lack_text(check: &Check) -> String {
    format!(
        "{}\n  costs: {}\n  mend:  {}",
        check.name,
        check.cost.as_deref().unwrap_or("nothing"),
        check.remedy.as_deref().unwrap_or("nothing")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Probe {
        Probe {
            kernel: "6.18".to_owned(),
            features: Vec::new(),
            page_bytes: BLOCK_BYTES,
            shmem_enabled: Some("advise".to_owned()),
            dev_shm_bytes: Some(12 << 30),
            dev_shm_free_bytes: Some(12 << 30),
            memory_bytes: Some(24 << 30),
            cgroup_limit_bytes: None,
            cores: 2,
        }
    }

    #[test]
    fn a_small_dev_shm_is_found_with_its_remedy() {
        assert!(dev_shm_check(&healthy()).ok);
        let small = Probe {
            dev_shm_bytes: Some(8 << 20),
            dev_shm_free_bytes: Some(8 << 20),
            ..healthy()
        };
        let check = dev_shm_check(&small);
        assert!(!check.ok && check.remedy.unwrap().contains("remount"));
        let small_container = Probe {
            cgroup_limit_bytes: Some(16 << 20),
            ..small
        };
        assert!(dev_shm_check(&small_container).ok);
    }

    #[test]
    fn small_pages_and_missing_calls_are_lacks() {
        assert!(page_check(&healthy()).ok);
        let small = Probe {
            page_bytes: 4096,
            ..healthy()
        };
        assert!(!page_check(&small).ok);
        let feature = Feature {
            name: "MADV_COLLAPSE",
            since: "6.1",
            works: false,
            error: Some("invalid argument".to_owned()),
            without: "4 KiB pages",
        };
        let check = feature_check(&feature);
        assert!(lack_text(&check).contains("4 KiB pages"));
        assert!(lack_text(&check).contains("6.1"));
    }
}
