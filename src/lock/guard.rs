//! Held locks that give themselves back.

use std::mem::ManuallyDrop;

use super::error::LockError;
use super::locker::{Held, Locker};
use super::range::Request;
use super::waiting::{FutexWaiting, Waiting};

/// Locks on one range. Dropped as they are, read locks end; write locks are abandoned, which poisons their stripes.
#[derive(Debug)]
pub struct Guard<'l, W: Waiting = FutexWaiting> {
    locker: &'l Locker<W>,
    held: Held,
}

impl<'l, W: Waiting> Guard<'l, W> {
    /// Guards locks that were taken with [`Locker::lock`] of the same locker.
    pub fn new(locker: &'l Locker<W>, held: Held) -> Self {
        Self { locker, held }
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &Request {
        self.held.request()
    }

    /// See [`Locker::keep_images`].
    pub fn keep_images(&self, copy: impl FnMut(u32)) {
        self.locker.keep_images(&self.held, copy);
    }

    /// See [`Locker::commit`].
    ///
    /// # Errors
    /// The first stripe that was taken away meanwhile.
    #[inline]
    pub fn commit(self) -> Result<(), LockError> {
        let locker = self.locker;
        locker.commit(self.into_held())
    }

    /// See [`Locker::roll_back`].
    ///
    /// # Errors
    /// The first stripe that was taken away meanwhile.
    pub fn roll_back(self, copy_back: impl FnMut(u32)) -> Result<(), LockError> {
        let locker = self.locker;
        locker.roll_back(self.into_held(), copy_back)
    }

    /// See [`Locker::withdraw`].
    pub fn withdraw(self) {
        let locker = self.locker;
        locker.withdraw(self.into_held());
    }

    /// Takes the locks out of the guard.
    #[inline]
    pub fn into_held(self) -> Held {
        ManuallyDrop::new(self).copy_held()
    }

    /// The locks once more; the caller sees to it that only one of the two is given back.
    fn copy_held(&self) -> Held {
        let Held { request, thread } = self.held;
        Held { request, thread }
    }
}

impl<W: Waiting> Drop for Guard<'_, W> {
    fn drop(&mut self) {
        self.locker.abandon(self.copy_held());
    }
}
