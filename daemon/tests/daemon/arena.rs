//! The arena over the life of several daemons, and under attack.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::peer::Peer;
use crate::process::{Daemon, private_dir};

fn part(dir: &Path, part: &str) -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    dir.join(format!("arenad.{uid}.test.{part}"))
}

fn put(peer: &mut Peer, name: &str, value: f64) -> arena_core::protocol::Object {
    let object = peer.create(Some(name), 1000);
    let data = File::from(peer.descriptors[0].try_clone().unwrap());
    data.write_all_at(
        &value.to_ne_bytes().repeat(1000),
        object.extent.offset.get(),
    )
    .unwrap();
    peer.seal(object.id)
}

#[test]
fn what_is_sealed_is_served_again_after_a_kill() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    let (mut peer, first) = Peer::session(&daemon.socket);
    let object = put(&mut peer, "kept", 2.0);
    peer.create(Some("unsealed"), 1000);
    daemon.signal(Signal::KILL);
    daemon.wait();

    let daemon = Daemon::start(dir.path());
    let (mut again, second) = Peer::session(&daemon.socket);
    assert_eq!(first.arena, second.arena);
    assert!(second.session > first.session);
    let kept = again.get("kept");
    assert_eq!((kept.id, kept.extent), (object.id, object.extent));
    let ran = again.run("sum", "kept");
    assert!(format!("{:?}", ran.value).contains("2000"), "{ran:?}");
    let sum = again.stats().memory.total_bytes();
    assert_eq!(sum, second.arena.bytes);
    drop(peer);
    daemon.stop();
}

#[test]
fn damaged_and_foreign_files_are_refused_with_what_to_do() {
    let dir = private_dir();
    Daemon::start(dir.path()).stop();
    let table = part(dir.path(), "table");
    let good = fs::read(&table).unwrap();

    // A byte of the header's checked part.
    let mut bad = good.clone();
    bad[40] ^= 1;
    fs::write(&table, &bad).unwrap();
    let (code, log) = Daemon::spawn(&mut Daemon::command(dir.path()), dir.path()).wait_for_exit();
    assert_eq!(code, 6, "{log}");
    assert!(log.contains("arenactl arena rm test"), "{log}");
    fs::write(&table, &good).unwrap();

    let data = part(dir.path(), "data");
    OpenOptions::new()
        .write(true)
        .open(&data)
        .unwrap()
        .set_len(4096)
        .unwrap();
    let (code, log) = Daemon::spawn(&mut Daemon::command(dir.path()), dir.path()).wait_for_exit();
    assert_eq!(code, 6, "{log}");
}

/// A file that is shrunk under a running daemon is no crash: the daemon says so to its sessions and ends with a code of its own.
#[test]
fn a_shrunk_file_ends_the_daemon_in_order() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    let (mut peer, _) = Peer::session(&daemon.socket);
    daemon.wait_for_line(" ready");
    OpenOptions::new()
        .write(true)
        .open(part(dir.path(), "table"))
        .unwrap()
        .set_len(0)
        .unwrap();
    // The session's row is written.
    Peer::connect(&daemon.socket).send(&hello());
    let (code, log) = daemon.wait_for_exit();
    assert_eq!(code, 8, "{log}");
    let mut seen = Vec::new();
    while let Some(message) = peer.receive() {
        seen.push(message);
    }
    let damaged =
        arena_core::protocol::FromSupervisor::Notice(arena_core::protocol::Notice::Damaged);
    assert!(seen.contains(&damaged), "{seen:?}");
}

fn hello() -> arena_core::protocol::ToSupervisor {
    arena_core::protocol::ToSupervisor::Hello(arena_core::protocol::Hello {
        protocol: arena_core::protocol::PROTOCOL_VERSION,
        program: "test".to_owned(),
        resume: None,
    })
}
