//! Repairing what a dead writer left half written.
//!
//! A poisoned stripe with a marked image gets the image back; the commit clears poison and mark together. A poisoned stripe without
//! a mark, of an object that keeps images, was never written, because the mark comes before the first store: its poison is cleared
//! and nothing is copied. Both may be cut short by a death and done again: the poison and the mark stay until the commit, and
//! copying the same image twice gives the same stripe.

use std::time::Duration;

use arena_core::lock::{Mode, State};
use arena_core::mapping::DataMap;
use arena_core::protocol::{Failure, Stripes};

use crate::worker::checked::Checked;
use crate::worker::in_place::{Windows, walk};
use crate::worker::locks::{self, WorkerLocks};

/// A task that repairs stripes.
#[derive(Debug)]
pub(crate) struct Repair<'t> {
    pub(crate) target: &'t Checked<'t>,
    pub(crate) stripes: &'t [u32],
    pub(crate) lock_timeout: Duration,
}

impl Repair<'_> {
    /// Repairs what can be repaired; fails with the first stripe that can't.
    pub(crate) fn run(&self, data: &DataMap, locker: &WorkerLocks) -> Result<(), Failure> {
        let all = self.target.shared()?;
        if let Some(stripe) = self.stripes.iter().find(|&&stripe| stripe >= all.count) {
            return Err(Failure::Protocol {
                detail: format!("there are {} stripes, asked for {stripe}", all.count),
            });
        }
        let mut result = Ok(());
        for &stripe in self.stripes {
            result = result.and(self.stripe(all, stripe, data, locker));
        }
        result
    }

    fn stripe(
        &self,
        all: Stripes,
        stripe: u32,
        data: &DataMap,
        locker: &WorkerLocks,
    ) -> Result<(), Failure> {
        let cell = all.first_cell + stripe;
        if !state(locker, cell).is_poisoned() {
            return Ok(());
        }
        if self.target.image.is_none() {
            return Err(Failure::Poisoned {
                object: self.target.object,
                stripe,
            });
        }
        let request = self
            .target
            .request(all, stripe..stripe + 1, Mode::Overwrite);
        let failed = |error| locks::failure(&error, std::slice::from_ref(self.target));
        let guard = locker.acquire(request, self.lock_timeout).map_err(failed)?;
        // Looked at again under the lock: somebody else may have repaired or overwritten the stripe meanwhile.
        let held = state(locker, cell);
        if held.is_poisoned() && held.has_image() {
            let mut windows = Windows::open(data, self.target, all, stripe..stripe + 1)?;
            windows.restore(&walk(self.target.layout, all, stripe..stripe + 1));
        }
        guard.commit().map_err(failed)
    }
}

fn state(locker: &WorkerLocks, cell: u32) -> State {
    let report = locker.area().inspect((cell..cell + 1).into()).next();
    report.map(|report| report.state).unwrap_or_default()
}
