//! A process dies at each moment beside a living one, and is swept: nobody reads torn data, the living one goes on, and the cell is
//! usable again.

use loom::thread;

use super::*;
use crate::lock::waiting::Protocol;

/// Moments at which a writer can die, and whether the stripe is poisoned then.
const WRITER_DEATHS: [(Death, bool); 12] = [
    (Death::Never, false),
    (Death::At(Moment::Claimed), false),
    (Death::At(Moment::WaitersSet), false),
    (Death::At(Moment::Sleeping), false),
    (Death::At(Moment::Granted), true),
    (Death::HalfWritten, true),
    (Death::Written, true),
    (Death::At(Moment::WakeIntended), true),
    (Death::At(Moment::WriterLeft), false),
    (Death::At(Moment::EventBumped), false),
    (Death::At(Moment::Woken), false),
    (Death::At(Moment::WaitersCleared), false),
];

/// Moments at which a reader can die.
const READER_DEATHS: [Death; 9] = [
    Death::At(Moment::ReaderBitSet),
    Death::At(Moment::Reading),
    Death::At(Moment::ReaderBitCleared),
    Death::At(Moment::WakeIntended),
    Death::At(Moment::WaitersCleared),
    Death::At(Moment::EventBumped),
    Death::At(Moment::Woken),
    Death::At(Moment::WaitersSet),
    Death::At(Moment::Sleeping),
];

const SWEEP_DEATHS: [Moment; 4] = [
    Moment::SweptReader,
    Moment::SweptPoisoned,
    Moment::SweptWriter,
    Moment::SweptEvent,
];

/// What the living process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    Read,
    Write,
    Overwrite,
}

pub(super) fn live<R: Rules>(process: &Process<R>, life: Life) -> Result<(), LockError> {
    match life {
        Life::Read => process.read(),
        Life::Write => process.write(Access::Change, 11),
        Life::Overwrite => process.write(Access::Overwrite, 11),
    }
}

/// A supervisor sweeps slot 0, dying first at `death` where it gets there.
fn sweep_twice<R: Rules>(scene: &Arc<Scene>, death: Option<Moment>) {
    if let Some(moment) = death {
        Process::<R>::new(scene, 3, Death::At(moment)).live(|supervisor| supervisor.sweep(0));
    }
    Process::<R>::new(scene, 3, Death::Never).sweep(0);
}

/// After everything: the cell is free, or poisoned if that `may` be, and an overwrite makes it good.
pub(super) fn assert_usable<R: Rules>(scene: &Arc<Scene>, may_be_poisoned: bool) {
    let process = Process::<R>::new(scene, 2, Death::Never);
    match process.read() {
        Ok(()) => {}
        Err(LockError::Poisoned { .. }) => {
            assert!(may_be_poisoned, "poison without a dead writer");
            process.write(Access::Overwrite, 13).unwrap();
            process.read().unwrap();
        }
        Err(error) => panic!("{error}"),
    }
    let state = scene.cell.report(0);
    assert!(state.state.writer().is_none() && state.readers.is_empty());
}

/// One writer dies at `death` beside a living process.
pub(super) fn dying_writer<R: Rules + 'static>(
    (death, poisons): (Death, bool),
    life: Life,
    sweep_dies: Option<Moment>,
) {
    let scene = Scene::new();
    let dead = {
        let process = Process::<R>::new(&scene, 0, death);
        thread::spawn(move || process.live(|process| drop(process.write(Access::Change, 9))))
    };
    let living = {
        let process = Process::<R>::new(&scene, 1, Death::Never);
        thread::spawn(move || match live(&process, life) {
            Ok(()) => {}
            Err(LockError::Poisoned { .. }) => assert!(poisons, "poison without a dead writer"),
            Err(error) => panic!("{error}"),
        })
    };
    // Only the dead are swept: a sweep would wake whom a living process forgot to wake.
    if dead.join().unwrap().is_none() {
        sweep_twice::<R>(&scene, sweep_dies);
    }
    living.join().unwrap();
    assert_usable::<R>(&scene, poisons);
}

/// One reader dies at `death` beside a living writer.
pub(super) fn dying_reader<R: Rules + 'static>(death: Death, sweep_dies: Option<Moment>) {
    let scene = Scene::new();
    let dead = {
        let process = Process::<R>::new(&scene, 0, death);
        thread::spawn(move || process.live(|process| process.read().unwrap()))
    };
    let living = {
        let process = Process::<R>::new(&scene, 1, Death::Never);
        thread::spawn(move || process.write(Access::Change, 11).unwrap())
    };
    // Only the dead are swept: a sweep would wake whom a living process forgot to wake.
    if dead.join().unwrap().is_none() {
        sweep_twice::<R>(&scene, sweep_dies);
    }
    living.join().unwrap();
    assert_usable::<R>(&scene, false);
}

#[test]
fn a_writer_dies_at_each_moment_beside_a_reader() {
    for death in WRITER_DEATHS {
        explore(Some(2), move || {
            dying_writer::<Protocol>(death, Life::Read, None)
        });
    }
}

#[test]
fn a_writer_dies_at_each_moment_beside_a_writer() {
    for death in WRITER_DEATHS {
        explore(Some(2), move || {
            dying_writer::<Protocol>(death, Life::Write, None)
        });
    }
}

#[test]
fn a_writer_dies_at_each_moment_beside_one_who_overwrites() {
    for death in WRITER_DEATHS {
        explore(Some(2), move || {
            dying_writer::<Protocol>(death, Life::Overwrite, None)
        });
    }
}

#[test]
fn a_reader_dies_at_each_moment_beside_a_writer() {
    for death in READER_DEATHS {
        explore(Some(2), move || dying_reader::<Protocol>(death, None));
    }
}

#[test]
fn a_sweep_that_dies_half_way_is_made_good_by_the_next() {
    let deaths = [
        Death::At(Moment::Claimed),
        Death::HalfWritten,
        Death::At(Moment::WaitersCleared),
    ];
    for death in deaths {
        for sweep_dies in SWEEP_DEATHS {
            explore(Some(2), move || {
                let poisons = death == Death::HalfWritten;
                dying_writer::<Protocol>((death, poisons), Life::Read, Some(sweep_dies));
            });
        }
    }
    for death in [Moment::ReaderBitSet, Moment::Reading] {
        for sweep_dies in SWEEP_DEATHS {
            explore(Some(2), move || {
                dying_reader::<Protocol>(Death::At(death), Some(sweep_dies));
            });
        }
    }
}

/// A pending writer dies while a living one holds the cell and a reader waits behind its hint.
#[test]
fn a_pending_writer_dies_beside_a_holder_and_a_reader() {
    for death in [Moment::WaitersSet, Moment::Sleeping, Moment::Claimed] {
        explore(Some(2), move || {
            let scene = Scene::new();
            let holder = Process::<Protocol>::new(&scene, 2, Death::Never);
            holder
                .entry()
                .write(Access::Change, &mut forever())
                .unwrap();
            let dead = {
                let process = Process::<Protocol>::new(&scene, 0, Death::At(death));
                thread::spawn(move || {
                    process.live(|process| drop(process.write(Access::Change, 9)))
                })
            };
            let reader = {
                let process = Process::<Protocol>::new(&scene, 1, Death::Never);
                thread::spawn(move || process.read().unwrap())
            };
            holder.entry().commit().unwrap();
            if dead.join().unwrap().is_none() {
                sweep_twice::<Protocol>(&scene, None);
            }
            reader.join().unwrap();
            assert_usable::<Protocol>(&scene, false);
        });
    }
}
