//! Objects that are being filled.

use std::sync::Arc;

use arena_core::protocol::{Object as ObjectInfo, ObjectState, Request, Selector};
use arena_core::window::Window;
use arena_core::{ArrayLayout, ObjectId};
use ndarray::ArrayViewMutD;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::object::{Object, Pin};
use crate::session::expect_object;
use crate::view::Sealed;
use crate::window::Fill;

/// An array that this process fills, seen by nobody else until it is sealed.
///
/// Dropped unsealed, it leaves nothing. A fork of the process, in whatever thread, seals it: the child sees the bytes as they
/// were, and so does everybody else; after that it can't be written any more ([`Error::SealedByFork`]), only
/// [sealed](Filling::seal), which gives the object. So no thread may be writing an array while another one forks.
///
/// ```
/// use arena_client::{ArrayLayout, Client, Dtype};
///
/// let client = Client::embedded()?;
/// let mut squares = client.create(ArrayLayout::c_order(Dtype::Int64, &[10])?, None)?;
/// for (i, square) in squares.slice_mut::<i64>()?.iter_mut().enumerate() {
///     *square = (i * i) as i64;
/// }
/// let squares = squares.seal()?;
/// assert_eq!(squares.slice::<i64>()?[9], 81);
/// # Ok::<(), arena_client::Error>(())
/// ```
#[derive(Debug)]
pub struct Filling {
    fill: Fill,
    state: Unsealed,
}

/// An object granted to this session, given back on drop unless it was sealed.
#[derive(Debug)]
pub(crate) struct Unsealed {
    info: ObjectInfo,
    /// Absent once the object is sealed.
    pin: Option<Pin>,
}

impl Filling {
    pub(crate) fn new(unsealed: Unsealed, window: Window) -> Result<Self> {
        let pin = unsealed.pin();
        let fill = Fill::new(
            window,
            &unsealed.info.layout,
            unsealed.info.id,
            &pin.session,
        )?;
        Ok(Self {
            fill,
            state: unsealed,
        })
    }

    /// The object's identity, which it keeps when it is sealed.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.state.info.id
    }

    /// Element type, shape and strides.
    #[must_use]
    pub fn layout(&self) -> &ArrayLayout {
        &self.state.info.layout
    }

    /// The bytes, as they are to lie in the arena. Unless written, they are what earlier objects left there.
    ///
    /// # Errors
    /// [`Error::SealedByFork`].
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.fill.bytes_mut()
    }

    /// The array.
    ///
    /// # Errors
    /// [`Error::WrongDtype`] where `T` is not its element type, [`Error::SealedByFork`], and [`Error::NotBool`] where `T` is
    /// `bool` and the bytes were not made bools before, with [`Filling::bytes_mut`].
    pub fn view_mut<T: Element>(&mut self) -> Result<ArrayViewMutD<'_, T>> {
        self.fill.view_mut()
    }

    /// The elements in C order.
    ///
    /// # Errors
    /// As [`Filling::view_mut`], and [`Error::NotContiguous`] where they don't lie so.
    pub fn slice_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        self.view_mut()?.into_slice().ok_or(Error::NotContiguous)
    }

    /// Copies all bytes of the array from `source`, with two threads where that is faster.
    ///
    /// # Errors
    /// [`Error::WrongLength`] where `source` has not as many bytes as the array, [`Error::SealedByFork`].
    pub fn copy_from(&mut self, source: &[u8]) -> Result<()> {
        self.fill.copy_from(source)
    }

    /// Makes the array immutable and visible: its name can be found from now on.
    ///
    /// The window becomes private first, in place: addresses into it stay valid as long as the object does, and what somebody
    /// still writes through one changes nothing for anybody else.
    ///
    /// # Errors
    /// What the supervisor refuses; the array is given back then.
    pub fn seal(mut self) -> Result<Object> {
        let (mut window, sealed_by_fork) = self.take_window()?;
        window.make_private().map_err(Error::map)?;
        let (info, pin) = self.state.seal(sealed_by_fork)?;
        let sealed = Sealed::in_window(Arc::clone(&pin.arena), &info.layout, window)?;
        Ok(Object::with_bytes(info, sealed, pin))
    }

    fn take_window(&mut self) -> Result<(Window, bool)> {
        self.fill.take().ok_or(Error::BeforeFork)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if let Some((window, sealed_by_fork)) = self.fill.take() {
            // Unmapped before the extent is given back.
            drop(window);
            if sealed_by_fork {
                self.state.leave_to_children();
            }
        }
    }
}

impl Unsealed {
    pub(crate) fn new(info: ObjectInfo, pin: Pin) -> Result<Self> {
        let unsealed = Self {
            info,
            pin: Some(pin),
        };
        match unsealed.info.state {
            ObjectState::Filling => Ok(unsealed),
            _ => Err(Error::UnexpectedReply { request: "create" }),
        }
    }

    pub(crate) fn window(&self) -> Result<Window> {
        let arena = &self.pin().arena;
        arena.data().window(self.info.extent).map_err(Error::map)
    }

    fn pin(&self) -> &Pin {
        self.pin
            .as_ref()
            .expect("the pin is taken only by those who consume the value")
    }

    /// Asks for the seal; the window over the object is private or unmapped.
    pub(crate) fn seal(&mut self, sealed_by_fork: bool) -> Result<(ObjectInfo, Pin)> {
        let pin = self.pin();
        let info = if sealed_by_fork {
            look_up_sealed(pin)?
        } else {
            ask_for_seal(pin)?
        };
        let pin = self.pin.take().expect("looked at above");
        Ok((info, pin))
    }

    /// A fork has sealed the object, and children may look at it: it goes out of the name space, and its pin when they do.
    fn leave_to_children(&mut self) {
        if let Some(pin) = self.pin.take()
            && pin.session.serves(pin.origin())
        {
            let gone = Request::Remove(Selector::Id(pin.object));
            pin.session.current().post(gone);
        }
    }
}

impl Drop for Unsealed {
    fn drop(&mut self) {
        if let Some(pin) = self.pin.take() {
            pin.abandon();
        }
    }
}

/// A seal that was lost with its connection may have been done: then the object says so.
fn ask_for_seal(pin: &Pin) -> Result<ObjectInfo> {
    let request = Request::Seal(pin.object);
    match pin.call(&request) {
        Err(Error::ConnectionLost { .. }) => match pin.call(&request) {
            Err(Error::Failed(failure)) => look_up_sealed(pin).map_err(|_| failure.into()),
            reply => expect_object(reply?, &request),
        },
        reply => expect_object(reply?, &request),
    }
}

fn look_up_sealed(pin: &Pin) -> Result<ObjectInfo> {
    let request = Request::Get(Selector::Id(pin.object));
    let info = expect_object(pin.call(&request)?, &request)?;
    // The pin of the creation is enough.
    pin.session.unpin(vec![info.id]);
    match info.state {
        ObjectState::Sealed | ObjectState::Removed => Ok(info),
        _ => Err(Error::ConnectionLost {
            may_have_happened: false,
        }),
    }
}
