//! A file system that is full: every lack is a typed error, and nothing ends by SIGBUS.
//!
//! The tests run this program again in a mount namespace with a small /dev/shm of its own.

use std::num::NonZeroUsize;
use std::process::Command;

use arena_core::files::{self, FilesError};
use arena_core::groom::Groomer;
use arena_core::layout::{CELL_COUNT, CellRange, ObjectState};
use arena_core::protocol::Shortage;
use arena_core::table::TableError;

use crate::support::{Home, object_row};

/// Runs one of the ignored tests below where /dev/shm has `size`.
fn run_with_shm_of(size: &str, test: &str) {
    let script = format!("mount -t tmpfs -o size={size} tmpfs /dev/shm && exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap());
    let output = command
        .args([test, "--exact", "--ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && text.contains("1 passed");
    assert!(passed, "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_arena_larger_than_its_file_system_runs_short_cleanly() {
    run_with_shm_of("8m", "full::within_8_mib");
}

#[test]
fn a_file_system_without_room_for_the_table_leaves_nothing() {
    run_with_shm_of("64k", "full::within_64_kib");
}

#[test]
#[ignore = "run by the test above in a mount namespace"]
fn within_8_mib() {
    let home = Home::named();
    let mut arena = home.open().unwrap();
    let groomer = Groomer::new(arena.files.data(), NonZeroUsize::new(2).unwrap());
    let done = groomer.populate(0..32).unwrap();
    assert_eq!(done.shortage, Some(Shortage::Filesystem));
    assert!((1..4).contains(&done.huge.len()), "{done:?}");
    // A collapse needs room beside the pages it replaces, so a block or two may still fit; twelve don't.
    let short = (20..32).find_map(|block| groomer.populate(block..block + 1).unwrap().shortage);
    assert_eq!(short, Some(Shortage::Filesystem));

    // What is left of the file system goes to rows and cells, until neither has room.
    let row = |index: u32| object_row(u64::from(index) * 4096, 1, 1, ObjectState::Sealed);
    let full = (0..4096).find_map(|index| arena.table.write_object(index, &row(index)).err());
    assert!(matches!(full, None | Some(TableError::Full)), "{full:?}");
    let cells = CellRange {
        first: 0,
        count: CELL_COUNT,
    };
    let error = arena.files.reserve_cells(cells).unwrap_err();
    assert!(matches!(error, FilesError::Full { .. }), "{error}");

    let released = groomer.release(0..done.huge.len() as u64);
    released.unwrap();
    drop(arena);
    let mut arena = home.open().unwrap();
    let recovered = arena.recovered.unwrap().objects.len();
    assert!(recovered >= 128, "{recovered} rows");
    arena.table.write_object(4000, &row(4000)).unwrap();
    drop((arena.table, arena.files));
    files::remove(&home.backing, &home.name).unwrap();
}

#[test]
#[ignore = "run by the test above in a mount namespace"]
fn within_64_kib() {
    let home = Home::named();
    let error = home.open().err().unwrap();
    assert!(matches!(error, FilesError::Full { .. }), "{error}");
    let left: Vec<_> = std::fs::read_dir("/dev/shm").unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
