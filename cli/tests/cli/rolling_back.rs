//! What a killed writer leaves, and its repair.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use arena_client::{Client, Endpoint};

use crate::support::{Daemon, npy};

const SOCKET: &str = "arenad/arenad.sock";

fn put_zeros(daemon: &Daemon, name: &str, options: &[&str]) {
    let file = format!("{name}.npy");
    let bytes = npy("<f8", false, &[100], &[0; 800]);
    daemon.place.write(&file, &bytes);
    daemon.run(&[&["put", &file], options].concat()).text();
}

/// A process that takes a lock and waits to be killed. Does nothing unless a test starts it.
#[test]
fn a_process_that_holds_a_lock() {
    let Some(socket) = std::env::var_os("HOLD_LOCK_AT") else {
        return;
    };
    let client = Client::connect(&Endpoint::Path(socket.into())).unwrap();
    let shared = client.shared("x").unwrap();
    let mut guard = shared.write(0..10).unwrap();
    guard.slice_mut::<f64>().unwrap().fill(-1.0);
    println!("\nlocked");
    std::io::stdout().flush().unwrap();
    std::io::stdin().lines().next();
    unreachable!("killed before its input ends: {:?}", guard.range());
}

fn holder_at(socket: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "rolling_back::a_process_that_holds_a_lock",
            "--nocapture",
        ])
        .env("HOLD_LOCK_AT", socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "locked"));
    child
}

#[test]
fn what_a_killed_writer_left_is_rolled_back() {
    let daemon = Daemon::start();
    put_zeros(&daemon, "x", &["--shared", "--before-images"]);
    let mut holder = holder_at(&daemon.place.path(SOCKET));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let poisoned = daemon.run(&["get", "x", "out.npy"]);
    assert!(
        poisoned.complaint(5).contains("arenactl roll-back"),
        "{poisoned:?}"
    );
    let repaired = daemon.run(&["roll-back", "x", "--json"]).json();
    assert_eq!(repaired["rolled_back"], true);
    daemon.run(&["get", "x", "out.npy"]).text();
    assert!(
        std::fs::read(daemon.place.path("out.npy")).unwrap()
            == std::fs::read(daemon.place.path("x.npy")).unwrap()
    );
    let again = daemon.run(&["roll-back", "x"]);
    assert!(again.text().contains("no stripe"), "{again:?}");
}

#[test]
fn what_keeps_no_images_is_not_rolled_back() {
    let daemon = Daemon::start();
    put_zeros(&daemon, "plain", &["--shared"]);
    put_zeros(&daemon, "sealed", &[]);
    let plain = daemon.run(&["roll-back", "plain"]);
    assert!(plain.complaint(7).contains("before-images"), "{plain:?}");
    assert_eq!(daemon.run(&["roll-back", "sealed"]).code, 5);
    assert_eq!(daemon.run(&["roll-back", "missing"]).code, 4);
}
