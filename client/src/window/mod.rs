//! Memory that this process may write: of objects that are being filled, and of stripes that it has locked.

mod fill;
mod locked;

pub(crate) use fill::{Fill, fill_unshared};
pub(crate) use locked::{Locked, Place, SharedWindow};
