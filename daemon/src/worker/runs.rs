//! Walks the elements of an array, or of a part of it, in a chosen order of axes.
//!
//! Everything a worker does with an array that is not one contiguous piece goes through a [`Walk`]: it numbers the elements
//! from 0 in the order of its axes and tells for any range of these numbers where the bytes lie, as [`Run`]s of equally spaced
//! elements. Adjacent axes are merged where memory goes on from one to the next, so a dense array walked in the order of its
//! addresses is a single run. Nothing here touches memory or allocates.

use std::cmp::Reverse;
use std::ops::Range;

use arena_core::{ArrayLayout, NDIM_MAX};

/// The axes of an array from the one that varies slowest to the one that varies fastest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AxisOrder {
    ndim: usize,
    axes: [u8; NDIM_MAX],
}

impl AxisOrder {
    /// The order in which the elements of all `layouts`, which have one shape, are numbered: by address where they are dense and
    /// agree on that, so that they are read as they lie; else as C numbers indices, so that no operand is preferred.
    pub(crate) fn common<'a>(layouts: impl IntoIterator<Item = &'a ArrayLayout>) -> Self {
        let mut layouts = layouts.into_iter();
        let Some(first) = layouts.next() else {
            return Self::logical(0);
        };
        let order = Self::by_address(first);
        let as_it_lies =
            |layout: &ArrayLayout| layout.is_dense() && Self::by_address(layout) == order;
        if as_it_lies(first) && layouts.all(as_it_lies) {
            order
        } else {
            Self::logical(first.shape().len())
        }
    }

    /// The order in which addresses ascend. Axes of length 1 come first, in their own order: they have no say.
    pub(crate) fn by_address(layout: &ArrayLayout) -> Self {
        let mut order = Self::logical(layout.shape().len());
        order.axes[..order.ndim].sort_by_key(|&axis| {
            let axis = usize::from(axis);
            (layout.shape()[axis] > 1).then_some(Reverse(layout.strides()[axis]))
        });
        order
    }

    /// The order of C: the last axis varies fastest.
    fn logical(ndim: usize) -> Self {
        let mut axes = [0; NDIM_MAX];
        for (axis, slot) in (0u8..).zip(axes[..ndim].iter_mut()) {
            *slot = axis;
        }
        Self { ndim, axes }
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.axes[..self.ndim].iter().map(|&axis| usize::from(axis))
    }

    /// The indices along `axis` that the elements numbered `elements`, of an array of this shape, have: exact where they are
    /// one range, else all.
    pub(crate) fn indices_along(
        &self,
        shape: &[u64],
        axis: usize,
        elements: Range<u64>,
    ) -> Range<u64> {
        if elements.is_empty() {
            return 0..0;
        }
        let inner: u64 = self
            .iter()
            .rev()
            .take_while(|&faster| faster != axis)
            .map(|faster| shape[faster])
            .product();
        let len = shape[axis];
        let (first, last) = (elements.start / inner, (elements.end - 1) / inner);
        let (low, high) = (first % len, last % len);
        if last - first >= len || low > high {
            0..len
        } else {
            low..high + 1
        }
    }
}

/// Equally spaced elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    /// Where the first one starts, in bytes from the start of the array's extent.
    pub(crate) offset: u64,
    /// How many.
    pub(crate) count: u64,
    /// Bytes from one to the next.
    pub(crate) stride: u64,
}

/// The elements of an array, or of the part of it where one axis is cut to a range, numbered from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    element_bytes: u64,
    elements: u64,
    base: u64,
    /// Merged axes from the slowest to the fastest; at least one.
    ndim: usize,
    lens: [u64; NDIM_MAX],
    strides: [u64; NDIM_MAX],
}

impl Walk {
    /// All elements, numbered in the given order of axes.
    pub(crate) fn new(layout: &ArrayLayout, order: &AxisOrder) -> Self {
        Self::over(layout, order, layout.shape(), 0)
    }

    /// The elements whose index along `axis` lies in `indices`, numbered by address.
    pub(crate) fn region(layout: &ArrayLayout, axis: usize, indices: Range<u64>) -> Self {
        let mut lens = [0; NDIM_MAX];
        let shape = &mut lens[..layout.shape().len()];
        shape.copy_from_slice(layout.shape());
        shape[axis] = indices.end.saturating_sub(indices.start);
        let base = if shape.contains(&0) {
            0
        } else {
            indices.start * layout.strides()[axis]
        };
        Self::over(layout, &AxisOrder::by_address(layout), shape, base)
    }

    fn over(layout: &ArrayLayout, order: &AxisOrder, shape: &[u64], base: u64) -> Self {
        let element_bytes = layout.dtype().size_bytes();
        let mut walk = Self {
            element_bytes,
            elements: if shape.contains(&0) {
                0
            } else {
                shape.iter().product()
            },
            base,
            ndim: 0,
            lens: [1; NDIM_MAX],
            strides: [element_bytes; NDIM_MAX],
        };
        if walk.elements > 0 {
            for axis in order.iter().filter(|&axis| shape[axis] > 1) {
                walk.push_faster(shape[axis], layout.strides()[axis]);
            }
        }
        walk.ndim = walk.ndim.max(1);
        walk
    }

    /// Adds an axis that varies faster than all others so far, merged into the last one where that one steps exactly over it.
    fn push_faster(&mut self, len: u64, stride: u64) {
        // A layout's axes nest within 2^63 bytes, so len * stride stays within 64 bits; so does the product of lengths.
        match self.ndim.checked_sub(1) {
            Some(last) if self.strides[last] == len * stride => {
                self.lens[last] *= len;
                self.strides[last] = stride;
            }
            _ => {
                self.lens[self.ndim] = len;
                self.strides[self.ndim] = stride;
                self.ndim += 1;
            }
        }
    }

    /// How many elements there are.
    pub(crate) fn elements(&self) -> u64 {
        self.elements
    }

    /// The length of a run that no axis interrupts.
    pub(crate) fn run_elements(&self) -> u64 {
        self.lens[self.ndim - 1]
    }

    /// Whether the elements of a run touch each other.
    pub(crate) fn is_contiguous_in_runs(&self) -> bool {
        self.strides[self.ndim - 1] == self.element_bytes
    }

    /// The bytes from the first element to the end of the last, in bytes from the start of the array's extent.
    pub(crate) fn hull(&self) -> Range<u64> {
        if self.elements == 0 {
            return 0..0;
        }
        let axes = self.lens[..self.ndim].iter().zip(&self.strides);
        let last: u64 = axes.map(|(len, stride)| (len - 1) * stride).sum();
        self.base..self.base + last + self.element_bytes
    }

    /// Where the elements numbered `elements` start, if they lie side by side.
    pub(crate) fn contiguous(&self, elements: Range<u64>) -> Option<u64> {
        let run = self.runs(elements.clone()).next()?;
        (run.count == elements.end - elements.start
            && (run.stride == self.element_bytes || run.count == 1))
            .then_some(run.offset)
    }

    /// Calls `each` with the runs of the elements numbered `elements` and with the place of each run in a copy of these elements, of
    /// `size` bytes each, side by side.
    pub(crate) fn pieces(
        &self,
        elements: Range<u64>,
        size: u64,
        mut each: impl FnMut(Run, Range<usize>),
    ) {
        let mut at = 0;
        for run in self.runs(elements) {
            let end = at + (run.count * size) as usize;
            each(run, at..end);
            at = end;
        }
    }

    /// The runs of the elements numbered `elements`, in their order. Numbers past the last element have no runs.
    pub(crate) fn runs(&self, elements: Range<u64>) -> Runs {
        let end = elements.end.min(self.elements);
        let mut index = [0; NDIM_MAX];
        let mut rest = elements.start;
        for axis in (1..self.ndim).rev() {
            index[axis] = rest % self.lens[axis];
            rest /= self.lens[axis];
        }
        index[0] = rest;
        Runs {
            walk: *self,
            index,
            left: end.saturating_sub(elements.start),
        }
    }
}

/// The runs of a range of elements.
#[derive(Debug)]
pub(crate) struct Runs {
    walk: Walk,
    index: [u64; NDIM_MAX],
    left: u64,
}

impl Iterator for Runs {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        if self.left == 0 {
            return None;
        }
        let last = self.walk.ndim - 1;
        let count = self.left.min(self.walk.lens[last] - self.index[last]);
        let run = Run {
            offset: self.offset(),
            count,
            stride: self.walk.strides[last],
        };
        self.left -= count;
        self.advance(count);
        Some(run)
    }
}

impl Runs {
    fn offset(&self) -> u64 {
        let axes = self.index[..self.walk.ndim].iter().zip(&self.walk.strides);
        self.walk.base + axes.map(|(index, stride)| index * stride).sum::<u64>()
    }

    fn advance(&mut self, count: u64) {
        let mut axis = self.walk.ndim - 1;
        self.index[axis] += count;
        while axis > 0 && self.index[axis] == self.walk.lens[axis] {
            self.index[axis] = 0;
            axis -= 1;
            self.index[axis] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use arena_core::Dtype;
    use proptest::prelude::*;

    use super::*;

    /// Any layout of few elements: lengths, an order of axes, and gaps.
    pub(crate) fn layouts() -> impl Strategy<Value = ArrayLayout> {
        let axes = prop::collection::vec((0u64..6, 0u64..3), 0..5);
        let axes = axes.prop_flat_map(|axes| {
            let order: Vec<usize> = (0..axes.len()).collect();
            (Just(axes), Just(order).prop_shuffle())
        });
        (axes, prop::sample::select(&Dtype::ALL[..])).prop_map(|((axes, order), dtype)| {
            let mut strides = vec![0; axes.len()];
            let mut span = dtype.size_bytes();
            for axis in order {
                let (len, gap) = axes[axis];
                strides[axis] = span + gap * dtype.size_bytes();
                span = strides[axis] * len.max(1);
            }
            let shape: Vec<u64> = axes.iter().map(|(len, _)| *len).collect();
            ArrayLayout::strided(dtype, &shape, &strides).unwrap()
        })
    }

    /// All index tuples in the order of C.
    fn indices(shape: &[u64]) -> Vec<Vec<u64>> {
        shape.iter().fold(vec![Vec::new()], |prefixes, &len| {
            let extend = |prefix: Vec<u64>| {
                (0..len).map(move |index| [prefix.as_slice(), &[index]].concat())
            };
            prefixes.into_iter().flat_map(extend).collect()
        })
    }

    fn offset(layout: &ArrayLayout, index: &[u64]) -> u64 {
        index.iter().zip(layout.strides()).map(|(i, s)| i * s).sum()
    }

    fn offsets(walk: &Walk, elements: Range<u64>) -> Vec<u64> {
        walk.runs(elements)
            .flat_map(|run| (0..run.count).map(move |i| run.offset + i * run.stride))
            .collect()
    }

    fn naive_order(layout: &ArrayLayout, by_address: bool) -> Vec<Vec<u64>> {
        let mut all = indices(layout.shape());
        if by_address {
            all.sort_by_key(|index| offset(layout, index));
        }
        all
    }

    #[test]
    fn a_dense_array_is_one_run() {
        for layout in [
            ArrayLayout::c_order(Dtype::Float32, &[3, 1, 5]).unwrap(),
            ArrayLayout::fortran_order(Dtype::Float32, &[3, 1, 5]).unwrap(),
        ] {
            let walk = Walk::new(&layout, &AxisOrder::common([&layout]));
            assert_eq!(walk.contiguous(0..15), Some(0));
            assert_eq!(walk.contiguous(4..15), Some(16));
        }
    }

    #[test]
    fn a_column_is_one_strided_run() {
        let layout = ArrayLayout::c_order(Dtype::Float64, &[1000, 8]).unwrap();
        let walk = Walk::region(&layout, 1, 3..4);
        let run = Run {
            offset: 24,
            count: 1000,
            stride: 64,
        };
        assert_eq!(walk.runs(0..1000).collect::<Vec<_>>(), [run]);
        assert!(!walk.is_contiguous_in_runs());
        assert_eq!(walk.contiguous(5..6), Some(24 + 5 * 64));
        assert_eq!(walk.contiguous(5..7), None);
    }

    #[test]
    fn arrays_of_different_orders_are_numbered_as_c_does() {
        let c = ArrayLayout::c_order(Dtype::Int8, &[2, 3]).unwrap();
        let f = ArrayLayout::fortran_order(Dtype::Int8, &[2, 3]).unwrap();
        for pair in [[&c, &f], [&f, &c]] {
            let order = AxisOrder::common(pair);
            assert_eq!(offsets(&Walk::new(&c, &order), 0..6), [0, 1, 2, 3, 4, 5]);
            assert_eq!(offsets(&Walk::new(&f, &order), 0..6), [0, 2, 4, 1, 3, 5]);
        }
    }

    proptest! {
        #[test]
        fn any_range_of_any_array_is_where_the_naive_model_says(
            layout in layouts(), cut in (0.0f64..1.0, 0.0f64..1.0),
        ) {
            let order = AxisOrder::common([&layout]);
            let walk = Walk::new(&layout, &order);
            let expected = naive_order(&layout, layout.is_dense());
            prop_assert_eq!(walk.elements(), layout.element_count());
            let position = |cut: f64| (cut * walk.elements() as f64) as u64;
            let (start, end) = (position(cut.0.min(cut.1)), position(cut.0.max(cut.1)));
            let expected: Vec<u64> = expected[start as usize..end as usize]
                .iter().map(|index| offset(&layout, index)).collect();
            let found = offsets(&walk, start..end);
            prop_assert_eq!(&found, &expected);
            let size = layout.dtype().size_bytes();
            let side_by_side = !expected.is_empty()
                && expected.windows(2).all(|pair| pair[1] == pair[0] + size);
            prop_assert_eq!(walk.contiguous(start..end), side_by_side.then(|| expected[0]));
        }

        #[test]
        fn a_region_is_its_elements_by_address(layout in layouts(), axis in 0usize..5, cut in (0u64..6, 0u64..6)) {
            prop_assume!(axis < layout.shape().len());
            let len = layout.shape()[axis];
            let (start, end) = (cut.0.min(cut.1).min(len), cut.0.max(cut.1).min(len));
            let walk = Walk::region(&layout, axis, start..end);
            let mut expected: Vec<u64> = indices(layout.shape()).iter()
                .filter(|index| (start..end).contains(&index[axis]))
                .map(|index| offset(&layout, index))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(offsets(&walk, 0..walk.elements()), expected.clone());
            let size = layout.dtype().size_bytes();
            let hull = expected.first().map_or(0..0, |first| *first..expected[expected.len() - 1] + size);
            prop_assert_eq!(walk.hull(), hull);
            prop_assert!(walk.hull().end <= layout.extent_bytes());
        }

        #[test]
        fn pieces_fill_a_copy_without_gaps(layout in layouts()) {
            let walk = Walk::new(&layout, &AxisOrder::by_address(&layout));
            let size = layout.dtype().size_bytes();
            let mut at = 0;
            walk.pieces(0..walk.elements(), size, |run, piece| {
                assert_eq!(piece, at..at + (run.count * size) as usize);
                at = piece.end;
            });
            prop_assert_eq!(at as u64, walk.elements() * size);
        }

        #[test]
        fn indices_along_an_axis_cover_the_elements(layout in layouts(), axis in 0usize..5, cut in (0.0f64..1.0, 0.0f64..1.0)) {
            prop_assume!(axis < layout.shape().len());
            let order = AxisOrder::common([&layout]);
            let all = naive_order(&layout, layout.is_dense());
            let position = |cut: f64| (cut * all.len() as f64) as usize;
            let (start, end) = (position(cut.0.min(cut.1)), position(cut.0.max(cut.1)));
            let found = order.indices_along(layout.shape(), axis, start as u64..end as u64);
            let there: Vec<u64> = all[start..end].iter().map(|index| index[axis]).collect();
            prop_assert!(there.iter().all(|index| found.contains(index)));
            let least = there.iter().min().map_or(0..0, |min| *min..there.iter().max().unwrap() + 1);
            prop_assert!(found == least || found == (0..layout.shape()[axis]));
        }
    }
}
