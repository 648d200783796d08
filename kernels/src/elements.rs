//! Operands: contiguous runs of elements of one type.

use half::f16;
use num_complex::{Complex32, Complex64};

use crate::element::ElementType;

/// A bool as it lies in memory: any byte but 0 is true.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Flag(pub(crate) u8);

impl Flag {
    #[inline(always)]
    pub(crate) const fn is_set(self) -> bool {
        self.0 != 0
    }
}

/// A contiguous run of elements to read.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Elements<'a> {
    /// One byte an element; any byte but 0 is true.
    Bool(&'a [u8]),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F16(&'a [f16]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    C64(&'a [Complex32]),
    C128(&'a [Complex64]),
}

/// A contiguous run of elements to modify.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum ElementsMut<'a> {
    /// One byte an element; any byte but 0 is true.
    Bool(&'a mut [u8]),
    I8(&'a mut [i8]),
    I16(&'a mut [i16]),
    I32(&'a mut [i32]),
    I64(&'a mut [i64]),
    U8(&'a mut [u8]),
    U16(&'a mut [u16]),
    U32(&'a mut [u32]),
    U64(&'a mut [u64]),
    F16(&'a mut [f16]),
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    C64(&'a mut [Complex32]),
    C128(&'a mut [Complex64]),
}

/// Evaluates an expression on the slice inside, whatever its type.
macro_rules! on_slice {
    ($family:ident, $elements:expr, $slice:ident => $then:expr) => {
        match $elements {
            $family::Bool($slice) => $then,
            $family::I8($slice) => $then,
            $family::I16($slice) => $then,
            $family::I32($slice) => $then,
            $family::I64($slice) => $then,
            $family::U8($slice) => $then,
            $family::U16($slice) => $then,
            $family::U32($slice) => $then,
            $family::U64($slice) => $then,
            $family::F16($slice) => $then,
            $family::F32($slice) => $then,
            $family::F64($slice) => $then,
            $family::C64($slice) => $then,
            $family::C128($slice) => $then,
        }
    };
}

/// The element type that belongs to each variant.
macro_rules! element_type {
    ($family:ident, $elements:expr) => {
        match $elements {
            $family::Bool(_) => ElementType::Bool,
            $family::I8(_) => ElementType::Int8,
            $family::I16(_) => ElementType::Int16,
            $family::I32(_) => ElementType::Int32,
            $family::I64(_) => ElementType::Int64,
            $family::U8(_) => ElementType::Uint8,
            $family::U16(_) => ElementType::Uint16,
            $family::U32(_) => ElementType::Uint32,
            $family::U64(_) => ElementType::Uint64,
            $family::F16(_) => ElementType::Float16,
            $family::F32(_) => ElementType::Float32,
            $family::F64(_) => ElementType::Float64,
            $family::C64(_) => ElementType::Complex64,
            $family::C128(_) => ElementType::Complex128,
        }
    };
}

impl<'a> Elements<'a> {
    /// The type of the elements.
    #[must_use]
    pub const fn element_type(&self) -> ElementType {
        element_type!(Self, self)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        on_slice!(Self, self, slice => slice.len())
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements `start..end`, or `None` if there are not that many.
    #[must_use]
    pub fn get(&self, start: usize, end: usize) -> Option<Self> {
        Some(match *self {
            Self::Bool(slice) => Self::Bool(slice.get(start..end)?),
            Self::I8(slice) => Self::I8(slice.get(start..end)?),
            Self::I16(slice) => Self::I16(slice.get(start..end)?),
            Self::I32(slice) => Self::I32(slice.get(start..end)?),
            Self::I64(slice) => Self::I64(slice.get(start..end)?),
            Self::U8(slice) => Self::U8(slice.get(start..end)?),
            Self::U16(slice) => Self::U16(slice.get(start..end)?),
            Self::U32(slice) => Self::U32(slice.get(start..end)?),
            Self::U64(slice) => Self::U64(slice.get(start..end)?),
            Self::F16(slice) => Self::F16(slice.get(start..end)?),
            Self::F32(slice) => Self::F32(slice.get(start..end)?),
            Self::F64(slice) => Self::F64(slice.get(start..end)?),
            Self::C64(slice) => Self::C64(slice.get(start..end)?),
            Self::C128(slice) => Self::C128(slice.get(start..end)?),
        })
    }
}

impl ElementsMut<'_> {
    /// The type of the elements.
    #[must_use]
    pub const fn element_type(&self) -> ElementType {
        element_type!(Self, self)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        on_slice!(Self, self, slice => slice.len())
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Evaluates an expression on the numbers of operands, whatever their type: bools as [`Flag`]s, complex numbers as real and
/// imaginary parts in turn.
macro_rules! on_numbers {
    ($elements:expr, $numbers:ident => $then:expr) => {
        match $elements {
            Elements::Bool(bytes) => {
                let $numbers: &[crate::elements::Flag] = bytemuck::cast_slice(bytes);
                $then
            }
            Elements::I8($numbers) => $then,
            Elements::I16($numbers) => $then,
            Elements::I32($numbers) => $then,
            Elements::I64($numbers) => $then,
            Elements::U8($numbers) => $then,
            Elements::U16($numbers) => $then,
            Elements::U32($numbers) => $then,
            Elements::U64($numbers) => $then,
            Elements::F16($numbers) => $then,
            Elements::F32($numbers) => $then,
            Elements::F64($numbers) => $then,
            Elements::C64(parts) => {
                let $numbers: &[f32] = bytemuck::cast_slice(parts);
                $then
            }
            Elements::C128(parts) => {
                let $numbers: &[f64] = bytemuck::cast_slice(parts);
                $then
            }
        }
    };
}
pub(crate) use on_numbers;
