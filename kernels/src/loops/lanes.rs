//! Sums in lanes.
//!
//! Element `i` of a leaf belongs to lane `i % LANES`. A lane adds up blocks of [`ROWS`] elements on their own, and then the blocks;
//! [`fold`] adds the lanes in a binary tree. So an element passes through at most `ROWS + leaf / (LANES * ROWS) + 5` additions,
//! which bounds the error (see the kernels' docs), and four 512-bit registers hold the lanes.

use crate::loops::vectorised;
use crate::loops::widen::Widen;

/// Lanes of a sum; part of what its bits depend on. Even, so that the parts of complex numbers fall into lanes of their own.
pub(crate) const LANES: usize = 32;

/// Rows of a block; part of what a sum's bits depend on.
pub(crate) const ROWS: usize = 32;

vectorised! {
    /// Sums of elements, by lane.
    pub(crate) fn sum<T: Widen>(elements: &[T]) -> [f64; LANES] {
        let mut total = [0.0; LANES];
        for block in elements.chunks(LANES * ROWS) {
            let mut lanes = [0.0; LANES];
            let (rows, rest) = block.as_chunks::<LANES>();
            for row in rows {
                for lane in 0..LANES {
                    lanes[lane] += row[lane].widen();
                }
            }
            for (lane, element) in lanes.iter_mut().zip(rest) {
                *lane += element.widen();
            }
            for lane in 0..LANES {
                total[lane] += lanes[lane];
            }
        }
        total
    }
}

/// Adds lanes in a binary tree until `N` are left: 1 for real numbers, 2 for the parts of complex ones.
pub(crate) fn fold<const N: usize>(mut lanes: [f64; LANES]) -> [f64; N] {
    let mut width = LANES;
    while width > N {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    std::array::from_fn(|lane| lanes[lane])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::testing::{awkward_floats, bits};
    use half::f16;

    #[test]
    fn every_level_gives_the_same_bits() {
        for len in [0, 1, 31, 32, 33, 1_023, 1_024, 1_025, 16_384] {
            let floats = awkward_floats(len);
            let singles: Vec<f32> = floats.iter().map(|x| *x as f32).collect();
            let halves: Vec<f16> = floats.iter().map(|x| f16::from_f64(*x)).collect();
            let expected = bits(&sum::portable(&floats));
            assert_eq!(bits(&sum::best(&floats)), expected);
            assert_eq!(bits(&sum::avx2(&floats)), expected);
            let expected = bits(&sum::portable(&singles));
            assert_eq!(bits(&sum::best(&singles)), expected);
            assert_eq!(bits(&sum::avx2(&singles)), expected);
            let expected = bits(&sum::portable(&halves));
            assert_eq!(bits(&sum::best(&halves)), expected);
            assert_eq!(bits(&sum::avx2(&halves)), expected);
        }
    }

    #[test]
    fn folding_adds_each_lane_once() {
        let lanes = std::array::from_fn(|lane| (lane + 1) as f64);
        assert_eq!(fold(lanes), [528.0]);
        assert_eq!(fold(lanes), [256.0, 272.0]);
    }
}
