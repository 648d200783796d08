//! Workers and groomer: the daemon's own processes.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, getsid, kill_process, pidfd_send_signal};

use crate::peer::Peer;
use crate::process::{Daemon, pidfd_of, private_dir, title, wait_for_end};

fn ready(daemon: &mut Daemon) -> Vec<u32> {
    daemon.wait_for_line(" ready");
    daemon.children("worker")
}

#[test]
fn workers_show_their_arena_and_slot_in_sessions_of_their_own() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    let workers = ready(&mut daemon);
    let mut titles: Vec<String> = workers.iter().map(|pid| title(*pid)).collect();
    titles.sort();
    let expected: Vec<String> = (0..titles.len())
        .map(|slot| format!("arenad worker test {slot}"))
        .collect();
    assert_eq!(titles, expected);
    assert!(titles.len() >= 2);
    let groomers = daemon.children("groomer test");
    assert_eq!(groomers.len(), 1);
    for pid in workers.iter().chain(&groomers) {
        let raw = Pid::from_raw(pid.cast_signed());
        assert_eq!(getsid(raw).unwrap(), raw.unwrap());
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        assert_eq!(name, "arenad\n");
    }
    daemon.stop();
}

#[test]
fn children_have_only_their_own_descriptors() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    for pid in ready(&mut daemon) {
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = std::fs::read_link(entry.unwrap().path()).unwrap();
            let target = target.to_str().unwrap();
            let is_foreign = ["lock", "table", "eventpoll", "pidfd"]
                .iter()
                .any(|part| target.ends_with(part));
            assert!(!is_foreign, "{target}");
        }
    }
    daemon.stop();
}

#[test]
fn the_end_of_the_daemon_ends_its_children() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    let mut pids = ready(&mut daemon);
    pids.extend(daemon.children("groomer"));
    let pidfds: Vec<OwnedFd> = pids.iter().map(|pid| pidfd_of(*pid)).collect();
    daemon.signal(Signal::KILL);
    daemon.wait();
    for pidfd in &pidfds {
        wait_for_end(pidfd);
    }
}

/// A stopped worker does not look at its socket, so only its parent's death can end it.
#[test]
fn the_end_of_the_daemon_ends_a_busy_child() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    let pidfd = pidfd_of(ready(&mut daemon)[0]);
    pidfd_send_signal(&pidfd, Signal::STOP).unwrap();
    daemon.signal(Signal::KILL);
    daemon.wait();
    wait_for_end(&pidfd);
}

#[test]
fn a_dead_worker_is_told_of_reaped_and_replaced() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    let victim = ready(&mut daemon)[0];
    let pidfd = pidfd_of(victim);
    kill_process(Pid::from_raw(victim.cast_signed()).unwrap(), Signal::KILL).unwrap();
    wait_for_end(&pidfd);
    let line = daemon.wait_for_line("a worker died");
    assert!(line.contains("signal 9 (SIGKILL)"), "{line}");
    let (mut peer, _) = Peer::session(&daemon.socket);
    let stats = peer.stats();
    assert_eq!(stats.counters.workers_died, 1);
    // Reaped: no process has the number any more, not even a dead one.
    assert!(!std::path::Path::new(&format!("/proc/{victim}")).exists());
    daemon.stop();
}
