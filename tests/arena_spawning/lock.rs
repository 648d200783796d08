//! The lock of a daemon that died while it started a child.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use arena_core::files;

use crate::support::Home;

/// Whether somebody waits for the flock on the file with this inode.
fn somebody_waits_for(inode: u64) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let inode = format!(":{inode}");
    locks.lines().any(|line| {
        line.contains("-> FLOCK") && line.split(' ').any(|field| field.ends_with(&inode))
    })
}

/// A supervisor killed between the fork and the exec of a worker leaves a child that holds the lock for a moment longer. The
/// next start waits for it instead of reporting a daemon that does not exist.
#[test]
fn a_lock_left_to_a_child_of_a_dead_holder_is_waited_for() {
    for home in [Home::named(), Home::directory()] {
        drop(home.open().unwrap());
        // flock(1) takes the lock and ends; cat inherits the descriptor and lives until its input is closed.
        let script = "exec 9<>\"$0\"; flock --nonblock 9 && echo taken && exec cat";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(home.path("lock"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut taken = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut taken).unwrap();
        let inode = std::fs::metadata(home.path("lock")).unwrap().ino();
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| home.open());
            while !opening.is_finished() && !somebody_waits_for(inode) {
                std::thread::yield_now();
            }
            assert!(!opening.is_finished(), "the lock is waited for");
            drop(child.stdin.take());
            child.wait().unwrap();
            assert!(opening.join().unwrap().unwrap().recovered.is_some());
        });
        files::remove(&home.backing, &home.name).unwrap();
    }
}
