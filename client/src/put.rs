//! Copying arrays into the arena.

use std::io::Read;

use arena_core::copy::copy_into;
use arena_core::{ArrayLayout, LayoutError};
use ndarray::{ArrayBase, ArrayView, ArrayViewD, Data, Dimension};

use crate::client::Client;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::object::Object;
use crate::window::fill_unshared;

impl Client {
    /// Copies an array into the arena: once, with two threads where it is large.
    ///
    /// C order and Fortran order (and any other order of axes without gaps) are kept; whatever else an array's strides say, it
    /// becomes C order. Without a name the object lives as long as this session, or a handle of it.
    ///
    /// ```
    /// use arena_client::Client;
    /// use ndarray::Array2;
    ///
    /// let client = Client::embedded()?;
    /// let image = client.put(None, &Array2::<f32>::ones((480, 640)))?;
    /// assert_eq!(image.view::<f32>()?.sum(), 480.0 * 640.0);
    /// # Ok::<(), arena_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Failure::NameTaken`](crate::Failure), [`Failure::ArenaFull`](crate::Failure) and what else the supervisor refuses;
    /// [`Error::Layout`] for more than 8 dimensions.
    pub fn put<'n, S, D>(
        &self,
        name: impl Into<Option<&'n str>>,
        array: &ArrayBase<S, D>,
    ) -> Result<Object>
    where
        S: Data,
        S::Elem: Element,
        D: Dimension,
    {
        let array = array.view();
        let layout = layout_of(&array)?;
        match dense(&array, &layout) {
            Some(elements) => self.put_with(layout, name.into(), |window| {
                copy_into(window, 0, crate::view::bytes_of(elements));
                Ok(())
            }),
            None => self.put_scattered(layout, name.into(), &array.into_dyn()),
        }
    }

    /// Copies bytes into the arena that already lie as `layout` says.
    ///
    /// # Errors
    /// As [`Client::put`], and [`Error::WrongLength`] where there are more or fewer bytes than the layout spans.
    pub fn put_bytes<'n>(
        &self,
        layout: ArrayLayout,
        name: impl Into<Option<&'n str>>,
        bytes: &[u8],
    ) -> Result<Object> {
        if bytes.len() as u64 != layout.extent_bytes() {
            return Err(Error::WrongLength {
                expected: layout.extent_bytes(),
                found: bytes.len() as u64,
            });
        }
        self.put_with(layout, name.into(), |window| {
            copy_into(window, 0, bytes);
            Ok(())
        })
    }

    /// Reads an array's bytes from `source` into the arena, without a buffer between.
    ///
    /// # Errors
    /// As [`Client::put`], and [`Error::Source`] where the source fails or ends early; nothing stays in the arena then.
    pub fn put_reader<'n>(
        &self,
        layout: ArrayLayout,
        name: impl Into<Option<&'n str>>,
        mut source: impl Read,
    ) -> Result<Object> {
        self.put_with(layout, name.into(), |window| {
            fill_unshared(window, |bytes| source.read_exact(bytes))
                .map_err(|source| Error::Source { source })
        })
    }

    fn put_scattered<T: Element>(
        &self,
        layout: ArrayLayout,
        name: Option<&str>,
        array: &ArrayViewD<'_, T>,
    ) -> Result<Object> {
        let mut filling = self.create(layout, name)?;
        filling.view_mut::<T>()?.assign(array);
        filling.seal()
    }

    /// Creates, fills and seals in one go. The window is known to nobody else, so it is unmapped instead of made private.
    fn put_with(
        &self,
        layout: ArrayLayout,
        name: Option<&str>,
        fill: impl FnOnce(&mut arena_core::window::Window) -> Result<()>,
    ) -> Result<Object> {
        let mut unsealed = self.create_unsealed(layout, name)?;
        let mut window = unsealed.window()?;
        fill(&mut window)?;
        drop(window);
        let (info, pin) = unsealed.seal(false)?;
        Object::new(info, pin)
    }
}

/// The layout that `array` gets in the arena.
fn layout_of<T: Element, D: Dimension>(
    array: &ArrayView<'_, T, D>,
) -> std::result::Result<ArrayLayout, LayoutError> {
    let shape: Vec<u64> = array.shape().iter().map(|len| *len as u64).collect();
    if array.is_standard_layout() {
        return ArrayLayout::c_order(T::DTYPE, &shape);
    }
    if array.t().is_standard_layout() {
        return ArrayLayout::fortran_order(T::DTYPE, &shape);
    }
    // Any other order of axes counts where the elements lie without gaps and forwards.
    let strides: Option<Vec<u64>> = array
        .strides()
        .iter()
        .map(|stride| {
            u64::try_from(*stride)
                .ok()?
                .checked_mul(T::DTYPE.size_bytes())
        })
        .collect();
    let kept = strides
        .filter(|_| array.as_slice_memory_order().is_some())
        .map(|strides| ArrayLayout::strided(T::DTYPE, &shape, &strides));
    match kept {
        Some(Ok(layout)) if layout.is_dense() => Ok(layout),
        _ => ArrayLayout::c_order(T::DTYPE, &shape),
    }
}

/// The elements as they lie in memory, where that is how `layout` wants them.
fn dense<'a, T: Element, D: Dimension>(
    array: &'a ArrayView<'_, T, D>,
    layout: &ArrayLayout,
) -> Option<&'a [T]> {
    let forwards = array.strides().iter().all(|stride| *stride >= 0) || array.is_standard_layout();
    let elements = array.as_slice_memory_order()?;
    let same_order = array.is_standard_layout() || !layout.is_c_contiguous();
    (forwards && same_order).then_some(elements)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, Array1, Array2, s};

    use super::*;

    #[test]
    fn orders_without_gaps_are_kept() {
        let c = Array2::<f64>::zeros((3, 4));
        assert!(layout_of(&c.view()).unwrap().is_c_contiguous());
        assert!(dense(&c.view(), &layout_of(&c.view()).unwrap()).is_some());
        let f = c.t();
        assert!(layout_of(&f).unwrap().is_fortran_contiguous());
        assert!(dense(&f, &layout_of(&f).unwrap()).is_some());
        let permuted = Array::<i16, _>::zeros((2, 3, 4)).permuted_axes([1, 0, 2]);
        let layout = layout_of(&permuted.view()).unwrap();
        assert_eq!(layout.strides(), [8, 24, 2]);
        assert!(dense(&permuted.view(), &layout).is_some());
    }

    #[test]
    fn gaps_and_backward_strides_become_c_order() {
        let array = Array1::<u32>::from_iter(0..10);
        for view in [array.slice(s![..;2]), array.slice(s![..;-1])] {
            let layout = layout_of(&view).unwrap();
            assert!(layout.is_c_contiguous() && layout.is_dense());
            assert!(dense(&view, &layout).is_none());
        }
    }
}
