//! Immutable objects.

use std::sync::Arc;

use arena_core::protocol::{Object as ObjectInfo, ObjectState, Reply, Request, Selector};
use arena_core::{ArenaId, ArrayLayout, ObjectId};
use ndarray::ArrayViewD;

use crate::arena::Arena;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::session::{Origin, Session};
use crate::view::Sealed;

/// A handle on an immutable array of the arena.
///
/// Its bytes are mapped into this process; looking at them copies nothing and calls nobody. Clones share one pin, which is taken
/// back when the last of them is dropped: until then the supervisor reuses nothing of the object, even if it is removed.
///
/// ```
/// use arena_client::Client;
/// use ndarray::array;
///
/// let client = Client::embedded()?;
/// let prices = client.put("prices", &array![[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!(prices.view::<f64>()?[[1, 0]], 3.0);
/// assert_eq!(prices.layout().shape(), [2, 2]);
/// # Ok::<(), arena_client::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Object {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    info: ObjectInfo,
    sealed: Sealed,
    pin: Pin,
}

/// A counted hold on an object, taken back on drop.
#[derive(Debug)]
pub(crate) struct Pin {
    pub(crate) session: Arc<Session>,
    pub(crate) arena: Arc<Arena>,
    pub(crate) object: ObjectId,
    abandoned: bool,
}

impl Pin {
    pub(crate) fn new(session: Arc<Session>, arena: Arc<Arena>, object: ObjectId) -> Self {
        Self {
            session,
            arena,
            object,
            abandoned: false,
        }
    }

    /// The object and its arena.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            arena: self.arena.id(),
            object: self.object,
        }
    }

    /// Sends a request about the object, in a forked child over the child's own session.
    pub(crate) fn call(&self, request: &Request) -> Result<Reply> {
        let session = Session::of_this_process(&self.session)?;
        let (reply, _) = session.call_on_link(request, Some(self.origin()))?;
        Ok(reply)
    }

    /// Gives the object back unsealed, and with it the pin. Its window is unmapped.
    pub(crate) fn abandon(mut self) {
        self.abandoned = true;
        self.session.abandon(self.origin());
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if !self.abandoned {
            self.session.release(self.origin());
        }
    }
}

impl Object {
    /// A handle on a sealed object that a reply has pinned.
    pub(crate) fn new(info: ObjectInfo, pin: Pin) -> Result<Self> {
        check_sealed(&info)?;
        let sealed = Sealed::in_arena(Arc::clone(&pin.arena), &info.layout, info.extent)?;
        Ok(Self::with_bytes(info, sealed, pin))
    }

    pub(crate) fn with_bytes(info: ObjectInfo, sealed: Sealed, pin: Pin) -> Self {
        Self {
            inner: Arc::new(Inner { info, sealed, pin }),
        }
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

    /// The array. No copy, no system call.
    ///
    /// # Errors
    /// [`Error::WrongDtype`] where `T` is not its element type; [`Error::NotBool`] where `T` is `bool` and a byte is not.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        self.inner.sealed.view()
    }

    /// The elements in C order.
    ///
    /// # Errors
    /// As [`Object::view`], and [`Error::NotContiguous`] where they don't lie so.
    pub fn slice<T: Element>(&self) -> Result<&[T]> {
        self.view()?.to_slice().ok_or(Error::NotContiguous)
    }

    /// The bytes, as they lie in the arena.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.inner.sealed.bytes()
    }

    /// Takes the object out of the name space. Handles and views of it, here and elsewhere, stay valid; its memory is free for
    /// others when the last of them is gone.
    ///
    /// # Errors
    /// What the supervisor refuses, for example because somebody else has removed it.
    pub fn remove(&self) -> Result<()> {
        let request = Request::Remove(Selector::Id(self.id()));
        self.inner.pin.call(&request).map(drop)
    }

    pub(crate) fn arena_id(&self) -> ArenaId {
        self.inner.pin.arena.id()
    }
}

/// Refuses what is not immutable.
pub(crate) fn check_sealed(info: &ObjectInfo) -> Result<()> {
    match info.state {
        ObjectState::Sealed | ObjectState::Removed if info.stripes.is_none() => Ok(()),
        ObjectState::Shared => Err(Error::IsShared { object: info.id }),
        state => Err(Error::Failed(arena_core::protocol::Failure::WrongState {
            object: info.id,
            state,
            operation: "view".to_owned(),
        })),
    }
}
