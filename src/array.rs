//! How an array lies in its extent: element type, shape, strides.

use serde::{Deserialize, Serialize};

use crate::dtype::Dtype;

/// The most dimensions an array may have.
pub const NDIM_MAX: usize = 8;

/// Why a shape and strides are no layout of an array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum LayoutError {
    #[error("at most {NDIM_MAX} dimensions, got {ndim}")]
    TooManyDimensions { ndim: usize },
    #[error("the array would have more than 2^63 - 1 bytes: shape {shape:?} of {dtype}")]
    TooLarge { shape: Vec<u64>, dtype: Dtype },
    #[error("one stride for each dimension, got {strides} strides for {ndim} dimensions")]
    StrideCount { strides: usize, ndim: usize },
    #[error(
        "strides must keep elements apart and be multiples of the element size {size_bytes}: {strides:?} for shape {shape:?}"
    )]
    Overlapping {
        strides: Vec<u64>,
        shape: Vec<u64>,
        size_bytes: u64,
    },
}

/// Element type, shape and strides of an array whose first element is the first byte of its extent.
///
/// Strides count bytes, are never negative, and never let two elements overlap. A layout that exists is valid: every field is
/// checked at construction and again when it arrives over the socket.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "RawLayout", into = "RawLayout")]
pub struct ArrayLayout {
    dtype: Dtype,
    shape: Vec<u64>,
    strides: Vec<u64>,
    extent_bytes: u64,
}

/// The wire form: a layout before it was checked. No strides mean C order.
#[derive(Serialize, Deserialize)]
struct RawLayout {
    dtype: Dtype,
    shape: Vec<u64>,
    #[serde(default)]
    strides: Option<Vec<u64>>,
}

impl TryFrom<RawLayout> for ArrayLayout {
    type Error = LayoutError;

    fn try_from(raw: RawLayout) -> Result<Self, LayoutError> {
        match raw.strides {
            Some(strides) => Self::strided(raw.dtype, &raw.shape, &strides),
            None => Self::c_order(raw.dtype, &raw.shape),
        }
    }
}

impl From<ArrayLayout> for RawLayout {
    fn from(layout: ArrayLayout) -> Self {
        Self {
            dtype: layout.dtype,
            shape: layout.shape,
            strides: Some(layout.strides),
        }
    }
}

impl ArrayLayout {
    /// A contiguous array whose last index varies fastest.
    ///
    /// # Errors
    /// [`LayoutError`] for more than 8 dimensions or more than 2^63 - 1 bytes.
    pub fn c_order(dtype: Dtype, shape: &[u64]) -> Result<Self, LayoutError> {
        let strides = packed_strides(dtype, shape, &mut (0..shape.len()).rev())?;
        Self::strided(dtype, shape, &strides)
    }

    /// A contiguous array whose first index varies fastest.
    ///
    /// # Errors
    /// As [`ArrayLayout::c_order`].
    pub fn fortran_order(dtype: Dtype, shape: &[u64]) -> Result<Self, LayoutError> {
        let strides = packed_strides(dtype, shape, &mut (0..shape.len()))?;
        Self::strided(dtype, shape, &strides)
    }

    /// An array with the given strides, in bytes.
    ///
    /// # Errors
    /// [`LayoutError`] also where two elements would share a byte or a stride is no multiple of the element size.
    pub fn strided(dtype: Dtype, shape: &[u64], strides: &[u64]) -> Result<Self, LayoutError> {
        check_dimensions(shape)?;
        if strides.len() != shape.len() {
            return Err(LayoutError::StrideCount {
                strides: strides.len(),
                ndim: shape.len(),
            });
        }
        let extent_bytes = checked_extent(dtype, shape, strides)?;
        Ok(Self {
            dtype,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            extent_bytes,
        })
    }

    /// The element type.
    #[must_use]
    pub const fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The length of each dimension; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Bytes from one index to the next, for each dimension.
    #[must_use]
    pub fn strides(&self) -> &[u64] {
        &self.strides
    }

    /// The number of elements.
    #[must_use]
    pub fn element_count(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Bytes from the first element to the end of the last; zero for an array without elements.
    #[must_use]
    pub const fn extent_bytes(&self) -> u64 {
        self.extent_bytes
    }

    /// Whether the last index varies fastest and nothing lies between elements.
    #[must_use]
    pub fn is_c_contiguous(&self) -> bool {
        self.is_packed(&mut (0..self.shape.len()).rev())
    }

    /// Whether the first index varies fastest and nothing lies between elements.
    #[must_use]
    pub fn is_fortran_contiguous(&self) -> bool {
        self.is_packed(&mut (0..self.shape.len()))
    }

    /// Whether the elements fill the extent without gaps, in whatever order of axes.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        self.extent_bytes == self.element_count() * self.dtype.size_bytes()
    }

    fn is_packed(&self, axes: &mut dyn Iterator<Item = usize>) -> bool {
        let mut expected = self.dtype.size_bytes();
        for axis in axes {
            if self.shape[axis] == 0 {
                return true;
            }
            if self.shape[axis] > 1 {
                if self.strides[axis] != expected {
                    return false;
                }
                expected *= self.shape[axis];
            }
        }
        true
    }
}

fn check_dimensions(shape: &[u64]) -> Result<(), LayoutError> {
    if shape.len() > NDIM_MAX {
        return Err(LayoutError::TooManyDimensions { ndim: shape.len() });
    }
    Ok(())
}

/// Strides of a contiguous array, its axes given from the fastest to the slowest.
fn packed_strides(
    dtype: Dtype,
    shape: &[u64],
    axes: &mut dyn Iterator<Item = usize>,
) -> Result<Vec<u64>, LayoutError> {
    check_dimensions(shape)?;
    let mut strides = vec![0; shape.len()];
    let mut bytes = dtype.size_bytes();
    for axis in axes {
        strides[axis] = bytes;
        bytes = bytes
            .checked_mul(shape[axis].max(1))
            .ok_or_else(|| too_large(dtype, shape))?;
    }
    Ok(strides)
}

/// The bytes an array spans, where its axes nest: sorted by stride, each axis must step over all that lies inside it.
fn checked_extent(dtype: Dtype, shape: &[u64], strides: &[u64]) -> Result<u64, LayoutError> {
    let overlapping = || LayoutError::Overlapping {
        strides: strides.to_vec(),
        shape: shape.to_vec(),
        size_bytes: dtype.size_bytes(),
    };
    if strides
        .iter()
        .any(|stride| stride % dtype.size_bytes() != 0)
    {
        return Err(overlapping());
    }
    let mut axes: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 1).collect();
    axes.sort_by_key(|&axis| strides[axis]);
    let mut span = dtype.size_bytes();
    for axis in axes {
        if strides[axis] < span {
            return Err(overlapping());
        }
        span = strides[axis]
            .checked_mul(shape[axis] - 1)
            .and_then(|bytes| bytes.checked_add(span))
            .filter(|&bytes| bytes <= i64::MAX as u64)
            .ok_or_else(|| too_large(dtype, shape))?;
    }
    Ok(if shape.contains(&0) { 0 } else { span })
}

fn too_large(dtype: Dtype, shape: &[u64]) -> LayoutError {
    LayoutError::TooLarge {
        shape: shape.to_vec(),
        dtype,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_and_fortran_order_are_packed() {
        let c = ArrayLayout::c_order(Dtype::Float64, &[2, 3, 4]).unwrap();
        assert_eq!(c.strides(), [96, 32, 8]);
        assert!(c.is_c_contiguous() && !c.is_fortran_contiguous() && c.is_dense());
        let f = ArrayLayout::fortran_order(Dtype::Float64, &[2, 3, 4]).unwrap();
        assert_eq!(f.strides(), [8, 16, 48]);
        assert!(f.is_fortran_contiguous() && !f.is_c_contiguous() && f.is_dense());
    }

    #[test]
    fn scalars_and_empty_arrays_have_extents() {
        assert_eq!(
            ArrayLayout::c_order(Dtype::Complex128, &[])
                .unwrap()
                .extent_bytes(),
            16
        );
        assert_eq!(
            ArrayLayout::c_order(Dtype::Int8, &[5, 0])
                .unwrap()
                .extent_bytes(),
            0
        );
    }

    #[test]
    fn overflow_is_an_error() {
        let huge = ArrayLayout::c_order(Dtype::Float64, &[1 << 32, 1 << 32]);
        assert!(matches!(huge, Err(LayoutError::TooLarge { .. })));
        let empty_but_absurd = ArrayLayout::c_order(Dtype::Float64, &[0, u64::MAX, u64::MAX]);
        assert!(matches!(
            empty_but_absurd,
            Err(LayoutError::TooLarge { .. })
        ));
        assert!(matches!(
            ArrayLayout::c_order(Dtype::Bool, &[1; 9]),
            Err(LayoutError::TooManyDimensions { ndim: 9 })
        ));
    }

    #[test]
    fn overlapping_elements_are_refused() {
        for strides in [[0, 8], [8, 8], [16, 4], [12, 8]] {
            let layout = ArrayLayout::strided(Dtype::Float64, &[2, 2], &strides);
            assert!(
                matches!(layout, Err(LayoutError::Overlapping { .. })),
                "{strides:?}"
            );
        }
        let padded = ArrayLayout::strided(Dtype::Float64, &[2, 2], &[64, 8]).unwrap();
        assert_eq!(padded.extent_bytes(), 80);
        assert!(!padded.is_dense());
    }
}
