//! Tasks that no sound supervisor sends: typed failures, and the worker goes on.

use std::slice::from_ref;

use arena_core::protocol::{Failure, Operand, Params, Span, Stripes, Work};
use arena_core::{ArrayLayout, Dtype, Extent, Offset};

use crate::in_place::add_one;
use crate::player::{Threaded, run};
use crate::stage::{ARENA_BYTES, Cut, Stage, filled};

const ELEMENTS: u64 = 50_000;

struct Scene {
    worker: Threaded,
    array: Operand,
    shared: Operand,
    whole: Work,
}

fn scene() -> Scene {
    let mut stage = Stage::new();
    let worker = stage.worker(3);
    let layout = ArrayLayout::c_order(Dtype::Float64, &[ELEMENTS]).unwrap();
    let bytes = filled(&layout, |number| (number as f64).to_le_bytes().to_vec());
    let cut = Cut {
        axis: 0,
        count: 10,
        images: true,
    };
    let array = stage.sealed(&layout, &bytes);
    let shared = stage.shared(&layout, &bytes, cut);
    let whole = sum(array.clone(), 0, 4);
    Scene {
        worker,
        array,
        shared,
        whole,
    }
}

fn sum(array: Operand, start: u64, end: u64) -> Work {
    run("sum", Params::new(), &[array], Span::Leaves { start, end })
}

impl Scene {
    /// The failure of `work`, after which a sound task gives what it always gave.
    fn refused(&mut self, work: Work) -> Failure {
        let failure = self.worker.run(work).unwrap_err();
        assert!(self.worker.run(self.whole.clone()).is_ok());
        failure
    }
}

#[test]
fn extents_outside_the_arena() {
    let mut scene = scene();
    for (offset, len) in [
        (ARENA_BYTES, ELEMENTS * 8),
        (ARENA_BYTES - 4096, ELEMENTS * 8),
        (0, u64::MAX),
        (u64::MAX - 4095, ELEMENTS * 8),
        (12, ELEMENTS * 8),
        (0, ELEMENTS * 8 - 1),
    ] {
        let extent = Extent {
            offset: Offset::new(offset),
            len,
        };
        let array = Operand {
            extent,
            ..scene.array.clone()
        };
        let failure = scene.refused(sum(array, 0, 4));
        assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
        for target in [
            Operand {
                extent,
                ..scene.shared.clone()
            },
            Operand {
                image: Some(extent),
                ..scene.shared.clone()
            },
        ] {
            let stripes = vec![0];
            let operand = target.clone();
            let failure = scene.refused(add_one(&target, 0, 10));
            assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
            let failure = scene.refused(Work::RollBack { operand, stripes });
            assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
        }
    }
}

#[test]
fn absurd_spans() {
    let mut scene = scene();
    for (start, end) in [
        (0, 5),
        (4, 4),
        (3, 2),
        (0, u64::MAX),
        (u64::MAX, 0),
        (u64::MAX - 1, u64::MAX),
    ] {
        let failure = scene.refused(sum(scene.array.clone(), start, end));
        assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
        let failure = scene.refused(sum(scene.shared.clone(), start, end));
        assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
    }
    for (start, end) in [
        (0, 11),
        (5, 4),
        (0, u32::MAX),
        (u32::MAX, 0),
        (u32::MAX, u32::MAX),
    ] {
        let failure = scene.refused(add_one(&scene.shared.clone(), start, end));
        assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
    }
    let beyond = Work::RollBack {
        operand: scene.shared.clone(),
        stripes: vec![3, 10],
    };
    let failure = scene.refused(beyond);
    assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
}

#[test]
fn stripes_that_do_not_exist() {
    let mut scene = scene();
    let good = scene.shared.stripes.unwrap();
    for stripes in [
        Stripes { axis: 1, ..good },
        Stripes { count: 0, ..good },
        Stripes {
            first_cell: 65_530,
            ..good
        },
        Stripes {
            first_cell: u32::MAX,
            ..good
        },
        Stripes {
            count: u32::MAX,
            ..good
        },
    ] {
        let shared = Operand {
            stripes: Some(stripes),
            ..scene.shared.clone()
        };
        let failure = scene.refused(add_one(&shared, 0, 1));
        assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
        let failure = scene.refused(sum(shared, 0, 4));
        assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
    }
}

#[test]
fn kernels_inputs_and_spans_that_do_not_go_together() {
    let mut scene = scene();
    let (array, shared) = (scene.array.clone(), scene.shared.clone());
    let leaves = Span::Leaves { start: 0, end: 1 };
    let stripes = Span::Stripes { start: 0, end: 1 };
    let none = Params::new;
    let unknown = scene.refused(run("summ", none(), from_ref(&array), leaves));
    assert!(matches!(
        unknown,
        Failure::NoSuchKernel {
            nearest: Some(_),
            ..
        }
    ));
    let sealed_in_place = scene.refused(add_one(&array, 0, 1));
    assert!(matches!(sealed_in_place, Failure::BadArguments { .. }));
    let bytes = Operand {
        layout: ArrayLayout::c_order(Dtype::Bytes, &[100]).unwrap(),
        ..array.clone()
    };
    let short = Operand {
        layout: ArrayLayout::c_order(Dtype::Float64, &[ELEMENTS - 1]).unwrap(),
        ..array.clone()
    };
    for work in [
        run("sum", none(), from_ref(&array), stripes),
        run("scale_add", none(), from_ref(&shared), leaves),
        run("sum", none(), &[], leaves),
        run("sum", none(), &[array.clone(), array.clone()], leaves),
        run("dot", none(), &[array.clone(), short], leaves),
        run("sum", none(), &[bytes], leaves),
        run(
            "scale_add",
            none(),
            &[shared.clone(), shared.clone()],
            stripes,
        ),
    ] {
        let failure = scene.refused(work);
        let typed = matches!(
            failure,
            Failure::BadArguments { .. } | Failure::Protocol { .. }
        );
        assert!(typed, "{failure}");
    }
}

#[test]
fn task_numbers_that_no_progress_word_holds() {
    let mut scene = scene();
    for number in [0, 1 << 48, u64::MAX] {
        let mut task = scene.worker.task(add_one(&scene.shared, 0, 10));
        task.task = number;
        let failure = scene.worker.execute(task).unwrap_err();
        assert!(matches!(failure, Failure::Protocol { .. }), "{failure}");
    }
}
