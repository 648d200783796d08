//! How calls name objects.

use arena_core::protocol::Selector;
use arena_core::{ArenaId, NameError, ObjectId, ObjectName};

use crate::error::{Error, Result};
use crate::object::Object;
use crate::shared::Shared;

/// An object, named in any of the ways there are: by name, by id, by a handle.
pub trait Input {
    /// The name or id to send.
    ///
    /// # Errors
    /// Where a text is no name.
    fn selector(&self) -> std::result::Result<Selector, NameError>;

    /// The arena that a handle's id is of. Names and bare ids are of whatever arena is served.
    fn arena(&self) -> Option<ArenaId> {
        None
    }
}

impl<I: Input + ?Sized> Input for &I {
    fn selector(&self) -> std::result::Result<Selector, NameError> {
        (**self).selector()
    }

    fn arena(&self) -> Option<ArenaId> {
        (**self).arena()
    }
}

impl Input for str {
    fn selector(&self) -> std::result::Result<Selector, NameError> {
        Ok(Selector::Name(self.parse()?))
    }
}

impl Input for String {
    fn selector(&self) -> std::result::Result<Selector, NameError> {
        self.as_str().selector()
    }
}

impl Input for ObjectName {
    fn selector(&self) -> std::result::Result<Selector, NameError> {
        Ok(Selector::Name(self.clone()))
    }
}

impl Input for ObjectId {
    fn selector(&self) -> std::result::Result<Selector, NameError> {
        Ok(Selector::Id(*self))
    }
}

impl Input for Selector {
    fn selector(&self) -> std::result::Result<Selector, NameError> {
        Ok(self.clone())
    }
}

macro_rules! handles {
    ($($handle:ty),*) => {
        $(impl Input for $handle {
            fn selector(&self) -> std::result::Result<Selector, NameError> {
                Ok(Selector::Id(self.id()))
            }

            fn arena(&self) -> Option<ArenaId> {
                Some(self.arena_id())
            }
        })*
    };
}

handles!(Object, Shared);

/// An object as a call named it, until a connection says which arena is served.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    /// What was named, or why the text is no name.
    selector: std::result::Result<Selector, NameError>,
    arena: Option<ArenaId>,
}

impl Operand {
    pub(crate) fn new(input: &impl Input) -> Self {
        Self {
            selector: input.selector(),
            arena: input.arena(),
        }
    }

    /// The selector to send to a supervisor of `arena`: a handle of another arena names nothing there.
    pub(crate) fn resolve(&self, arena: ArenaId) -> Result<Selector> {
        match (self.selector.clone()?, self.arena) {
            (Selector::Id(object), Some(other)) if other != arena => {
                Err(Error::ForeignObject { object })
            }
            (selector, _) => Ok(selector),
        }
    }
}
