//! Peers that behave, and peers that don't.

use std::fs::{self, File};
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;

use arena_core::protocol::{
    FRAME_BYTES_MAX, Failure, Hello, PROTOCOL_VERSION, Request, ToSupervisor, Value,
};
use rustix::process::Signal;

use crate::peer::Peer;
use crate::process::{Daemon, private_dir};

fn protocol_detail(failure: Failure) -> String {
    match failure {
        Failure::Protocol { detail } | Failure::Refused { reason: detail } => detail,
        other => panic!("another failure: {other:?}"),
    }
}

#[test]
fn an_object_is_made_sealed_and_computed_on() {
    let dir = private_dir();
    let daemon = Daemon::start(dir.path());
    let (mut peer, welcome) = Peer::session(&daemon.socket);
    assert_eq!(welcome.descriptors.len(), peer.descriptors.len());
    assert_eq!(welcome.supervisor_pid, daemon.pid());
    assert_eq!(welcome.address, daemon.socket.to_str().unwrap());

    let object = peer.create(Some("ones"), 100_000);
    let data = File::from(peer.descriptors[0].try_clone().unwrap());
    let ones: Vec<u8> = 1f64.to_ne_bytes().repeat(100_000);
    std::os::unix::fs::FileExt::write_all_at(&data, &ones, object.extent.offset.get()).unwrap();
    peer.seal(object.id);

    let (mut other, _) = Peer::session(&daemon.socket);
    assert_eq!(other.get("ones").extent, object.extent);
    let ran = other.run("sum", "ones");
    assert!(
        matches!(ran.value, Some(Value::Float(sum)) if sum == 100_000.0),
        "{ran:?}"
    );
    daemon.stop();
}

#[test]
fn garbage_ends_its_session_with_a_reason_and_no_other() {
    let dir = private_dir();
    let daemon = Daemon::start(dir.path());
    let (mut bystander, _) = Peer::session(&daemon.socket);

    let too_long = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes();
    let (mut peer, _) = Peer::session(&daemon.socket);
    peer.stream.write_all(&too_long).unwrap();
    let detail = protocol_detail(peer.refusal());
    assert!(detail.contains("at most 1048576 bytes"), "{detail}");

    let mut no_message = 5u32.to_le_bytes().to_vec();
    no_message.extend_from_slice(b"\x81\xa3\xff\xff\xff");
    let mut before_hello = Peer::connect(&daemon.socket);
    before_hello.stream.write_all(&no_message).unwrap();
    let detail = protocol_detail(before_hello.refusal());
    assert!(detail.contains("not a known message"), "{detail}");

    let mut http = Peer::connect(&daemon.socket);
    http.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    http.refusal();

    bystander.stats();
    daemon.stop();
}

#[test]
fn surplus_descriptors_end_the_session_and_are_not_kept() {
    let dir = private_dir();
    let daemon = Daemon::start(dir.path());
    let (mut bystander, _) = Peer::session(&daemon.socket);
    let descriptors = || {
        fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count()
    };
    bystander.stats();
    let before = descriptors();

    let surplus: Vec<OwnedFd> = (0..16)
        .map(|_| File::open("/dev/null").unwrap().into())
        .collect();
    let mut peer = Peer::connect(&daemon.socket);
    peer.send_with_descriptors(&[0], &surplus);
    let detail = protocol_detail(peer.refusal());
    assert!(detail.contains("descriptors"), "{detail}");
    drop(peer);

    bystander.stats();
    assert!(descriptors() <= before, "descriptors of a peer are kept");
    daemon.stop();
}

#[test]
fn a_peer_that_never_reads_is_ended_and_holds_nobody_up() {
    let dir = private_dir();
    let config = dir.path().join("arenad.toml");
    fs::write(&config, "[sessions]\nunread_max = \"2MiB\"\n").unwrap();
    let mut daemon = Daemon::start_with(dir.path(), &["--config", config.to_str().unwrap()]);
    let (mut bystander, _) = Peer::session(&daemon.socket);
    let (mut deaf, _) = Peer::session(&daemon.socket);
    let mut frames = Vec::new();
    for id in 1..1000 {
        let request = Request::Kernels;
        arena_core::protocol::encode(&ToSupervisor::Request { id, request }, &mut frames).unwrap();
    }
    // So much that the answers are more than both the bound and the socket hold.
    deaf.stream.write_all(&frames).unwrap();
    daemon.wait_for_line("does not read");
    let failure = deaf.refusal();
    assert!(
        matches!(failure, Failure::Busy { limit, .. } if limit == 2 << 20),
        "{failure:?}"
    );
    bystander.stats();
    daemon.stop();
}

#[test]
fn a_silent_peer_is_dismissed() {
    let dir = private_dir();
    let config = dir.path().join("arenad.toml");
    fs::write(&config, "[listen]\nhello_timeout = \"50ms\"\n").unwrap();
    let daemon = Daemon::start_with(dir.path(), &["--config", config.to_str().unwrap()]);
    let (mut bystander, _) = Peer::session(&daemon.socket);
    let mut silent = Peer::connect(&daemon.socket);
    let detail = protocol_detail(silent.refusal());
    assert!(detail.contains("hello"), "{detail}");
    bystander.stats();
    daemon.stop();
}

/// The connection is served on its own, whatever its neighbours in a read are.
#[test]
fn many_requests_in_one_write_and_one_request_in_many_writes() {
    let dir = private_dir();
    let daemon = Daemon::start(dir.path());
    let (mut peer, _) = Peer::session(&daemon.socket);
    let mut frames = Vec::new();
    for id in 100..600 {
        let request = Request::Workers;
        arena_core::protocol::encode(&ToSupervisor::Request { id, request }, &mut frames).unwrap();
    }
    peer.stream.write_all(&frames).unwrap();
    for id in 100..600 {
        let message = peer.receive().unwrap();
        let is_reply = matches!(&message,
            arena_core::protocol::FromSupervisor::Reply { id: of, .. } if *of == id);
        assert!(is_reply, "{message:?}");
    }
    let mut frame = Vec::new();
    let request = Request::Workers;
    arena_core::protocol::encode(&ToSupervisor::Request { id: 7, request }, &mut frame).unwrap();
    for byte in frame {
        peer.stream.write_all(&[byte]).unwrap();
    }
    assert!(peer.receive().is_some());
    daemon.stop();
}

#[test]
fn a_closed_session_is_told_of_in_the_log() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    let (mut peer, _) = Peer::session(&daemon.socket);
    peer.stream.shutdown(Shutdown::Both).unwrap();
    assert!(peer.receive().is_none());
    daemon.wait_for_line("session closed");
    daemon.stop();
}

/// The last bytes and the end of a socket come in one event: a daemon that took the short read for the end of both kept the
/// session open for ever.
#[test]
fn a_peer_that_writes_and_closes_at_once_is_heard_and_closed() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    // While it stands still, both arrive.
    daemon.signal(Signal::STOP);
    let mut peer = Peer::connect(&daemon.socket);
    peer.send(&ToSupervisor::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        program: "hasty".to_owned(),
        resume: None,
    }));
    drop(peer);
    daemon.signal(Signal::CONT);
    daemon.wait_for_line("hasty session opened");
    daemon.wait_for_line("session closed");
    daemon.stop();
}

/// Descriptors ran out: those who are served go on, those who wait are served when there are some again.
#[test]
fn a_daemon_without_descriptors_goes_on() {
    let dir = private_dir();
    let mut command = std::process::Command::new("prlimit");
    let inner = Daemon::command(dir.path());
    command
        .args(["--nofile=128:128", "--"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let mut daemon = Daemon::spawn(&mut command, dir.path());
    daemon.wait_for_line("listening");
    let (mut bystander, _) = Peer::session(&daemon.socket);
    let waiting: Vec<Peer> = (0..64).map(|_| Peer::connect(&daemon.socket)).collect();
    daemon.wait_for_line("connections wait descriptors");
    bystander.stats();
    drop(waiting);
    let (mut late, _) = Peer::session(&daemon.socket);
    late.stats();
}
