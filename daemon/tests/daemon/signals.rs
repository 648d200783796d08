//! Signals, and the log.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use arena_core::protocol::{FromSupervisor, Notice, Request};
use rustix::process::Signal;

use crate::peer::Peer;
use crate::process::{Daemon, private_dir};

#[test]
fn termination_drains() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    let (mut peer, _) = Peer::session(&daemon.socket);
    daemon.signal(Signal::TERM);
    assert_eq!(
        peer.receive(),
        Some(FromSupervisor::Notice(Notice::Draining))
    );
    let (code, log) = daemon.wait_for_exit();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("draining"), "{log}");
    while peer.receive().is_some() {}
}

#[test]
fn a_hangup_reads_the_configuration_again() {
    let dir = private_dir();
    let config = dir.path().join("arenad.toml");
    fs::write(&config, "[log]\nlevel = \"info\"\n").unwrap();
    let mut daemon = Daemon::start_with(dir.path(), &["--config", config.to_str().unwrap()]);

    fs::write(&config, "[log]\nlevel = \"infos\"\n").unwrap();
    daemon.signal(Signal::HUP);
    let line = daemon.wait_for_line("kept as it was");
    assert!(line.contains("infos"), "{line}");

    fs::write(&config, "[log]\nformat = \"json\"\n[sessions]\nmax = 1\n").unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_for_line("next start log.format");
    daemon.wait_for_line("read again");
    let (mut peer, _) = Peer::session(&daemon.socket);
    let mut surplus = Peer::connect(&daemon.socket);
    surplus.refusal();
    peer.request(Request::Stats).unwrap();
    daemon.stop();
}

#[test]
fn json_lines_parse_and_escape_what_peers_write() {
    let dir = private_dir();
    let mut daemon = Daemon::start_with(
        dir.path(),
        &["--log-format", "json", "--log-level", "debug"],
    );
    let (mut peer, welcome) = Peer::session(&daemon.socket);
    peer.request(Request::Stats).unwrap();
    drop(peer);
    let line = daemon.wait_for_line("session closed");
    let session = welcome.session.0;
    assert!(line.contains(&format!("\"session\":{session}")), "{line}");
    let log = daemon.stop();
    assert!(log.len() >= 4);
    for line in &log {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let fields = &value["fields"];
        assert!(
            value["level"].is_string() && fields["message"].is_string(),
            "{line}"
        );
    }
}

/// Nobody reads standard error, and its pipe is full: the daemon serves on, and tells of what was lost later.
#[test]
fn a_full_log_stops_nobody() {
    let dir = private_dir();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Daemon::command(dir.path());
    command
        .args(["--log-format", "json"])
        .stdin(Stdio::null())
        .stderr(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    let mut child = command.spawn().unwrap();
    let socket = dir.path().join("test.sock");
    while UnixStream::connect(&socket).is_err() {
        std::thread::yield_now();
    }
    // Each session writes at least 400 bytes; socket and queue hold less than 1.5 MiB.
    for _ in 0..4_000 {
        drop(Peer::session(&socket));
    }
    let (mut peer, _) = Peer::session(&socket);
    peer.stats();
    let reader = std::thread::spawn(move || {
        let lines = std::io::BufRead::lines(std::io::BufReader::new(ours));
        lines
            .map_while(Result::ok)
            .any(|line| line.contains("lines were dropped"))
    });
    assert!(reader.join().unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
}
