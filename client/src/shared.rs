//! Mutable objects, written by many processes under slice locks.

use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use arena_core::lock::{
    Blocker, Held, LockError, Locker, Mode, Request as LockRequest, cell_generation,
};
use arena_core::protocol::{Failure, Object as ObjectInfo, Reply, Request, Selector, Stripes};
use arena_core::{ArenaId, ArrayLayout, ObjectId, SlotId};

use crate::error::{Error, Result};
use crate::guard::{ReadGuard, WriteGuard};
use crate::object::{Object, Pin};
use crate::run::{Ran, ran};
use crate::session::{Origin, Session};
use crate::this_process::ThisProcess;
use crate::window::{Locked, Place, SharedWindow};

/// A handle on a mutable array of the arena, with a window over it.
///
/// The array is cut into stripes along one axis; a range of indices along that axis is locked by locking the stripes that hold
/// them. Locks name the process that holds them: when it dies, the supervisor lets others go on, and what the dead one was
/// writing is *poisoned* until somebody [overwrites](Shared::overwrite) it or it is [rolled back](Shared::roll_back).
///
/// Clones are the same handle, pin and window; threads wait for each other as processes do. See
/// [`Client::create_shared`](crate::Client::create_shared) for an example.
#[derive(Clone, Debug)]
pub struct Shared {
    inner: Arc<Inner>,
}

/// Dropped in this order: a window is unmapped before it is told to be.
#[derive(Debug)]
struct Inner {
    place: Place,
    _announced: Announced,
    info: ObjectInfo,
    cells_generation: u64,
    pin: Pin,
}

/// A window that the supervisor knows of.
#[derive(Debug)]
struct Announced {
    session: Arc<Session>,
    what: Origin,
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.session.close_window(self.what);
    }
}

impl Shared {
    pub(crate) fn open(info: ObjectInfo, pin: Pin) -> Result<Self> {
        let object = info.id;
        let stripes = info.stripes.ok_or(Error::NotShared { object })?;
        let axis = usize::from(stripes.axis);
        let axis_len = match info.layout.shape() {
            [] => 1,
            shape => *shape
                .get(axis)
                .ok_or(Error::UnexpectedReply { request: "get" })?,
        };
        let session = Arc::clone(&pin.session);
        let what = pin.origin();
        session.open_window(what)?;
        let announced = Announced { session, what };
        let locker = pin.session.locker()?;
        let window = SharedWindow::open(&pin.arena, &info, axis)?;
        Ok(Self {
            inner: Arc::new(Inner {
                place: Place {
                    keeps_images: window.keeps_images(),
                    window: ThisProcess::new(window),
                    locker,
                    object,
                    stripes,
                    axis_len,
                },
                _announced: announced,
                cells_generation: cell_generation(object),
                info,
                pin,
            }),
        })
    }

    /// Row and generation: the object's identity in its arena.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.inner.info.id
    }

    /// What the supervisor said about the object when the handle was made.
    #[must_use]
    pub fn info(&self) -> &ObjectInfo {
        &self.inner.info
    }

    /// Element type, shape and strides.
    #[must_use]
    pub fn layout(&self) -> &ArrayLayout {
        &self.inner.info.layout
    }

    /// How the array is cut.
    #[must_use]
    pub fn stripes(&self) -> Stripes {
        self.inner.place.stripes
    }

    /// Locks a range of indices along the lock axis for reading, waiting as long as the client's
    /// [`lock_timeout`](crate::Builder::lock_timeout).
    ///
    /// # Errors
    /// [`Failure::LockTimeout`](crate::Failure) names who holds it; [`Failure::Poisoned`](crate::Failure);
    /// [`Failure::Closed`](crate::Failure) once it is sealed or removed; [`Error::OutOfRange`]; [`Error::Lock`] where this thread
    /// holds a part of it already.
    #[inline]
    pub fn read(&self, range: impl RangeBounds<u64>) -> Result<ReadGuard<'_>> {
        self.read_within(range, self.lock_timeout())
    }

    /// [`Shared::read`], waiting for `timeout` at most. Zero does not wait.
    ///
    /// # Errors
    /// As [`Shared::read`].
    #[inline]
    pub fn read_within(
        &self,
        range: impl RangeBounds<u64>,
        timeout: Duration,
    ) -> Result<ReadGuard<'_>> {
        self.lock(range, Mode::Read, timeout).map(ReadGuard::new)
    }

    /// Locks a range of indices along the lock axis for changing it. What the guard wrote counts once it is
    /// [committed](WriteGuard::commit).
    ///
    /// # Errors
    /// As [`Shared::read`].
    #[inline]
    pub fn write(&self, range: impl RangeBounds<u64>) -> Result<WriteGuard<'_>> {
        self.write_within(range, self.lock_timeout())
    }

    /// [`Shared::write`], waiting for `timeout` at most. Zero does not wait.
    ///
    /// # Errors
    /// As [`Shared::read`].
    #[inline]
    pub fn write_within(
        &self,
        range: impl RangeBounds<u64>,
        timeout: Duration,
    ) -> Result<WriteGuard<'_>> {
        self.lock(range, Mode::Write, timeout).map(WriteGuard::new)
    }

    /// Locks whole stripes for writing every element of them, poisoned or not. The commit makes them sound.
    ///
    /// # Errors
    /// As [`Shared::read`], but for the poison; [`Error::PartialStripe`] where the range cuts a stripe.
    pub fn overwrite(&self, range: impl RangeBounds<u64>) -> Result<WriteGuard<'_>> {
        self.overwrite_within(range, self.lock_timeout())
    }

    /// [`Shared::overwrite`], waiting for `timeout` at most. Zero does not wait.
    ///
    /// # Errors
    /// As [`Shared::overwrite`].
    pub fn overwrite_within(
        &self,
        range: impl RangeBounds<u64>,
        timeout: Duration,
    ) -> Result<WriteGuard<'_>> {
        self.lock(range, Mode::Overwrite, timeout)
            .map(WriteGuard::new)
    }

    /// Makes the array immutable. Takes all its locks first; no other session may have a window open.
    ///
    /// Other clones of this handle stay pins and can't lock any more.
    ///
    /// # Errors
    /// As [`Shared::write`], and [`Failure::StillOpen`](crate::Failure) with the sessions that have to close it.
    pub fn seal(&self) -> Result<Object> {
        let pin = &self.inner.pin;
        let window = self.inner.place.window.get()?;
        let all = self.lock(.., Mode::Write, self.lock_timeout())?;
        window.make_private()?;
        let sealed = pin.call(&Request::Seal(self.id()));
        if sealed.is_err() {
            window.make_shared()?;
        }
        all.withdraw();
        sealed?;
        let request = Request::Get(Selector::Id(self.id()));
        let (info, link) = pin.session.call_pinned(&request, Some(pin.origin()))?;
        let pin = Pin::new(Arc::clone(&pin.session), Arc::clone(&link.arena), info.id);
        Object::new(info, pin)
    }

    /// Has a worker copy the before-images of poisoned stripes back.
    ///
    /// # Errors
    /// [`Failure::BadArguments`](crate::Failure) where the object keeps none.
    pub fn roll_back(&self) -> Result<Ran> {
        ran(self.inner.pin.call(&Request::RollBack(self.id()))?)
    }

    /// Takes the object out of the name space, see [`Object::remove`].
    ///
    /// # Errors
    /// What the supervisor refuses.
    pub fn remove(&self) -> Result<()> {
        let request = Request::Remove(Selector::Id(self.id()));
        self.inner.pin.call(&request).map(drop)
    }

    pub(crate) fn arena_id(&self) -> ArenaId {
        self.inner.pin.arena.id()
    }

    fn lock_timeout(&self) -> Duration {
        self.inner.pin.session.settings().lock_timeout
    }

    #[inline(always)]
    fn lock(
        &self,
        range: impl RangeBounds<u64>,
        mode: Mode,
        timeout: Duration,
    ) -> Result<Locked<'_>> {
        let place = &self.inner.place;
        let indices = indices_of(&range, place.axis_len)?;
        let locker = place.locker.get()?;
        let held = match self.request(&indices, mode)? {
            Some(request) => Some(self.acquire(locker, request, timeout)?),
            None => None,
        };
        Locked::new(place, indices, mode, held)
    }

    /// What to lock for `indices`; nothing where there are none.
    #[inline(always)]
    fn request(&self, indices: &Range<u64>, mode: Mode) -> Result<Option<LockRequest>> {
        let inner = &*self.inner;
        let place = &inner.place;
        let stripes = place.stripes.covering(indices.clone(), place.axis_len);
        if stripes.is_empty() {
            return Ok(None);
        }
        if mode == Mode::Overwrite {
            self.check_whole(&stripes, indices)?;
        }
        Ok(Some(LockRequest {
            cells: place.stripes.cells(stripes),
            generation: inner.cells_generation,
            mode,
            keeps_images: place.keeps_images,
        }))
    }

    fn check_whole(&self, stripes: &Range<u32>, indices: &Range<u64>) -> Result<()> {
        let place = &self.inner.place;
        let covered = |stripe| place.stripes.indices(stripe, place.axis_len);
        let object = self.id();
        let (first, last) = (stripes.start, stripes.end - 1);
        if covered(first).start != indices.start {
            return Err(Error::PartialStripe {
                object,
                stripe: first,
            });
        }
        if covered(last).end != indices.end {
            return Err(Error::PartialStripe {
                object,
                stripe: last,
            });
        }
        Ok(())
    }

    #[inline(always)]
    fn acquire(&self, locker: &Locker, request: LockRequest, timeout: Duration) -> Result<Held> {
        locker
            .lock(request, timeout)
            .map_err(|error| self.explain(error))
    }

    /// A lock's error in the terms of the object.
    #[cold]
    pub(crate) fn explain(&self, error: LockError) -> Error {
        let object = self.id();
        let stripe_of = |cell: u32| cell.saturating_sub(self.inner.place.stripes.first_cell);
        match error {
            LockError::TimedOut {
                cell,
                blocker,
                waited,
                ..
            } => Error::Failed(Failure::LockTimeout {
                object,
                stripe: stripe_of(cell),
                holder_slot: blocker.slot().map(|slot| slot.0),
                holder_pid: self.holder_pid(blocker),
                waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
            }),
            LockError::Poisoned { cell, .. } => Error::Failed(Failure::Poisoned {
                object,
                stripe: stripe_of(cell),
            }),
            LockError::Closed { .. } | LockError::Stale { .. } => {
                Error::Failed(Failure::Closed { object })
            }
            source => Error::Lock { object, source },
        }
    }

    /// Which process has the slot that stands in the way, as far as the supervisor can be asked.
    fn holder_pid(&self, blocker: Blocker) -> Option<u32> {
        match blocker {
            Blocker::Thread => Some(std::process::id()),
            _ => self.pid_of(blocker.slot()?),
        }
    }

    fn pid_of(&self, slot: SlotId) -> Option<u32> {
        let session = &self.inner.pin.session;
        if let Ok(Reply::Sessions(sessions)) = session.call(&Request::Sessions)
            && let Some(holder) = sessions.iter().find(|row| row.slot == Some(slot))
        {
            return Some(holder.pid);
        }
        match session.call(&Request::Workers) {
            Ok(Reply::Workers(workers)) => {
                workers.iter().find(|row| row.slot == slot).map(|w| w.pid)
            }
            _ => None,
        }
    }
}

/// The indices that a range means on an axis of `axis_len`.
#[inline(always)]
fn indices_of(range: &impl RangeBounds<u64>, axis_len: u64) -> Result<Range<u64>> {
    let start = match range.start_bound() {
        Bound::Included(start) => Some(*start),
        Bound::Excluded(before) => before.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.checked_add(1),
        Bound::Excluded(end) => Some(*end),
        Bound::Unbounded => Some(axis_len),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && end <= axis_len => Ok(start..end),
        (start, end) => Err(Error::OutOfRange {
            range: start.unwrap_or(u64::MAX)..end.unwrap_or(u64::MAX),
            axis_len,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_every_kind_are_indices() {
        assert_eq!(indices_of(&.., 9).unwrap(), 0..9);
        assert_eq!(indices_of(&(2..), 9).unwrap(), 2..9);
        assert_eq!(indices_of(&(2..=4), 9).unwrap(), 2..5);
        assert_eq!(indices_of(&(9..9), 9).unwrap(), 9..9);
        for bad in [
            (Bound::Included(3), Bound::Excluded(2)),
            (Bound::Included(0), Bound::Included(9)),
        ] {
            assert!(matches!(indices_of(&bad, 9), Err(Error::OutOfRange { .. })));
        }
        assert!(indices_of(&(..=u64::MAX), 9).is_err());
    }
}
