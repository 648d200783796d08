//! `arenactl demo`: right results, whatever is killed, and nothing left when it is killed itself.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use arena_tests::{Outcome, Process, Site, program, until};

/// Keys that its users may rely on.
const KEYS: [&str; 13] = [
    "bytes",
    "workers",
    "page_size",
    "put_seconds",
    "sum_seconds",
    "sum_gb_per_s",
    "read_limit_gb_per_s",
    "copy_limit_gb_per_s",
    "serialised_seconds",
    "speedup",
    "memory_total_bytes",
    "results_ok",
    "arena_offset",
];

fn demo(site: &Site, size: &str) -> Command {
    // Without a daemon's program: arenactl is all that a demo needs.
    let mut command = site.command(program("arenactl"));
    command
        .env_remove("ARENAD_BIN")
        .args(["demo", "--size", size, "--workers", "2", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn workers(site: &Site) -> Vec<Process> {
    let mut processes = site.processes();
    processes.retain(|process| process.command_line().starts_with("arenad worker "));
    processes
}

/// Files of private arenas: there are never any.
fn private_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev/shm").unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".private."))
        .collect()
}

/// No process, no file, and so, as memfds end with their last user, no memory.
fn assert_nothing_is_left(site: &Site) {
    let (_, took) = until(|| site.processes().is_empty().then_some(()));
    println!("nothing was left after {took:?}");
    assert_eq!(private_files(), Vec::<PathBuf>::new());
    let left: Vec<_> = std::fs::read_dir(site.directory()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_demo_needs_nothing_and_tells_all_its_figures() {
    let site = Site::new();
    let report = Outcome::of(&mut demo(&site, "64MiB")).json();
    for key in KEYS {
        assert!(!report[key].is_null(), "{key}: {report:#}");
    }
    assert_eq!(report["bytes"], 64 << 20);
    assert_eq!(report["workers"], 2);
    assert_eq!(report["results_ok"], true);
    assert_nothing_is_left(&site);
}

#[test]
fn a_demo_takes_real_data() {
    let site = Site::new();
    let mut command = site.command(program("arenactl"));
    command
        .arg("demo")
        .arg("--file")
        .arg(arena_tests::testdata("longitudes.npy"));
    let report = Outcome::of(command.arg("--json")).json();
    assert_eq!(report["dtype"], "float32");
    assert_eq!(report["results_ok"], true);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a moment is chosen, nothing is waited for"
)]
#[test]
fn workers_killed_at_any_moments_change_no_result() {
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut killed = 0;
    for _ in 0..3 {
        let site = Site::new();
        let mut child = demo(&site, "16MiB").spawn().unwrap();
        until(|| (!workers(&site).is_empty()).then_some(()));
        while child.try_wait().unwrap().is_none() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if let Some(worker) = workers(&site).get((dice >> 33) as usize % 3) {
                worker.kill();
                killed += 1;
            }
            thread::sleep(Duration::from_millis(dice >> 57));
        }
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(outcome.json()["results_ok"], true);
        assert_nothing_is_left(&site);
    }
    println!("{killed} workers were killed in three demos");
    assert!(killed >= 3, "{killed}");
}

#[test]
fn all_workers_killed_at_once_change_no_result() {
    let site = Site::new();
    let child = demo(&site, "64MiB").spawn().unwrap();
    let (both, _) = until(|| Some(workers(&site)).filter(|workers| workers.len() >= 2));
    for worker in both {
        worker.kill();
    }
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert_eq!(outcome.json()["results_ok"], true);
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_client_of_a_private_arena_leaves_nothing() {
    for _ in 0..3 {
        let site = Site::new();
        let child = demo(&site, "64MiB").spawn().unwrap();
        until(|| (!workers(&site).is_empty()).then_some(()));
        kill(child);
        assert_nothing_is_left(&site);
    }
}

#[test]
fn all_processes_of_a_private_arena_killed_leave_nothing() {
    let site = Site::new();
    let child = demo(&site, "64MiB").spawn().unwrap();
    until(|| (workers(&site).len() >= 2).then_some(()));
    for process in site.processes() {
        process.kill();
    }
    kill(child);
    assert_nothing_is_left(&site);
}

#[test]
fn a_killed_supervisor_of_a_private_arena_is_told_and_leaves_nothing() {
    let site = Site::new();
    let mut puppet = site.loose_puppet();
    let supervisor = puppet.tell(&["embed", "67108864"]).parse().unwrap();
    puppet.tell(&["put", "x", "100", "7"]);
    Process::of(supervisor).unwrap().kill();
    // What it looks at stays valid; nothing else does.
    assert_eq!(puppet.tell(&["look", "x"]), "700");
    let error = puppet.ask(&["run", "sum", "x"]).unwrap_err();
    assert!(error.contains("gone"), "{error}");
    assert_eq!(puppet.tell(&["look", "x"]), "700");
    let own = puppet.process();
    until(|| (site.processes() == [own]).then_some(()));
}
