//! Mappings that forked children don't inherit.

use std::mem;

use crate::error::{Error, Result};
use crate::fork;

/// A value over a mapping that the kernel leaves out of forked children. In a child it can't be used, and it is forgotten
/// instead of dropped: by then something else may lie where the mapping was.
#[derive(Debug)]
pub(crate) struct ThisProcess<T> {
    /// Absent only while it is dropped.
    value: Option<T>,
    generation: u64,
}

impl<T> ThisProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Some(value),
            generation: fork::generation(),
        }
    }

    /// The value, in the process that made it.
    #[inline]
    pub(crate) fn get(&self) -> Result<&T> {
        match &self.value {
            Some(value) if self.generation == fork::generation() => Ok(value),
            _ => Err(Error::BeforeFork),
        }
    }
}

impl<T> Drop for ThisProcess<T> {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            mem::forget(self.value.take());
        }
    }
}
