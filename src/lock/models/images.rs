//! A writer keeps a before-image, dies at each moment, and is rolled back beside a reader: the reader sees the old pair or the new
//! one, never a mixture, and the old one is never lost.

use loom::thread;

use super::*;
use crate::lock::waiting::Protocol;

fn write_with_image(process: &Process<Protocol>) {
    let (scene, entry) = (&process.scene, process.entry());
    entry.write(Access::Change, &mut forever()).unwrap();
    scene.image.set(scene.left.get());
    entry.mark_image();
    scene.left.set(9);
    process.die_if(Death::HalfWritten);
    scene.right.set(9);
    process.die_if(Death::Written);
    entry.commit().unwrap();
}

/// What a worker does after the sweep: copies the image back where there is one; else nothing was written.
fn roll_back(scene: &Arc<Scene>, abandon: bool) {
    let worker = Process::<Protocol>::new(scene, 2, Death::Never);
    let entry = worker.entry();
    entry.write(Access::Overwrite, &mut forever()).unwrap();
    if abandon {
        // Half way, for whatever reason: poison and image stay as they were.
        scene.left.set(scene.image.get());
        return entry.poison().unwrap();
    }
    if entry.held_state().has_image() {
        scene.left.set(scene.image.get());
        scene.right.set(scene.image.get());
    }
    entry.commit().unwrap();
}

#[test]
fn a_writer_with_an_image_dies_at_each_moment_and_is_rolled_back() {
    let deaths = [
        Death::At(Moment::Granted),
        Death::At(Moment::ImageCopied),
        Death::At(Moment::ImageMarked),
        Death::HalfWritten,
        Death::Written,
    ];
    for (death, abandon) in deaths.iter().flat_map(|&d| [(d, false), (d, true)]) {
        explore(Some(2), move || {
            let scene = Scene::new();
            let dead = {
                let process = Process::<Protocol>::new(&scene, 0, death);
                thread::spawn(move || process.live(write_with_image))
            };
            let reader = {
                let process = Process::<Protocol>::new(&scene, 1, Death::Never);
                thread::spawn(move || match process.read() {
                    Ok(()) | Err(LockError::Poisoned { .. }) => {}
                    Err(error) => panic!("{error}"),
                })
            };
            assert!(dead.join().unwrap().is_none());
            let supervisor = Process::<Protocol>::new(&scene, 3, Death::Never);
            let swept = supervisor.sweep(0);
            let marked = matches!(
                death,
                Death::At(Moment::ImageMarked) | Death::HalfWritten | Death::Written
            );
            assert_eq!(swept.poisoned[0].image, marked);
            if abandon && marked {
                roll_back(&scene, true);
            }
            roll_back(&scene, false);
            reader.join().unwrap();
            Process::<Protocol>::new(&scene, 2, Death::Never)
                .read()
                .unwrap();
            assert_eq!(scene.left.get(), 7);
        });
    }
}

#[test]
fn a_write_that_changes_nothing_leaves_nothing() {
    explore(Some(2), || {
        let scene = Scene::new();
        let reader = {
            let process = Process::<Protocol>::new(&scene, 1, Death::Never);
            thread::spawn(move || process.read().unwrap())
        };
        let writer = Process::<Protocol>::new(&scene, 0, Death::Never);
        let entry = writer.entry();
        entry.write(Access::Change, &mut forever()).unwrap();
        entry.mark_image();
        entry.leave_unwritten().unwrap();
        reader.join().unwrap();
        assert!(!scene.cell.report(0).state.has_image());
    });
}
