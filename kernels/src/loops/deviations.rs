//! Deviations from a mean, in the lanes of `lanes`.

use crate::loops::lanes::LANES;
use crate::loops::vectorised;
use crate::loops::widen::Widen;

/// Sums by lane of deviations and of their squares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deviations {
    pub(crate) sum: [f64; LANES],
    pub(crate) squares: [f64; LANES],
}

vectorised! {
    /// Deviations from `mean`, which is given by lane: the parts of complex numbers have means of their own.
    pub(crate) fn deviations<T: Widen>(elements: &[T], mean: &[f64; LANES]) -> Deviations {
        let mut sum = [0.0; LANES];
        let mut squares = [0.0; LANES];
        let (rows, rest) = elements.as_chunks::<LANES>();
        for row in rows {
            for lane in 0..LANES {
                let deviation = row[lane].widen() - mean[lane];
                sum[lane] += deviation;
                squares[lane] += deviation * deviation;
            }
        }
        for (lane, element) in rest.iter().enumerate() {
            let deviation = element.widen() - mean[lane];
            sum[lane] += deviation;
            squares[lane] += deviation * deviation;
        }
        Deviations { sum, squares }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::testing::{awkward_floats, bits};

    #[test]
    fn every_level_gives_the_same_bits() {
        let mean = std::array::from_fn(|lane| lane as f64 / 3.0);
        for len in [0, 1, 33, 2_048] {
            let floats = awkward_floats(len);
            let expected = deviations::portable(&floats, &mean);
            for other in [
                deviations::best(&floats, &mean),
                deviations::avx2(&floats, &mean),
            ] {
                assert_eq!(bits(&other.sum), bits(&expected.sum));
                assert_eq!(bits(&other.squares), bits(&expected.squares));
            }
        }
    }
}
