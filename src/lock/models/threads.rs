//! Two threads on one slot beside a stranger.

use loom::thread;

use super::*;
use crate::lock::local::{LocalTable, Thread};
use crate::lock::waiting::Protocol;

struct Threads {
    process: Process<Protocol>,
    table: LocalTable,
}

impl Threads {
    fn new(scene: &Arc<Scene>) -> Arc<Self> {
        let table = LocalTable::new(1);
        // Makes the part of the table before the threads exist: loom does not see what a `OnceLock` orders.
        assert!(!table.reads(0, Thread(1)));
        Arc::new(Self {
            process: Process::new(scene, 0, Death::Never),
            table,
        })
    }

    fn read(&self, thread: u32) {
        let entry = self.process.entry();
        let thread = Thread(thread);
        self.table.read(&entry, thread, &mut forever()).unwrap();
        self.process.scene.assert_whole();
        self.table.leave_read(&entry, thread);
    }

    fn write(&self, thread: u32, value: u64) {
        let entry = self.process.entry();
        self.table
            .write(&entry, Access::Change, Thread(thread), &mut forever())
            .unwrap();
        self.process.scene.left.set(value);
        self.process.scene.right.set(value);
        entry.commit().unwrap();
        self.table.settle(&entry);
    }
}

/// The threads run `first` and `second`; a stranger writes.
fn beside_a_stranger(
    first: impl Fn(&Threads) + Copy + Send + Sync + 'static,
    second: impl Fn(&Threads) + Copy + Send + Sync + 'static,
) {
    explore(Some(2), move || {
        let scene = Scene::new();
        let threads = Threads::new(&scene);
        let one = {
            let threads = threads.clone();
            thread::spawn(move || first(&threads))
        };
        let two = {
            let threads = threads.clone();
            thread::spawn(move || second(&threads))
        };
        let stranger = Process::<Protocol>::new(&scene, 1, Death::Never);
        stranger.write(Access::Change, 5).unwrap();
        one.join().unwrap();
        two.join().unwrap();
        assert!(scene.cell.report(0).readers.is_empty());
        assert_eq!(scene.cell.report(0).state.writer(), None);
    });
}

/// One thread reads already; another joins and leaves while it leaves.
#[test]
fn two_reading_threads_keep_a_stranger_out_until_both_left() {
    explore(Some(2), || {
        let scene = Scene::new();
        let threads = Threads::new(&scene);
        let entry = threads.process.entry();
        threads
            .table
            .read(&entry, Thread(1), &mut forever())
            .unwrap();
        let joining = {
            let threads = threads.clone();
            thread::spawn(move || threads.read(2))
        };
        let stranger = {
            let process = Process::<Protocol>::new(&scene, 1, Death::Never);
            thread::spawn(move || process.write(Access::Change, 5).unwrap())
        };
        scene.assert_whole();
        threads.table.leave_read(&entry, Thread(1));
        joining.join().unwrap();
        stranger.join().unwrap();
        assert!(scene.cell.report(0).readers.is_empty());
    });
}

#[test]
fn a_reading_and_a_writing_thread_exclude_each_other_and_the_stranger() {
    beside_a_stranger(|threads| threads.read(1), |threads| threads.write(2, 6));
}

#[test]
fn two_writing_threads_exclude_each_other_and_the_stranger() {
    beside_a_stranger(|threads| threads.write(1, 8), |threads| threads.write(2, 6));
}

/// Without a stranger, all interleavings.
#[test]
fn a_reading_and_a_writing_thread_alone() {
    explore(None, || {
        let scene = Scene::new();
        let threads = Threads::new(&scene);
        let reader = {
            let threads = threads.clone();
            thread::spawn(move || threads.read(1))
        };
        threads.write(2, 6);
        reader.join().unwrap();
    });
}
