//! The elements of a strided array in C order.

use std::io::{self, Write};

use arena_core::ArrayLayout;

/// Writes the elements of the array that `layout` describes and `bytes` holds, the last index fastest.
///
/// # Panics
/// Where `bytes` is shorter than the layout's extent.
pub(crate) fn write_c_order(
    layout: &ArrayLayout,
    bytes: &[u8],
    out: &mut impl Write,
) -> io::Result<()> {
    let (outer, run_bytes) = packed_tail(layout);
    for start in Starts::new(&layout.shape()[..outer], layout.strides()) {
        out.write_all(&bytes[start..start + run_bytes])?;
    }
    Ok(())
}

/// How many leading axes there are before the longest tail of axes whose elements lie side by side, and that tail's bytes.
fn packed_tail(layout: &ArrayLayout) -> (usize, usize) {
    let mut run_bytes = layout.dtype().size_bytes();
    let mut outer = layout.shape().len();
    while outer > 0 && layout.strides()[outer - 1] == run_bytes {
        run_bytes *= layout.shape()[outer - 1];
        outer -= 1;
    }
    (outer, run_bytes as usize)
}

/// The positions of all indices over the outer axes, the last axis fastest.
struct Starts<'a> {
    shape: &'a [u64],
    strides: &'a [u64],
    index: Vec<u64>,
    is_over: bool,
}

impl<'a> Starts<'a> {
    fn new(shape: &'a [u64], strides: &'a [u64]) -> Self {
        Self {
            shape,
            strides,
            index: vec![0; shape.len()],
            is_over: shape.contains(&0),
        }
    }

    fn step(&mut self) {
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            if self.index[axis] < self.shape[axis] {
                return;
            }
            self.index[axis] = 0;
        }
        self.is_over = true;
    }
}

impl Iterator for Starts<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.is_over {
            return None;
        }
        let position: u64 = self
            .index
            .iter()
            .zip(self.strides)
            .map(|(i, stride)| i * stride)
            .sum();
        self.step();
        Some(position as usize)
    }
}

#[cfg(test)]
mod tests {
    use arena_core::Dtype;
    use proptest::prelude::*;

    use super::*;

    fn gathered(layout: &ArrayLayout, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_c_order(layout, bytes, &mut out).unwrap();
        out
    }

    #[test]
    fn fortran_order_is_turned_round() {
        let layout = ArrayLayout::fortran_order(Dtype::Uint8, &[2, 3]).unwrap();
        assert_eq!(gathered(&layout, &[0, 1, 2, 3, 4, 5]), [0, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn padding_is_left_out() {
        let layout = ArrayLayout::strided(Dtype::Uint16, &[2, 2], &[6, 2]).unwrap();
        assert_eq!(
            gathered(&layout, &[1, 2, 3, 4, 9, 9, 5, 6, 7, 8]),
            [1, 2, 3, 4, 5, 6, 7, 8]
        );
    }

    #[test]
    fn scalars_and_empty_arrays_are_gathered() {
        let scalar = ArrayLayout::c_order(Dtype::Uint16, &[]).unwrap();
        assert_eq!(gathered(&scalar, &[1, 2]), [1, 2]);
        for shape in [[0, 3], [3, 0]] {
            let empty = ArrayLayout::fortran_order(Dtype::Uint16, &shape).unwrap();
            assert!(gathered(&empty, &[]).is_empty());
        }
    }

    proptest! {
        #[test]
        fn every_element_comes_once_in_its_place(
            shape in prop::collection::vec(1u64..5, 1..5),
            padding in 0u64..3,
            reversed: bool,
        ) {
            let mut strides = vec![0; shape.len()];
            let mut step = 4;
            let axes: Vec<usize> = if reversed { (0..shape.len()).collect() } else { (0..shape.len()).rev().collect() };
            for axis in axes {
                strides[axis] = step;
                step = step * shape[axis] + 4 * padding;
            }
            let layout = ArrayLayout::strided(Dtype::Uint32, &shape, &strides).unwrap();
            let mut bytes = vec![0xee; layout.extent_bytes() as usize];
            let count = layout.element_count();
            for number in 0..count {
                let mut rest = number;
                let mut at = 0;
                for axis in (0..shape.len()).rev() {
                    at += (rest % shape[axis]) * strides[axis];
                    rest /= shape[axis];
                }
                bytes[at as usize..at as usize + 4].copy_from_slice(&(number as u32).to_le_bytes());
            }
            let expected: Vec<u8> = (0..count).flat_map(|number| (number as u32).to_le_bytes()).collect();
            prop_assert_eq!(gathered(&layout, &bytes), expected);
        }
    }
}
