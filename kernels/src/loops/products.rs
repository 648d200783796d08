//! Sums of products, in the lanes and blocks of `lanes`. A product is rounded before it is added, on every level.

use crate::loops::lanes::{LANES, ROWS};
use crate::loops::vectorised;
use crate::loops::widen::Widen;

vectorised! {
    /// Sums of products of elements, by lane.
    pub(crate) fn dot<T: Widen>(left: &[T], right: &[T]) -> [f64; LANES] {
        let mut total = [0.0; LANES];
        for (left, right) in left.chunks(LANES * ROWS).zip(right.chunks(LANES * ROWS)) {
            let mut lanes = [0.0; LANES];
            let (left_rows, left_rest) = left.as_chunks::<LANES>();
            let (right_rows, right_rest) = right.as_chunks::<LANES>();
            for (left, right) in left_rows.iter().zip(right_rows) {
                for lane in 0..LANES {
                    lanes[lane] += left[lane].widen() * right[lane].widen();
                }
            }
            for (lane, (left, right)) in left_rest.iter().zip(right_rest).enumerate() {
                lanes[lane] += left.widen() * right.widen();
            }
            for lane in 0..LANES {
                total[lane] += lanes[lane];
            }
        }
        total
    }
}

vectorised! {
    /// The same for complex numbers, given by real and imaginary parts in turn; so are the sums.
    pub(crate) fn complex_dot<T: Widen>(left: &[T], right: &[T]) -> [f64; LANES] {
        let mut total = [0.0; LANES];
        for (left, right) in left.chunks(LANES * ROWS).zip(right.chunks(LANES * ROWS)) {
            let mut re = [0.0; LANES / 2];
            let mut im = [0.0; LANES / 2];
            for (left, right) in left.chunks(LANES).zip(right.chunks(LANES)) {
                let (left, _) = left.as_chunks::<2>();
                let (right, _) = right.as_chunks::<2>();
                for (lane, (left, right)) in left.iter().zip(right).enumerate() {
                    let [a, b] = left.map(Widen::widen);
                    let [c, d] = right.map(Widen::widen);
                    re[lane] += a * c - b * d;
                    im[lane] += a * d + b * c;
                }
            }
            for lane in 0..LANES / 2 {
                total[2 * lane] += re[lane];
                total[2 * lane + 1] += im[lane];
            }
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::lanes::fold;
    use crate::loops::testing::{awkward_floats, bits};

    #[test]
    fn every_level_gives_the_same_bits() {
        for len in [0, 2, 34, 1_026, 16_384] {
            let (left, mut right) = (awkward_floats(len), awkward_floats(len));
            right.reverse();
            let expected = bits(&dot::portable(&left, &right));
            assert_eq!(bits(&dot::best(&left, &right)), expected);
            assert_eq!(bits(&dot::avx2(&left, &right)), expected);
            let expected = bits(&complex_dot::portable(&left, &right));
            assert_eq!(bits(&complex_dot::best(&left, &right)), expected);
            assert_eq!(bits(&complex_dot::avx2(&left, &right)), expected);
        }
    }

    #[test]
    fn complex_numbers_are_not_conjugated() {
        let (left, right) = ([1.0, 2.0, 3.0, -1.0], [5.0, -7.0, 0.0, 2.0]);
        assert_eq!(fold(complex_dot::best(&left, &right)), [21.0, 9.0]);
    }
}
