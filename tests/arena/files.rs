//! Arenas in memory and in files: made, served again, refused, listed, removed.

use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::{ARENA_BYTES, Home, object_row};
use arena_core::SessionId;
use arena_core::files::{self, FilesError};
use arena_core::layout::{CellRange, LOCKS_BYTES, ObjectState};
use arena_core::lifeline::{Grip, Lifeline};
use arena_core::table::TableError;

fn homes() -> [Home; 2] {
    [Home::named(), Home::directory()]
}

#[test]
fn a_private_arena_is_sealed_and_closed_to_others() {
    let arena = Home::private().open().unwrap();
    assert!(arena.recovered.is_none());
    for file in [arena.files.data(), arena.files.locks()] {
        assert_eq!(rustix::fs::fstat(file).unwrap().st_mode & 0o777, 0o600);
        assert!(rustix::fs::ftruncate(file, 4096).is_err());
        assert!(rustix::fs::ftruncate(file, 1 << 30).is_err());
        let flags = rustix::io::fcntl_getfd(file).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
}

#[test]
fn a_named_arena_is_served_again_with_its_rows() {
    for home in homes() {
        let mut arena = home.open().unwrap();
        let first = arena.identity.clone();
        let row = object_row(0, 5000, 1, ObjectState::Sealed);
        arena.table.write_object(3, &row).unwrap();
        arena
            .files
            .reserve_cells(CellRange {
                first: 100,
                count: 300,
            })
            .unwrap();
        drop(arena);

        let arena = home.open().unwrap();
        let recovered = arena.recovered.unwrap();
        assert_eq!(recovered.identity, first);
        assert_eq!(recovered.incarnation, 2);
        assert_eq!(recovered.objects.len(), 1);
        assert_eq!(
            (recovered.objects[0].index, &recovered.objects[0].row),
            (3, &row)
        );
        drop(arena.table);
        drop(arena.files);
        files::remove(&home.backing, &home.name).unwrap();
        let error = files::remove(&home.backing, &home.name).unwrap_err();
        assert!(matches!(error, FilesError::NotFound { .. }), "{error}");
    }
}

#[test]
fn a_second_daemon_and_a_removal_are_refused() {
    for home in homes() {
        let arena = home.open().unwrap();
        let ours = Some(std::process::id());
        let error = home.open().err().unwrap();
        assert!(
            matches!(error, FilesError::InUse { pid, .. } if pid == ours),
            "{error}"
        );
        let error = files::remove(&home.backing, &home.name).unwrap_err();
        assert!(matches!(error, FilesError::InUse { .. }), "{error}");
        drop(arena);
        assert!(home.open().unwrap().recovered.is_some());
        files::remove(&home.backing, &home.name).unwrap();
    }
}

#[test]
fn arenas_are_listed_with_their_daemon() {
    for home in homes() {
        let arena = home.open().unwrap();
        let listed = |home: &Home| {
            let all = files::list(&home.backing).unwrap();
            all.into_iter().find(|listing| listing.name == home.name)
        };
        let listing = listed(&home).unwrap();
        assert_eq!(listing.arena_bytes, Some(ARENA_BYTES));
        assert!(listing.populated_bytes < 1 << 20, "sparse: {listing:?}");
        assert_eq!(listing.served_by, Some(std::process::id()));
        drop(arena);
        assert_eq!(listed(&home).unwrap().served_by, None);
        files::remove(&home.backing, &home.name).unwrap();
        assert_eq!(listed(&home), None);
    }
}

#[test]
fn an_interrupted_creation_is_made_anew() {
    for home in homes() {
        let mut arena = home.open().unwrap();
        let first = arena.identity.arena_id;
        let row = object_row(0, 5000, 1, ObjectState::Sealed);
        arena.table.write_object(0, &row).unwrap();
        drop(arena);
        let table = std::fs::OpenOptions::new()
            .write(true)
            .open(home.path("table"))
            .unwrap();
        rustix::io::pwrite(&table, &[0; 8], 0).unwrap();

        let arena = home.open().unwrap();
        assert!(arena.recovered.is_none());
        assert_ne!(arena.identity.arena_id, first);
        drop(arena);
        files::remove(&home.backing, &home.name).unwrap();
    }
}

#[test]
fn whatever_an_interrupted_creation_or_removal_leaves_is_made_anew() {
    // Creation goes from the lock to the table, removal from the table to the lock.
    for missing in [
        &["table"][..],
        &["table", "locks"],
        &["table", "locks", "data"],
    ] {
        for home in homes() {
            let first = home.open().unwrap().identity.arena_id;
            for part in missing {
                std::fs::remove_file(home.path(part)).unwrap();
            }
            let arena = home.open().unwrap();
            assert!(arena.recovered.is_none());
            assert_ne!(arena.identity.arena_id, first);
            drop(arena);
            assert!(home.open().unwrap().recovered.is_some());
            files::remove(&home.backing, &home.name).unwrap();
        }
    }
}

#[test]
fn files_that_are_not_ours_are_refused() {
    for home in homes() {
        drop(home.open().unwrap());
        let problem = |home: &Home| match home.open().err().unwrap() {
            FilesError::Foreign { problem, .. } => problem,
            other => panic!("{other}"),
        };
        let table = home.path("table");
        std::fs::set_permissions(&table, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(problem(&home), "has another mode than 0600");
        std::fs::set_permissions(&table, std::fs::Permissions::from_mode(0o600)).unwrap();

        let second = home.path("second");
        std::fs::hard_link(&table, &second).unwrap();
        assert_eq!(problem(&home), "has more than one name");
        std::fs::remove_file(&table).unwrap();
        symlink(&second, &table).unwrap();
        assert_eq!(problem(&home), "is a symbolic link");
        std::fs::remove_file(&table).unwrap();
        std::fs::create_dir(&table).unwrap();
        assert!(home.open().is_err());
        std::fs::remove_dir(&table).unwrap();
        std::fs::rename(&second, &table).unwrap();

        let lock = home.path("lock");
        std::fs::remove_file(&lock).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &lock, mode).unwrap();
        assert_eq!(problem(&home), "is not a regular file");
        std::fs::remove_file(&lock).unwrap();
        assert!(home.open().unwrap().recovered.is_some());
        files::remove(&home.backing, &home.name).unwrap();
    }
}

#[test]
fn missing_and_resized_parts_are_refused() {
    for home in homes() {
        drop(home.open().unwrap());
        let data = std::fs::OpenOptions::new()
            .write(true)
            .open(home.path("data"))
            .unwrap();
        data.set_len(ARENA_BYTES / 2).unwrap();
        let error = home.open().err().unwrap();
        assert!(matches!(error, FilesError::Size { found, .. } if found == ARENA_BYTES / 2));
        data.set_len(ARENA_BYTES).unwrap();
        std::fs::remove_file(home.path("locks")).unwrap();
        let error = home.open().err().unwrap();
        assert!(matches!(
            error,
            FilesError::Size {
                expected: LOCKS_BYTES,
                found: 0,
                ..
            }
        ));
        let table = std::fs::OpenOptions::new()
            .write(true)
            .open(home.path("table"))
            .unwrap();
        table.set_len(8192).unwrap();
        let error = home.open().err().unwrap();
        assert!(
            matches!(error, FilesError::Table(TableError::Damaged { .. })),
            "{error}"
        );
        files::remove(&home.backing, &home.name).unwrap();
    }
}

#[test]
fn lifelines_tell_when_the_last_holder_is_gone() {
    for home in [Home::private(), Home::named(), Home::directory()] {
        let arena = home.open().unwrap();
        let (lifeline, write) = Lifeline::create(&arena.files, SessionId(5)).unwrap();
        assert_eq!(lifeline.grip().unwrap(), Grip::Held);
        let inherited = write.as_fd().try_clone_to_owned().unwrap();
        drop(write);
        assert_eq!(lifeline.grip().unwrap(), Grip::Held);
        rustix::io::write(&inherited, b"noise").unwrap();
        assert_eq!(lifeline.grip().unwrap(), Grip::Held);
        drop(inherited);
        assert_eq!(lifeline.grip().unwrap(), Grip::Released);
        Lifeline::remove(&arena.files, SessionId(5)).unwrap();
    }
}

#[test]
fn a_restarted_supervisor_finds_lifelines_again() {
    for home in homes() {
        let arena = home.open().unwrap();
        let (lifeline, write) = Lifeline::create(&arena.files, SessionId(5)).unwrap();
        drop(lifeline);
        let again = Lifeline::reopen(&arena.files, SessionId(5))
            .unwrap()
            .unwrap();
        assert_eq!(again.grip().unwrap(), Grip::Held);
        drop(write);
        assert_eq!(again.grip().unwrap(), Grip::Released);
        let late = Lifeline::reopen(&arena.files, SessionId(5))
            .unwrap()
            .unwrap();
        assert_eq!(late.grip().unwrap(), Grip::Released);
        assert!(
            Lifeline::reopen(&arena.files, SessionId(6))
                .unwrap()
                .is_none()
        );
        drop(arena);

        // No process row names session 5, so the next start removes its FIFO.
        assert!(home.path("life.5").exists());
        let arena = home.open().unwrap();
        assert!(!home.path("life.5").exists());
        drop(arena);
        files::remove(&home.backing, &home.name).unwrap();
    }
}
