//! Private arenas: a supervisor at the other end of a socket pair.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use arena_core::protocol::Backing;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;

use crate::peer::Peer;
use crate::process::{Daemon, pidfd_of, private_dir, program, wait_for_end};

/// Starts a private supervisor under the name that a program which links the daemon's library gives it.
fn embed(dir: &std::path::Path) -> (Daemon, Peer) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    fcntl_setfd(&theirs, FdFlags::empty()).unwrap();
    let mut command = program();
    command
        .arg0("arenad")
        .args([
            "--size",
            "64MiB",
            "--workers",
            "1",
            "--log-level",
            "info",
            "--embedded",
        ])
        .arg(theirs.as_raw_fd().to_string())
        .stdout(Stdio::null());
    let daemon = Daemon::spawn(&mut command, dir);
    (daemon, Peer::over(ours))
}

fn connect_abstract(address: &str) -> Peer {
    let name = address.strip_prefix('@').unwrap();
    let address = SocketAddr::from_abstract_name(name).unwrap();
    Peer::over(UnixStream::connect_addr(&address).unwrap())
}

#[test]
fn it_serves_its_client_and_those_that_learn_the_address_and_ends_with_them() {
    let dir = private_dir();
    let (mut daemon, mut peer) = embed(dir.path());
    let welcome = peer.greet();
    assert_eq!(welcome.arena.backing, Backing::Memfd);
    assert_eq!(welcome.arena.name, None);
    daemon.wait_for_line(" ready");
    assert_eq!(daemon.children("worker private").len(), 2);

    let mut other = connect_abstract(&welcome.address);
    assert_eq!(other.greet().arena.id, welcome.arena.id);
    drop(peer);
    other.stats();
    let pidfds: Vec<OwnedFd> = daemon
        .children("")
        .iter()
        .map(|pid| pidfd_of(*pid))
        .collect();
    other.descriptors.clear();
    drop(other);
    let (code, log) = daemon.wait_for_exit();
    assert_eq!(code, 0, "{log}");
    for pidfd in &pidfds {
        wait_for_end(pidfd);
    }
}

#[test]
fn it_ignores_a_terminal_s_interrupt() {
    let dir = private_dir();
    let (mut daemon, mut peer) = embed(dir.path());
    peer.greet();
    daemon.signal(Signal::INT);
    peer.stats();
    daemon.signal(Signal::TERM);
    let (code, _) = daemon.wait_for_exit();
    assert_eq!(code, 0);
}
