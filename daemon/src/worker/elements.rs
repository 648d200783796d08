//! Bytes as elements of a type.

use arena_core::Dtype;
use arena_kernels::{Elements, ElementsMut};
use bytemuck::{try_cast_slice, try_cast_slice_mut};
use half::f16;
use num_complex::{Complex32, Complex64};

/// The bytes as elements; none for opaque bytes, or where the bytes are not aligned or no whole number of elements.
pub(crate) fn typed(dtype: Dtype, bytes: &[u8]) -> Option<Elements<'_>> {
    Some(match dtype {
        Dtype::Bool => Elements::Bool(bytes),
        Dtype::Int8 => Elements::I8(try_cast_slice(bytes).ok()?),
        Dtype::Int16 => Elements::I16(try_cast_slice(bytes).ok()?),
        Dtype::Int32 => Elements::I32(try_cast_slice(bytes).ok()?),
        Dtype::Int64 => Elements::I64(try_cast_slice(bytes).ok()?),
        Dtype::Uint8 => Elements::U8(bytes),
        Dtype::Uint16 => Elements::U16(try_cast_slice(bytes).ok()?),
        Dtype::Uint32 => Elements::U32(try_cast_slice(bytes).ok()?),
        Dtype::Uint64 => Elements::U64(try_cast_slice(bytes).ok()?),
        Dtype::Float16 => Elements::F16(try_cast_slice::<u8, f16>(bytes).ok()?),
        Dtype::Float32 => Elements::F32(try_cast_slice(bytes).ok()?),
        Dtype::Float64 => Elements::F64(try_cast_slice(bytes).ok()?),
        Dtype::Complex64 => Elements::C64(try_cast_slice::<u8, Complex32>(bytes).ok()?),
        Dtype::Complex128 => Elements::C128(try_cast_slice::<u8, Complex64>(bytes).ok()?),
        Dtype::Bytes => return None,
    })
}

/// As [`typed`], to modify.
pub(crate) fn typed_mut(dtype: Dtype, bytes: &mut [u8]) -> Option<ElementsMut<'_>> {
    Some(match dtype {
        Dtype::Bool => ElementsMut::Bool(bytes),
        Dtype::Int8 => ElementsMut::I8(try_cast_slice_mut(bytes).ok()?),
        Dtype::Int16 => ElementsMut::I16(try_cast_slice_mut(bytes).ok()?),
        Dtype::Int32 => ElementsMut::I32(try_cast_slice_mut(bytes).ok()?),
        Dtype::Int64 => ElementsMut::I64(try_cast_slice_mut(bytes).ok()?),
        Dtype::Uint8 => ElementsMut::U8(bytes),
        Dtype::Uint16 => ElementsMut::U16(try_cast_slice_mut(bytes).ok()?),
        Dtype::Uint32 => ElementsMut::U32(try_cast_slice_mut(bytes).ok()?),
        Dtype::Uint64 => ElementsMut::U64(try_cast_slice_mut(bytes).ok()?),
        Dtype::Float16 => ElementsMut::F16(try_cast_slice_mut::<u8, f16>(bytes).ok()?),
        Dtype::Float32 => ElementsMut::F32(try_cast_slice_mut(bytes).ok()?),
        Dtype::Float64 => ElementsMut::F64(try_cast_slice_mut(bytes).ok()?),
        Dtype::Complex64 => ElementsMut::C64(try_cast_slice_mut::<u8, Complex32>(bytes).ok()?),
        Dtype::Complex128 => ElementsMut::C128(try_cast_slice_mut::<u8, Complex64>(bytes).ok()?),
        Dtype::Bytes => return None,
    })
}

/// A cache line of memory of one's own: aligned for every element type and for vector loads.
#[derive(Clone, Copy, Debug, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Memory that elements are gathered into. Grows to what is asked for and is kept.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    lines: Vec<Line>,
}

impl Scratch {
    /// The first `len` bytes, with whatever they held before.
    pub(crate) fn bytes(&mut self, len: usize) -> &mut [u8] {
        let lines = len.div_ceil(size_of::<Line>());
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; 64]));
        }
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::element_type;

    #[test]
    fn every_type_has_its_elements() {
        let mut scratch = Scratch::default();
        for dtype in Dtype::ALL {
            let size = dtype.size_bytes() as usize;
            let bytes = scratch.bytes(3 * size);
            let given =
                typed(dtype, bytes).map(|elements| (elements.element_type(), elements.len()));
            assert_eq!(given, element_type(dtype).map(|element| (element, 3)));
            let given = typed_mut(dtype, bytes).map(|elements| elements.element_type());
            assert_eq!(given, element_type(dtype));
        }
    }

    #[test]
    fn misaligned_and_broken_elements_are_refused() {
        let mut scratch = Scratch::default();
        let bytes = scratch.bytes(64);
        assert!(typed(Dtype::Float64, &bytes[4..12]).is_none());
        assert!(typed(Dtype::Float64, &bytes[..12]).is_none());
        assert!(typed_mut(Dtype::Complex64, &mut bytes[2..10]).is_none());
    }

    #[test]
    fn scratch_keeps_its_memory() {
        let mut scratch = Scratch::default();
        let first = scratch.bytes(1000).as_ptr();
        assert_eq!(scratch.bytes(10).as_ptr(), first);
        assert!(first.addr().is_multiple_of(64));
    }
}
