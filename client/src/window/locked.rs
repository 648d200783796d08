#![expect(
    unsafe_code,
    reason = "makes array views over memory that is locked for this process"
)]
//! The window over a shared object, and what of it is locked.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use arena_core::ObjectId;
use arena_core::lock::{Held, LockError, Locker, Mode};
use arena_core::protocol::{Object as ObjectInfo, Stripes};
use arena_core::window::Window;
use ndarray::{ArrayViewD, ArrayViewMutD};

use crate::arena::Arena;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::sync::locked;
use crate::this_process::ThisProcess;
use crate::view::{Grid, Span};

/// The windows over a shared object and its before-images. Nothing here knows who holds a lock: [`Locked`] does.
#[derive(Debug)]
pub(crate) struct SharedWindow {
    grid: Grid,
    axis: usize,
    span: Span,
    image: Option<Span>,
    data_window: Mutex<Window>,
    _image_window: Option<Window>,
}

impl SharedWindow {
    pub(crate) fn open(arena: &Arena, info: &ObjectInfo, axis: usize) -> Result<Self> {
        let open = |extent| arena.data().window(extent).map_err(Error::map);
        let data_window = open(info.extent)?;
        let image_window = info.image.map(open).transpose()?;
        let span = Span::of_window(&data_window);
        let image = image_window.as_ref().map(Span::of_window);
        if image.is_some_and(|image| image.len() < span.len()) {
            return Err(Error::UnexpectedReply { request: "get" });
        }
        Ok(Self {
            grid: Grid::new(&info.layout, span)?,
            axis,
            span,
            image,
            data_window: Mutex::new(data_window),
            _image_window: image_window,
        })
    }

    pub(crate) fn keeps_images(&self) -> bool {
        self.image.is_some()
    }

    /// Makes writes reach nobody, before the object is sealed. The caller holds all its locks.
    pub(crate) fn make_private(&self) -> Result<()> {
        locked(&self.data_window).make_private().map_err(Error::map)
    }

    /// Takes [`SharedWindow::make_private`] back, with what was written meanwhile: nothing.
    pub(crate) fn make_shared(&self) -> Result<()> {
        locked(&self.data_window).make_shared().map_err(Error::map)
    }

    fn part(&self, span: Span, indices: &Range<u64>) -> (Grid, Span) {
        let index = |at: u64| usize::try_from(at).expect("an index of a mapped array");
        let (grid, start) = self
            .grid
            .part(self.axis, index(indices.start)..index(indices.end));
        (grid, span.part(start..span.len()))
    }
}

/// A shared object as this process may lock and write it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) window: ThisProcess<SharedWindow>,
    pub(crate) locker: Arc<ThisProcess<Locker>>,
    pub(crate) object: ObjectId,
    pub(crate) stripes: Stripes,
    pub(crate) axis_len: u64,
    pub(crate) keeps_images: bool,
}

/// Stripes of a shared object that are locked, for reading or for writing. Dropped as they are, stripes locked for writing are
/// rolled back where their object keeps before-images, else poisoned.
#[derive(Debug)]
pub(crate) struct Locked<'s> {
    place: &'s Place,
    /// The indices asked for; the stripes may cover more.
    indices: Range<u64>,
    mode: Mode,
    /// Absent where there are no elements to lock, and once the lock is given back.
    held: Option<Held>,
}

impl<'s> Locked<'s> {
    /// Guards `held`, which covers `indices`. Before-images are kept first, where the object has them.
    #[inline(always)]
    pub(crate) fn new(
        place: &'s Place,
        indices: Range<u64>,
        mode: Mode,
        held: Option<Held>,
    ) -> Result<Self> {
        let locked = Self {
            place,
            indices,
            mode,
            held,
        };
        if mode != Mode::Read && place.keeps_images {
            locked.keep_images()?;
        }
        Ok(locked)
    }

    pub(crate) fn object(&self) -> ObjectId {
        self.place.object
    }

    pub(crate) fn indices(&self) -> &Range<u64> {
        &self.indices
    }

    pub(crate) fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        let (grid, span) = self.part()?;
        // SAFETY: the part lies in stripes that are locked as long as `self` lives, so nobody writes them but its holder, who has
        // borrowed `self` here; the window is this process's and mapped (`part`).
        unsafe {
            grid.check_bools(span)?;
            grid.view(span)
        }
    }

    pub(crate) fn view_mut<T: Element>(&mut self) -> Result<ArrayViewMutD<'_, T>> {
        assert!(self.mode != Mode::Read, "a read lock is not written under");
        let (grid, span) = self.part()?;
        // SAFETY: as for `view`, and the stripes are locked for writing, so nobody else reads or writes them.
        unsafe {
            if self.mode == Mode::Overwrite {
                grid.make_bools(span)?;
            } else {
                grid.check_bools(span)?;
            }
            grid.view_mut(span)
        }
    }

    pub(crate) fn bytes(&self) -> Result<&[u8]> {
        let whole = self.whole()?;
        // SAFETY: as for `view`: all stripes are locked.
        Ok(unsafe { whole.bytes() })
    }

    pub(crate) fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        assert!(self.mode != Mode::Read, "a read lock is not written under");
        let whole = self.whole()?;
        // SAFETY: as for `view_mut`: all stripes are locked for writing.
        Ok(unsafe { whole.bytes_mut() })
    }

    /// All bytes of the array, gaps between strided elements too, where all of its stripes are locked.
    fn whole(&self) -> Result<Span> {
        let window = self.place.window.get()?;
        if self.indices != (0..self.place.axis_len) {
            return Err(Error::NotContiguous);
        }
        Ok(window.span.part(0..window.grid.len_bytes()))
    }

    /// Gives the locks back, with what was written under them.
    #[inline]
    pub(crate) fn commit(mut self) -> std::result::Result<(), LockError> {
        match (self.held.take(), self.place.locker.get()) {
            (Some(held), Ok(locker)) => locker.commit(held),
            _ => Ok(()),
        }
    }

    /// Gives the locks back where nothing was written under them.
    pub(crate) fn withdraw(mut self) {
        if let (Some(held), Ok(locker)) = (self.held.take(), self.place.locker.get()) {
            locker.withdraw(held);
        }
    }

    fn part(&self) -> Result<(Grid, Span)> {
        let window = self.place.window.get()?;
        Ok(window.part(window.span, &self.indices))
    }

    fn keep_images(&self) -> Result<()> {
        let window = self.place.window.get()?;
        if let (Some(held), Some(image)) = (&self.held, window.image) {
            let locker = self.place.locker.get()?;
            locker.keep_images(held, |cell| {
                self.copy_stripe(window, cell, window.span, image);
            });
        }
        Ok(())
    }

    #[cold]
    fn undo(&self, locker: &Locker, held: Held) {
        match self.place.window.get() {
            Ok(
                window @ SharedWindow {
                    image: Some(image), ..
                },
            ) => {
                let copy_back = |cell| self.copy_stripe(window, cell, *image, window.span);
                // Stripes that the supervisor took away are in its hands.
                let _taken_away = locker.roll_back(held, copy_back);
            }
            _ => locker.abandon(held),
        }
    }

    fn copy_stripe(&self, window: &SharedWindow, cell: u32, from: Span, to: Span) {
        let stripe = cell - self.place.stripes.first_cell;
        let indices = self.place.stripes.indices(stripe, self.place.axis_len);
        let (grid, from) = window.part(from, &indices);
        let (_, to) = window.part(to, &indices);
        // SAFETY: the stripe is locked for writing, and its part of the image belongs to whoever holds the stripe's lock; the two
        // lie in different extents; both windows are mapped.
        let copied = unsafe { grid.copy(from, to) };
        copied.expect("extents are aligned for every element type");
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        // A forked child holds nothing.
        if let Some(held) = self.held.take()
            && let Ok(locker) = self.place.locker.get()
        {
            match self.mode {
                Mode::Read => locker.withdraw(held),
                Mode::Write | Mode::Overwrite => self.undo(locker, held),
            }
        }
    }
}
