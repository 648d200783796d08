//! In-place work on a shared object: stripe by stripe, exactly once.
//!
//! **The race.** A worker dies in the middle of an update that must not be applied twice. Whoever goes on must know for every stripe
//! whether it was updated, and the data alone doesn't tell. So for each stripe `k`:
//!
//! ```text
//! lock k -> progress = (task, k) -> copy to the image, mark it -> compute -> commit k
//! ```
//! The commit is one store. After a death the progress word names the last stripe that was locked. If the sweep found its cell
//! granted to the dead slot, it was not committed: with a marked image it is rolled back, without one nothing was written yet,
//! and the retry starts with `k`. If not, `k` was committed, and the retry starts with `k + 1`. Where the word names another task,
//! nothing of this one was done. The word keeps the last stripe after the task, until the next task overwrites it: that is why a
//! report is sent before another in-place task starts.
//!
//! The windows live as long as the task: they are unmapped before it is reported.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use arena_core::lock::{Guard, Mode, Progress};
use arena_core::mapping::DataMap;
use arena_core::protocol::{Failure, Stripes};
use arena_core::window::Window;
use arena_core::{ArrayLayout, Extent, PAGE_BYTES, offset::round_up};
use arena_kernels::{LEAF_ELEMENTS, Plan};

use crate::worker::checked::Checked;
use crate::worker::elements::{Scratch, typed_mut};
use crate::worker::locks::{self, UntilHangup, WorkerLocks};
use crate::worker::operand::MemoryMut;
use crate::worker::panic::panicked;
use crate::worker::runs::Walk;

/// Runs of fewer bytes are gathered, so that a kernel is called for a leaf and not for a few elements.
const DIRECT_RUN_BYTES: u64 = 1024;

/// A task's share of an in-place job.
#[derive(Debug)]
pub(crate) struct Update<'t> {
    pub(crate) task: u64,
    pub(crate) plan: &'t Plan,
    pub(crate) target: &'t Checked<'t>,
    pub(crate) stripes: Range<u32>,
    pub(crate) lock_timeout: Duration,
}

impl Update<'_> {
    pub(crate) fn run(
        &self,
        data: &DataMap,
        locker: &WorkerLocks,
        scratch: &mut Scratch,
    ) -> Result<(), Failure> {
        let all = self.target.shared()?;
        self.check(all)?;
        let mut windows = Windows::open(data, self.target, all, self.stripes.clone())?;
        for stripe in self.stripes.clone() {
            self.stripe(all, stripe, &mut windows, locker, scratch)?;
        }
        Ok(())
    }

    fn check(&self, all: Stripes) -> Result<(), Failure> {
        if self.stripes.start > self.stripes.end || self.stripes.end > all.count {
            return Err(Failure::Protocol {
                detail: format!(
                    "there are {} stripes, asked for {:?}",
                    all.count, self.stripes
                ),
            });
        }
        Ok(())
    }

    fn stripe(
        &self,
        all: Stripes,
        stripe: u32,
        windows: &mut Windows,
        locker: &WorkerLocks,
        scratch: &mut Scratch,
    ) -> Result<(), Failure> {
        let operands = std::slice::from_ref(self.target);
        let progress = self.progress(stripe)?;
        let request = self.target.request(all, stripe..stripe + 1, Mode::Write);
        let guard = locker
            .acquire(request, self.lock_timeout)
            .map_err(|error| locks::failure(&error, operands))?;
        locker
            .area()
            .record(locker.slot())
            .set_progress(Some(progress));
        let walk = walk(self.target.layout, all, stripe..stripe + 1);
        guard.keep_images(|_| windows.save(&walk));
        match catch_unwind(AssertUnwindSafe(|| {
            compute(self.plan, &walk, windows, self.target.layout, scratch)
        })) {
            Ok(Ok(())) => guard
                .commit()
                .map_err(|error| locks::failure(&error, operands)),
            Ok(Err(failure)) => Err(undo(guard, &walk, windows, failure)),
            Err(payload) => {
                let failure = panicked(self.plan.signature().name, payload.as_ref());
                Err(undo(guard, &walk, windows, failure))
            }
        }
    }

    fn progress(&self, stripe: u32) -> Result<Progress, Failure> {
        u16::try_from(stripe)
            .ok()
            .and_then(|stripe| Progress::new(self.task, stripe))
            .ok_or_else(|| Failure::Protocol {
                detail: format!("a number that no progress word holds: task {}", self.task),
            })
    }
}

/// Gives a stripe back after its kernel gave up: as it was where there is an image, else poisoned.
fn undo(
    guard: Guard<'_, UntilHangup>,
    walk: &Walk,
    windows: &mut Windows,
    failure: Failure,
) -> Failure {
    if windows.keep_images() {
        // Taken away meanwhile: then nobody reads it any more either.
        let _taken_away = guard.roll_back(|_| windows.restore(walk));
    }
    failure
}

/// Applies the kernel to the elements of a stripe.
fn compute(
    plan: &Plan,
    walk: &Walk,
    windows: &mut Windows,
    layout: &ArrayLayout,
    scratch: &mut Scratch,
) -> Result<(), Failure> {
    let size = layout.dtype().size_bytes();
    let mut memory = windows.data();
    if walk.is_contiguous_in_runs() && walk.run_elements() * size >= DIRECT_RUN_BYTES {
        for run in walk.runs(0..walk.elements()) {
            apply(plan, layout, memory.slice_mut(run.offset, run.count * size))?;
        }
        return Ok(());
    }
    let mut start = 0;
    while start < walk.elements() {
        let end = walk.elements().min(start + LEAF_ELEMENTS);
        let gathered = scratch.bytes(((end - start) * size) as usize);
        walk.pieces(start..end, size, |run, piece| {
            memory.gather(run, size, &mut gathered[piece]);
        });
        apply(plan, layout, gathered)?;
        walk.pieces(start..end, size, |run, piece| {
            memory.scatter(run, size, &gathered[piece]);
        });
        start = end;
    }
    Ok(())
}

fn apply(plan: &Plan, layout: &ArrayLayout, bytes: &mut [u8]) -> Result<(), Failure> {
    let refused = |detail: String| Failure::BadArguments { detail };
    let mut elements = typed_mut(layout.dtype(), bytes)
        .ok_or_else(|| refused(format!("kernels don't take {}", layout.dtype())))?;
    plan.apply(&mut elements)
        .map_err(|error| refused(error.to_string()))
}

/// The elements of a range of stripes, numbered by address.
pub(crate) fn walk(layout: &ArrayLayout, all: Stripes, stripes: Range<u32>) -> Walk {
    let axis = usize::from(all.axis);
    let len = layout.shape()[axis];
    let start = all.indices(stripes.start, len).start;
    let end = match stripes.end.checked_sub(1) {
        Some(last) => all.indices(last, len).end,
        None => start,
    };
    Walk::region(layout, axis, start..end)
}

/// Writable mappings over a part of an object and of its image.
#[derive(Debug)]
pub(crate) struct Windows {
    /// Bytes from the object's first to the windows' first.
    start: u64,
    element_bytes: u64,
    data: Window,
    image: Option<Window>,
}

impl Windows {
    /// Maps the pages that hold the elements of `stripes`.
    pub(crate) fn open(
        data: &DataMap,
        object: &Checked<'_>,
        all: Stripes,
        stripes: Range<u32>,
    ) -> Result<Self, Failure> {
        let hull = walk(object.layout, all, stripes).hull();
        let start = hull.start & !(PAGE_BYTES - 1);
        let end = round_up(hull.end, PAGE_BYTES).map_or(hull.end, |end| end.min(object.extent.len));
        let part = |extent: Extent| {
            let part = extent.slice(start, end.saturating_sub(start));
            let part = part.expect("the elements of a checked operand lie in its extent");
            data.window(part).map_err(|error| Failure::System {
                detail: format!("no window over object {}: {error}", object.object),
            })
        };
        Ok(Self {
            start,
            element_bytes: object.layout.dtype().size_bytes(),
            data: part(object.extent)?,
            image: object.image.map(part).transpose()?,
        })
    }

    pub(crate) fn keep_images(&self) -> bool {
        self.image.is_some()
    }

    fn data(&mut self) -> MemoryMut<'_> {
        MemoryMut::of_window(&mut self.data, self.start)
    }

    /// Copies elements to the image, if there is one.
    pub(crate) fn save(&mut self, walk: &Walk) {
        let Some(image) = &mut self.image else { return };
        let mut image = MemoryMut::of_window(image, self.start);
        let data = MemoryMut::of_window(&mut self.data, self.start);
        for run in walk.runs(0..walk.elements()) {
            data.copy_run(run, self.element_bytes, &mut image);
        }
    }

    /// Copies elements back from the image, if there is one.
    pub(crate) fn restore(&mut self, walk: &Walk) {
        let Some(image) = &mut self.image else { return };
        let image = MemoryMut::of_window(image, self.start);
        let mut data = MemoryMut::of_window(&mut self.data, self.start);
        for run in walk.runs(0..walk.elements()) {
            image.copy_run(run, self.element_bytes, &mut data);
        }
    }
}
