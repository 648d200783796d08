//! The demo: right results whatever dies, and nothing left of it.

use std::io::Read;
use std::process::{Child, Stdio};

use crate::support::{Place, npy};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;

fn check(report: &Value, bytes: u64) {
    assert_eq!(report["results_ok"], true, "{report}");
    assert_eq!(report["bytes"], bytes);
    assert!(
        matches!(report["page_size"].as_u64(), Some(4096 | 2_097_152)),
        "{report}"
    );
    for key in [
        "workers",
        "put_seconds",
        "sum_seconds",
        "std_seconds",
        "update_seconds",
        "serialised_seconds",
        "sum_gb_per_s",
        "read_limit_gb_per_s",
        "copy_limit_gb_per_s",
        "speedup",
        "memory_total_bytes",
    ] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}: {report}");
    }
    assert!(report["arena_offset"].is_u64(), "{report}");
    assert!(
        report["memory_total_bytes"].as_u64().unwrap() >= bytes,
        "{report}"
    );
}

#[test]
fn the_demo_computes_what_a_single_process_does() {
    let report = Place::new()
        .run(&["demo", "--size", "64MiB", "--workers", "2", "--json"])
        .json();
    check(&report, 64 << 20);
    assert_eq!(report["workers"], 2);
    assert_eq!(report["dtype"], "float64");
}

#[test]
fn the_table_tells_steps_and_limits() {
    let table = Place::new().run(&["demo", "--size", "8MiB"]);
    for word in [
        "put",
        "sum",
        "std",
        "in place",
        "pipes",
        "GB/S",
        "limit",
        "memory",
        "single process",
    ] {
        assert!(table.text().contains(word), "{word}: {}", table.stdout);
    }
}

#[test]
fn a_file_of_the_users_is_taken() {
    let place = Place::new();
    let numbers: Vec<u8> = (0..300_000u32)
        .flat_map(|i| (i as f32 * 0.25 - 7.0).to_le_bytes())
        .collect();
    place.write("points.npy", &npy("<f4", false, &[100_000, 3], &numbers));
    let report = place
        .run(&["demo", "--file", "points.npy", "--json"])
        .json();
    check(&report, 1_200_000);
    assert_eq!(report["dtype"], "float32");
}

#[test]
fn what_the_demo_cannot_use_is_refused() {
    let place = Place::new();
    place.write("ints.npy", &npy("<i4", false, &[2], &[0; 8]));
    assert!(
        place
            .run(&["demo", "--file", "ints.npy"])
            .complaint(7)
            .contains("float")
    );
    place.write("none.npy", &npy("<f8", false, &[0], &[]));
    assert!(
        place
            .run(&["demo", "--file", "none.npy"])
            .complaint(7)
            .contains("empty")
    );
    assert!(
        place
            .run(&["demo", "--size", "900TiB"])
            .complaint(6)
            .contains("--size")
    );
}

#[test]
fn workers_may_be_killed_at_any_time() {
    let place = Place::new();
    let mut child = start(&place, "256MiB");
    let mut killed = 0;
    while killed < 8 && child.try_wait().unwrap().is_none() {
        let is_computing = |pid: &Pid| cpu_ns(*pid) > 10_000_000;
        for worker in descendants(child.id(), "worker")
            .into_iter()
            .filter(is_computing)
        {
            killed += u32::from(kill_process(worker, Signal::KILL).is_ok());
        }
    }
    let mut report = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut report)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{report}");
    let report = serde_json::from_str(&report).unwrap();
    check(&report, 256 << 20);
    assert!(
        killed > 0 && report["workers_died"].as_u64() > Some(0),
        "{killed}: {report}"
    );
}

#[test]
fn nothing_is_left_of_a_demo_that_is_killed() {
    let place = Place::new();
    let mut child = start(&place, "256MiB");
    // One of each kind: the daemon and its workers, and those of the serialised way.
    let mut family = Vec::new();
    while family.len() < 3 {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was killed"
        );
        family = ["--embedded", "worker", "demo-worker"]
            .into_iter()
            .filter_map(|word| descendants(child.id(), word).first().copied())
            .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            .collect();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for process in &family {
        // A pidfd is readable when its process has ended; the test's watchdog bounds the wait.
        poll(&mut [PollFd::new(process, PollFlags::IN)], None).unwrap();
    }
}

fn start(place: &Place, size: &str) -> Child {
    place
        .arenactl()
        .args(["demo", "--size", size, "--workers", "2", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How long a process has computed; nothing if it has ended.
fn cpu_ns(pid: Pid) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/schedstat", pid.as_raw_nonzero()));
    let stat = stat.unwrap_or_default();
    stat.split(' ')
        .next()
        .and_then(|ns| ns.parse().ok())
        .unwrap_or(0)
}

/// The descendants of `ancestor` that have `word` among their arguments.
fn descendants(ancestor: u32, word: &str) -> Vec<Pid> {
    let processes: Vec<(u32, u32, Vec<String>)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(describe)
        .collect();
    let parent_of = |pid| processes.iter().find(|row| row.0 == pid).map(|row| row.1);
    let descends = |pid| {
        std::iter::successors(Some(pid), |pid| parent_of(*pid))
            .take(20)
            .any(|pid| pid == ancestor)
    };
    processes
        .iter()
        .filter(|(pid, _, words)| {
            words.iter().any(|w| w == word) && *pid != ancestor && descends(*pid)
        })
        .filter_map(|(pid, _, _)| Pid::from_raw(*pid as i32))
        .collect()
}

fn describe(pid: u32) -> Option<(u32, u32, Vec<String>)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = stat
        .rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    Some((pid, parent, words.split('\0').map(str::to_owned).collect()))
}
