//! How calls name objects.

use arena_core::protocol::Selector;
use arena_core::{ArenaId, NameError, ObjectId, ObjectName};

use crate::error::Result;
use crate::object::Object;
use crate::session::Origin;
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

    /// What to send.
    pub(crate) fn selector(&self) -> Result<Selector> {
        Ok(self.selector.clone()?)
    }

    /// The object of a handle, which is of one arena alone.
    pub(crate) fn origin(&self) -> Option<Origin> {
        match (&self.selector, self.arena) {
            (Ok(Selector::Id(object)), Some(arena)) => Some(Origin {
                arena,
                object: *object,
            }),
            _ => None,
        }
    }

    /// The selector to send to a supervisor of `arena`.
    pub(crate) fn resolve(&self, arena: ArenaId) -> Result<Selector> {
        if let Some(origin) = self.origin() {
            origin.check(arena)?;
        }
        self.selector()
    }
}
