//! The edges of a histogram's bins, and which bin an element belongs to: NumPy's arithmetic, rounding by rounding.
//!
//! NumPy estimates the bin as `(x - first) / (last - first) * bins` and then moves it by one where the edges say so. Edges and
//! estimate are calculated partly in float64, partly in the element type, depending on where the range comes from; a histogram has
//! NumPy's counts only if every one of those roundings is made.

use half::f16;

use crate::element::ElementType;
use crate::loops::binning::Ruler;

/// The outer edges, before they are rounded to the element type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// `last - first`, where the ends are 64-bit integers without a detour over floats.
    pub(crate) width: f64,
    /// Whether the range is the data's own, rather than given.
    pub(crate) is_own: bool,
}

/// Bins of equal width.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) edges: Vec<f64>,
    /// What elements are rounded to, and with them `x - first`.
    element: Precision,
    /// What the estimate is rounded to.
    estimate: Precision,
    first: f64,
    last: f64,
    width: f64,
    /// The number of bins, rounded as the estimate is.
    factor: f64,
}

impl Range {
    /// The range of two ends, moved apart by 1/2 each if they are equal.
    pub(crate) fn new(first: f64, last: f64, element: ElementType, is_own: bool) -> Self {
        let precision = if is_own {
            Precision::of(element)
        } else {
            Precision::Double
        };
        let (first, last) = if first == last {
            (precision.round(first - 0.5), precision.round(last + 0.5))
        } else {
            (first, last)
        };
        Self {
            first,
            last,
            width: precision.round(last - first),
            is_own,
        }
    }
}

impl Grid {
    /// `None` if the range is too narrow for as many bins, or too wide for the element type.
    pub(crate) fn new(element: ElementType, bins: usize, range: Range) -> Option<Self> {
        let precision = Precision::of(element);
        let estimate = if range.is_own {
            precision
        } else {
            Precision::Double
        };
        let edges = edges(bins, range, estimate, precision);
        let is_increasing = edges.windows(2).all(|pair| pair[0] < pair[1]);
        let is_finite = edges.iter().all(|edge| edge.is_finite());
        (is_increasing && is_finite && range.width > 0.0).then(|| Self {
            edges,
            element: precision,
            estimate,
            first: precision.round(range.first),
            last: precision.round(range.last),
            width: range.width,
            factor: estimate.round(bins as f64),
        })
    }

    pub(crate) fn bins(&self) -> usize {
        self.edges.len() - 1
    }

    /// The bin of an element; none outside the range, and for NaN.
    pub(crate) fn bin(&self, x: f64) -> Option<usize> {
        if !(x >= self.first && x <= self.last) {
            return None;
        }
        let offset = self.element.round(x - self.first);
        let share = self.estimate.round(offset / self.width);
        let estimate = self.estimate.round(share * self.factor);
        let last_bin = self.bins() - 1;
        let mut bin = (estimate as usize).min(last_bin);
        if x < self.edges[bin] {
            bin = bin.saturating_sub(1);
        }
        if bin < last_bin && x >= self.edges[bin + 1] {
            bin += 1;
        }
        Some(bin)
    }

    /// How to find most bins without looking at edges, or `None` if the bins are so narrow that most elements would be doubtful.
    ///
    /// Edges and estimate are off by a few roundings of numbers as large as the range's ends, hence by a few times
    /// `ends / width * bins` units of the last place, counted in bins; the doubt is well above that.
    pub(crate) fn ruler(&self) -> Option<Ruler> {
        let bins = self.bins() as f64;
        let ends = self.first.abs().max(self.last.abs());
        let doubt = 8.0 * bins * self.element.unit() * (1.0 + ends / self.width);
        let scale = bins / self.width;
        let slots = u32::try_from(self.bins()).ok()?;
        (doubt < 1.0 / 64.0 && scale.is_finite()).then_some(Ruler {
            first: self.first,
            last: self.last,
            scale,
            doubt,
            outside: slots,
            doubtful: slots + 1,
        })
    }
}

/// `numpy.linspace(first, last, bins + 1)`, calculated in one precision and rounded to another.
fn edges(bins: usize, range: Range, in_precision: Precision, to: Precision) -> Vec<f64> {
    let round = |value| in_precision.round(value);
    let width = round(range.last - range.first);
    let divisor = round(bins as f64);
    let step = round(width / divisor);
    let mut edges: Vec<f64> = (0..=bins)
        .map(|number| {
            let number = round(number as f64);
            let distance = if step == 0.0 {
                round(round(number / divisor) * width)
            } else {
                round(number * step)
            };
            to.round(round(distance + range.first))
        })
        .collect();
    edges[bins] = to.round(range.last);
    edges
}

/// A float type that results are rounded to. One operation on such floats in float64, rounded, is the operation in that type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Precision {
    Half,
    Single,
    Double,
}

impl Precision {
    /// Integers are calculated with in float64.
    fn of(element: ElementType) -> Self {
        match element {
            ElementType::Float16 => Self::Half,
            ElementType::Float32 => Self::Single,
            _ => Self::Double,
        }
    }

    fn round(self, value: f64) -> f64 {
        match self {
            Self::Half => f16::from_f64(value).to_f64(),
            Self::Single => f64::from(value as f32),
            Self::Double => value,
        }
    }

    /// Half the distance from 1 to the next number.
    fn unit(self) -> f64 {
        match self {
            Self::Half => 2_f64.powi(-11),
            Self::Single => 2_f64.powi(-24),
            Self::Double => 2_f64.powi(-53),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: [(f64, f64); 5] = [
        (0.0, 1.0),
        (0.1, 0.7),
        (-3.0, 7.0),
        (1e6, 1e6 + 1.0),
        (-1e-3, 1e9),
    ];

    /// Edges and their neighbours, where estimates are off by one.
    #[test]
    fn edges_open_their_bin_and_the_last_closes_it() {
        for (first, last) in RANGES {
            for bins in 1..200 {
                let range = Range::new(first, last, ElementType::Float64, true);
                let grid = Grid::new(ElementType::Float64, bins, range).unwrap();
                for (number, edge) in grid.edges.iter().enumerate() {
                    assert_eq!(
                        grid.bin(*edge),
                        Some(number.min(bins - 1)),
                        "{range:?} {bins}"
                    );
                    assert_eq!(grid.bin(edge.next_down()), number.checked_sub(1));
                }
                assert_eq!(grid.bin(last.next_up()), None);
            }
        }
    }

    /// A ruler that doubts too little would put elements beside an edge into the wrong bin.
    #[test]
    fn whatever_the_ruler_does_not_doubt_is_right() {
        use crate::loops::binning::tally;
        let mut sure = 0;
        for (first, last) in RANGES {
            for element in [ElementType::Float64, ElementType::Float32] {
                for bins in [1, 3, 10, 49, 100] {
                    let range = Range::new(first, last, element, false);
                    let Some(grid) = Grid::new(element, bins, range) else {
                        continue;
                    };
                    let Some(ruler) = grid.ruler() else { continue };
                    for edge in &grid.edges {
                        for near in [edge.next_down(), *edge, edge.next_up(), edge + 1e-3] {
                            let x = grid.element.round(near);
                            let (mut tables, mut doubtful) = (vec![0; 4 * (bins + 2)], Vec::new());
                            tally::best(&[x], &ruler, &mut tables, &mut doubtful);
                            if doubtful.is_empty() {
                                sure += 1;
                                let slot = tables.iter().position(|count| *count == 1);
                                assert_eq!(
                                    slot,
                                    Some(grid.bin(x).unwrap_or(bins)),
                                    "{x} {range:?}"
                                );
                            }
                        }
                    }
                }
            }
        }
        assert!(sure > 100, "{sure}");
    }
}
