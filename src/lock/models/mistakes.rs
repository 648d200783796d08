//! Seeded mistakes: each must be caught by the models that the protocol passes.

use std::panic::catch_unwind;

use loom::thread;

use super::closing::straggler;
use super::deaths::{Life, assert_usable, dying_reader, dying_writer};
use super::*;
use crate::lock::waiting::Protocol;

/// Whether the model fails.
fn caught(model: impl Fn() + Sync + Send + 'static + std::panic::UnwindSafe) -> bool {
    catch_unwind(|| explore(Some(2), model)).is_err()
}

/// A test that the rules with one mistake fail in a model which the protocol passes: a writer that dies so beside such a life, or a
/// reader that dies so beside a writer.
macro_rules! mistake {
    ($test:ident, $rule:ident: $type:ty = $value:expr, $model:ident $arguments:tt) => {
        #[test]
        fn $test() {
            struct Mistake;
            impl Rules for Mistake {
                const $rule: $type = $value;
            }
            assert!(caught(|| mistake!(@run $model $arguments)), "the mistake was not caught");
        }
    };
    (@run dying_reader_swept_twice ($death:expr, $sweep:expr)) => {
        dying_reader::<Mistake>($death, Some($sweep))
    };
    (@run dying_writer ($death:expr, $life:expr)) => {
        dying_writer::<Mistake>(($death, true), $life, None)
    };
    (@run dying_reader ($death:expr)) => {
        dying_reader::<Mistake>($death, None)
    };
}

mistake!(a_relaxed_unlock_is_caught, LEAVE: Ordering = Ordering::Relaxed,
    dying_writer(Death::Never, Life::Read));
mistake!(a_relaxed_acquire_is_caught, ENTER: Ordering = Ordering::Relaxed,
    dying_writer(Death::Never, Life::Read));
mistake!(a_reader_without_its_fence_is_caught, READER_FENCE: bool = false,
    dying_writer(Death::Never, Life::Read));
mistake!(a_writer_without_its_fence_is_caught, WRITER_FENCE: bool = false,
    dying_writer(Death::Never, Life::Read));
mistake!(leaving_without_a_fence_is_caught, LEAVE_FENCE: bool = false,
    dying_reader(Death::Never));
mistake!(waiting_without_a_fence_is_caught, WAIT_FENCE: bool = false,
    dying_reader(Death::Never));
mistake!(a_reader_that_ignores_poison_is_caught, READER_HEEDS_POISON: bool = false,
    dying_writer(Death::HalfWritten, Life::Read));
mistake!(a_sweep_that_does_not_poison_is_caught, SWEEP_POISONS: bool = false,
    dying_writer(Death::HalfWritten, Life::Read));
mistake!(a_sweep_that_wakes_nobody_is_caught, SWEEP_WAKES: bool = false,
    dying_writer(Death::HalfWritten, Life::Read));
mistake!(a_sweep_that_ignores_the_intent_is_caught, SWEEP_HEEDS_INTENT: bool = false,
    dying_reader(Death::At(Moment::WaitersCleared)));

mistake!(a_repeated_sweep_without_a_fence_is_caught, SWEEP_FENCE: bool = false,
    dying_reader_swept_twice(Death::At(Moment::Reading), Moment::SweptReader));

#[test]
fn an_unchecked_generation_is_caught() {
    struct Mistake;
    impl Rules for Mistake {
        const CHECK_GENERATION: bool = false;
    }
    assert!(caught(|| straggler::<Mistake>(false)));
    assert!(caught(|| straggler::<Mistake>(true)));
}

/// A lease that runs out: the sweep comes while the writer lives.
#[test]
fn sweeping_a_living_writer_is_caught() {
    assert!(caught(|| {
        let scene = Scene::new();
        let writer = {
            let process = Process::<Protocol>::new(&scene, 0, Death::Never);
            thread::spawn(move || drop(process.write(Access::Change, 9)))
        };
        let supervisor = Process::<Protocol>::new(&scene, 3, Death::Never);
        supervisor.sweep(0);
        let other = Process::<Protocol>::new(&scene, 1, Death::Never);
        drop(other.write(Access::Overwrite, 11));
        writer.join().unwrap();
        assert_usable::<Protocol>(&scene, true);
    }));
}
