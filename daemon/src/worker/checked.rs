//! Operands after their check against the arena.
//!
//! The supervisor is trusted, but a restarted one rebuilt its knowledge from a file that others could write. So a worker takes
//! nothing on faith that could make it touch memory outside the arena: what fails here becomes a typed failure of the task.

use std::ops::Range;

use arena_core::lock::{CELL_COUNT, Mode, Request, cell_generation};
use arena_core::protocol::{Failure, Operand, Stripes};
use arena_core::{ArrayLayout, Extent, ObjectId, PAGE_BYTES};

/// An operand whose bytes lie in the arena and whose stripes have cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'t> {
    pub(crate) object: ObjectId,
    pub(crate) layout: &'t ArrayLayout,
    /// The bytes from the first element to the end of the last.
    pub(crate) extent: Extent,
    /// The stripes, for shared objects.
    pub(crate) stripes: Option<Stripes>,
    /// As long as `extent`.
    pub(crate) image: Option<Extent>,
}

impl<'t> Checked<'t> {
    pub(crate) fn new(operand: &'t Operand, arena_bytes: u64) -> Result<Self, Failure> {
        let object = operand.object;
        let len = operand.layout.extent_bytes();
        let extent = within(operand.extent, len, arena_bytes)
            .ok_or_else(|| misfit(object, "its extent", operand.extent))?;
        let image = operand
            .image
            .map(|image| {
                within(image, len, arena_bytes)
                    .filter(|image| !image.overlaps(extent))
                    .ok_or_else(|| misfit(object, "its image's extent", image))
            })
            .transpose()?;
        if let Some(stripes) = operand.stripes {
            check_stripes(&operand.layout, stripes)
                .ok_or_else(|| misfit(object, "its stripes", stripes))?;
        }
        Ok(Self {
            object,
            layout: &operand.layout,
            extent,
            stripes: operand.stripes,
            image,
        })
    }

    /// The stripes, of an object that must be shared.
    pub(crate) fn shared(&self) -> Result<Stripes, Failure> {
        self.stripes.ok_or_else(|| Failure::BadArguments {
            detail: format!(
                "object {} is not shared, so it can't be modified in place",
                self.object
            ),
        })
    }

    /// A request for the locks of a range of stripes that exist.
    pub(crate) fn request(&self, stripes: Stripes, wanted: Range<u32>, mode: Mode) -> Request {
        Request {
            cells: stripes.cells(wanted),
            generation: cell_generation(self.object),
            mode,
            keeps_images: self.image.is_some(),
        }
    }
}

/// The first `len` bytes of an extent that is page-aligned, long enough, and lies in the arena.
fn within(extent: Extent, len: u64, arena_bytes: u64) -> Option<Extent> {
    let whole = Extent::new(extent.offset, extent.len)?;
    let fits = whole.offset.is_aligned(PAGE_BYTES) && whole.end().get() <= arena_bytes;
    fits.then(|| whole.slice(0, len)).flatten()
}

fn check_stripes(layout: &ArrayLayout, stripes: Stripes) -> Option<()> {
    let cells_end = stripes.first_cell.checked_add(stripes.count)?;
    let axis_exists = usize::from(stripes.axis) < layout.shape().len();
    (stripes.count > 0 && cells_end <= CELL_COUNT && axis_exists).then_some(())
}

fn misfit(object: ObjectId, what: &str, found: impl std::fmt::Debug) -> Failure {
    Failure::Protocol {
        detail: format!("object {object} does not fit the arena, {what}: {found:?}"),
    }
}

#[cfg(test)]
mod tests {
    use arena_core::{Dtype, Offset};

    use super::*;

    const ARENA_BYTES: u64 = 1 << 20;

    fn operand(offset: u64, len: u64) -> Operand {
        Operand {
            object: ObjectId {
                index: 1,
                generation: 1,
            },
            extent: Extent {
                offset: Offset::new(offset),
                len,
            },
            layout: ArrayLayout::c_order(Dtype::Float64, &[100, 10]).unwrap(),
            stripes: None,
            image: None,
        }
    }

    #[test]
    fn extents_are_cut_to_the_layout() {
        for (offset, len) in [(0, 8000), (4096, 8192), (ARENA_BYTES - 8192, 8192)] {
            let operand = operand(offset, len);
            let checked = Checked::new(&operand, ARENA_BYTES).unwrap();
            assert_eq!(checked.extent.offset.get(), offset);
            assert_eq!(checked.extent.len, 8000);
        }
    }

    #[test]
    fn extents_outside_too_short_or_misaligned_are_refused() {
        for (offset, len) in [
            (0, 7999),
            (8, 8000),
            (ARENA_BYTES - 4096, 8000),
            (ARENA_BYTES, 8000),
            (!4095, 8000),
            (0, u64::MAX),
            (4096, u64::MAX),
        ] {
            let refused = Checked::new(&operand(offset, len), ARENA_BYTES).unwrap_err();
            assert!(matches!(refused, Failure::Protocol { .. }), "{refused}");
            let with_image = Operand {
                image: Some(operand(offset, len).extent),
                ..operand(16384, 8000)
            };
            assert!(Checked::new(&with_image, ARENA_BYTES).is_err());
        }
    }

    #[test]
    fn an_image_over_its_own_object_is_refused() {
        let overlapping = Operand {
            image: Some(operand(4096, 8000).extent),
            ..operand(0, 8000)
        };
        assert!(Checked::new(&overlapping, ARENA_BYTES).is_err());
        let beside = Operand {
            image: Some(operand(8192, 8000).extent),
            ..operand(0, 8000)
        };
        assert!(Checked::new(&beside, ARENA_BYTES).is_ok());
    }

    #[test]
    fn stripes_without_cells_or_axis_are_refused() {
        let stripes = |axis, first_cell, count| Stripes {
            axis,
            first_cell,
            count,
        };
        let check = |stripes| {
            let operand = Operand {
                stripes: Some(stripes),
                ..operand(0, 8000)
            };
            Checked::new(&operand, ARENA_BYTES).map(|_| ())
        };
        assert!(check(stripes(1, CELL_COUNT - 10, 10)).is_ok());
        for bad in [
            stripes(2, 0, 10),
            stripes(0, 0, 0),
            stripes(0, CELL_COUNT - 9, 10),
            stripes(0, u32::MAX, 10),
            stripes(0, 0, u32::MAX),
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
