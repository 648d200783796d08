//! Command line, configuration, addresses, and what stands in the way of a start.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::process::Signal;

use crate::peer::Peer;
use crate::process::{Daemon, private_dir, program};

#[test]
fn help_and_version_tell_what_there_is() {
    let help = program().arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for word in [
        "--arena",
        "--size",
        "--workers",
        "--socket",
        "--log-format",
        "Exit codes:",
        "SIGHUP",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let version = program().arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert_eq!(version, format!("arenad {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_options_and_files_have_codes_of_their_own() {
    let dir = private_dir();
    let file = dir.path().join("arenad.toml");
    fs::write(&file, "[arena]\nsize = \"many\"\n").unwrap();
    let file = file.to_str().unwrap();
    for (options, code, word) in [
        (vec!["--arena", "a/b"], 2, "arena's name"),
        (vec!["--size", "8 parsecs"], 2, "8GiB"),
        (vec!["--workers", "0"], 2, "workers"),
        (vec!["--nonsense"], 2, "nonsense"),
        (
            vec!["--config", "/nonexistent/arenad.toml"],
            3,
            "can't be read",
        ),
        (vec!["--config", file], 3, "line 2"),
        (vec!["--embedded", "77"], 2, "inherited socket"),
        (vec!["worker", "test", "0"], 1, "started by their daemon"),
    ] {
        let output = program().args(&options).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{options:?}: {error}");
        assert!(error.contains(word), "{options:?}: {error}");
        // What is wrong in a file is told once, however many errors quote it.
        assert!(code != 3 || error.matches(word).count() == 1, "{error}");
    }
}

#[test]
fn a_size_out_of_bounds_is_a_usage_error() {
    for size in ["1000TiB", "8"] {
        let dir = private_dir();
        let mut command = Daemon::command(dir.path());
        let mut daemon = Daemon::spawn(command.args(["--size", size]), dir.path());
        let (code, log) = daemon.wait_for_exit();
        assert_eq!(code, 2, "{log}");
        assert!(log.contains("2 MiB and 64 TiB"), "{log}");
    }
}

#[test]
fn the_first_line_tells_where_it_listens_and_a_stop_leaves_the_arena() {
    let dir = private_dir();
    let daemon = Daemon::start(dir.path());
    assert!(
        daemon.log[0].contains(daemon.socket.to_str().unwrap()),
        "{:?}",
        daemon.log
    );
    let mode = fs::metadata(&daemon.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let socket = daemon.socket.clone();
    daemon.stop();
    assert!(!socket.exists());
    let data = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        data.into_iter()
            .any(|name| name.to_str().unwrap().ends_with(".data"))
    );
}

#[test]
fn the_environment_is_heeded_behind_options() {
    let dir = private_dir();
    let mut command = Daemon::command(dir.path());
    command.env("ARENAD_SOCKET", dir.path().join("other.sock"));
    command.env("ARENAD_LOG_FORMAT", "json");
    let mut daemon = Daemon::spawn(&mut command, dir.path());
    let line = daemon.wait_for_line("listening");
    assert!(
        line.starts_with('{') && line.contains("test.sock"),
        "{line}"
    );
}

#[test]
fn a_second_daemon_is_refused() {
    let dir = private_dir();
    let first = Daemon::start(dir.path());
    let other = dir.path().join("other.sock");

    let mut command = Daemon::command(dir.path());
    command.arg("--socket").arg(&other);
    let (code, log) = Daemon::spawn(&mut command, dir.path()).wait_for_exit();
    assert_eq!(code, 4, "{log}");
    assert!(
        log.contains("served by another daemon") && log.contains(&first.pid().to_string()),
        "{log}"
    );
    assert!(!other.exists());

    let elsewhere = private_dir();
    let mut command = Daemon::command(elsewhere.path());
    command.arg("--socket").arg(&first.socket);
    let (code, log) = Daemon::spawn(&mut command, dir.path()).wait_for_exit();
    assert_eq!(code, 5, "{log}");
    assert!(log.contains("another daemon listens there"), "{log}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);

    let (mut peer, _) = Peer::session(&first.socket);
    peer.stats();
    first.stop();
}

#[test]
fn a_stale_socket_is_replaced_and_others_are_left_alone() {
    let dir = private_dir();
    let socket = dir.path().join("test.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let daemon = Daemon::start(dir.path());
    drop(Peer::session(&socket));
    daemon.stop();

    fs::write(&socket, "precious").unwrap();
    let (code, log) = Daemon::spawn(&mut Daemon::command(dir.path()), dir.path()).wait_for_exit();
    assert_eq!(code, 5, "{log}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
    fs::remove_file(&socket).unwrap();

    symlink("/dev/null", &socket).unwrap();
    let (code, log) = Daemon::spawn(&mut Daemon::command(dir.path()), dir.path()).wait_for_exit();
    assert_eq!(code, 5, "{log}");
}

/// Two daemons that start at once must not both take a stale socket for theirs.
#[test]
fn of_daemons_started_at_once_one_serves() {
    let dir = private_dir();
    drop(UnixListener::bind(dir.path().join("test.sock")).unwrap());
    let mut daemons: Vec<Daemon> = (0..4)
        .map(|_| Daemon::spawn(&mut Daemon::command(dir.path()), dir.path()))
        .collect();
    let (mut peer, welcome) = loop {
        // Until the quickest listens there is the stale socket, or none.
        match std::os::unix::net::UnixStream::connect(&daemons[0].socket) {
            Ok(stream) => {
                let mut peer = Peer::over(stream);
                let welcome = peer.greet();
                break (peer, welcome);
            }
            Err(_) => std::thread::yield_now(),
        }
    };
    let (serving, mut refused): (Vec<Daemon>, Vec<Daemon>) = daemons
        .drain(..)
        .partition(|daemon| daemon.pid() == welcome.supervisor_pid);
    assert_eq!((serving.len(), refused.len()), (1, 3));
    for daemon in &mut refused {
        let (code, log) = daemon.wait_for_exit();
        assert!(code == 4 || code == 5, "{log}");
    }
    peer.stats();
}

#[test]
fn a_terminal_s_interrupt_ends_a_daemon_by_hand() {
    let dir = private_dir();
    let mut daemon = Daemon::start(dir.path());
    daemon.signal(Signal::INT);
    let (code, log) = daemon.wait_for_exit();
    assert_eq!(code, 0, "{log}");
}
