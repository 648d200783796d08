//! The demo's data, and what a plain process alone computes on it.
//!
//! The reference shares no code with the kernels: one thread, compensated sums (Neumaier), and the textbook's two passes for the
//! standard deviation. So it is more exact than what it checks.

use std::thread;

use bytemuck::Pod;

/// An element of the demo's arrays.
pub(super) trait Float: arena_client::Element + Pod + PartialEq + Into<f64> {
    /// The number nearest to `value`, which lies in [0, 1).
    fn nearest(value: f64) -> Self;
    /// `2 x + 0.5` with one rounding, fused or not, because doubling is exact.
    fn updated(self) -> Self;
}

/// What the update does to each element, as the parameters of the kernel.
pub(super) const SCALE: f64 = 2.0;
/// See [`SCALE`].
pub(super) const ADD: f64 = 0.5;

impl Float for f64 {
    fn nearest(value: f64) -> Self {
        value
    }

    fn updated(self) -> Self {
        self * SCALE + ADD
    }
}

impl Float for f32 {
    fn nearest(value: f64) -> Self {
        value as Self
    }

    fn updated(self) -> Self {
        self * SCALE as Self + ADD as Self
    }
}

/// Fills `target` with numbers evenly spread over [0, 1), the same ones whatever the number of `threads`.
pub(super) fn generate<T: Float>(target: &mut [T], threads: usize) {
    let part = target.len().div_ceil(threads.max(1)).max(1);
    thread::scope(|scope| {
        for (number, chunk) in target.chunks_mut(part).enumerate() {
            scope.spawn(move || {
                let first = number * part;
                for (i, element) in chunk.iter_mut().enumerate() {
                    *element = T::nearest(spread((first + i) as u64));
                }
            });
        }
    });
}

/// The `index`-th number: a multiplicative hash, so that neighbours are far apart, with 24 bits, so that `f32` holds it too.
fn spread(index: u64) -> f64 {
    let mut bits = (index as u32) ^ ((index >> 32) as u32);
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x7feb_352d);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x846c_a68b);
    f64::from((bits >> 8) as i32) / f64::from(1 << 24)
}

/// What a plain process finds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) sum: f64,
    pub(super) std: f64,
    /// The sum of the magnitudes, which rounding errors of a sum are measured by.
    magnitude: f64,
    count: u64,
}

impl Reference {
    pub(super) fn of<T: Float>(elements: &[T]) -> Self {
        let sum = compensated(elements, |x| x);
        let mean = sum / elements.len() as f64;
        let squares = compensated(elements, |x| (x - mean) * (x - mean));
        Self {
            sum,
            std: (squares / elements.len() as f64).sqrt(),
            magnitude: compensated(elements, f64::abs),
            count: elements.len() as u64,
        }
    }

    /// Whether `sum` differs no more than the kernel documents: (70 + log2(n / 16384)) * 2^-53 of the magnitudes.
    pub(super) fn agrees_on_sum(&self, sum: f64) -> bool {
        let levels = 70.0 + (self.count as f64 / 16384.0).log2().max(0.0);
        agree(sum, self.sum, self.magnitude * levels * f64::EPSILON / 2.0)
    }

    /// Whether `std` agrees to 12 digits.
    pub(super) fn agrees_on_std(&self, std: f64) -> bool {
        agree(std, self.std, self.std * 1e-12)
    }
}

fn agree(found: f64, expected: f64, bound: f64) -> bool {
    let is_near = bound.is_finite() && (found - expected).abs() <= bound;
    is_near || found == expected || (found.is_nan() && expected.is_nan())
}

const LANES: usize = 8;

/// The sum of `value` over all elements, with the rounding errors summed beside it.
fn compensated<T: Float>(elements: &[T], value: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let mut errors = [0.0; LANES];
    let (rows, rest) = elements.as_chunks::<LANES>();
    for row in rows {
        for lane in 0..LANES {
            add(&mut sums[lane], &mut errors[lane], value(row[lane].into()));
        }
    }
    for element in rest {
        add(&mut sums[0], &mut errors[0], value((*element).into()));
    }
    let (mut sum, mut error) = (0.0, errors.iter().sum());
    for lane in sums {
        add(&mut sum, &mut error, lane);
    }
    // Infinities leave no error that is a number.
    if sum.is_finite() { sum + error } else { sum }
}

fn add(sum: &mut f64, error: &mut f64, value: f64) {
    let next = *sum + value;
    *error += if sum.abs() >= value.abs() {
        (*sum - next) + value
    } else {
        (value - next) + *sum
    };
    *sum = next;
}

/// Whether `after` is the update of `before`, bit for bit but for the payloads of NaNs.
pub(super) fn is_updated<T: Float>(before: &[T], after: &[T]) -> bool {
    let is_nan = |x: &T| Into::<f64>::into(*x).is_nan();
    before.len() == after.len()
        && before.iter().zip(after).all(|(old, new)| {
            let expected = old.updated();
            expected == *new || (is_nan(&expected) && is_nan(new))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_the_same_for_any_number_of_threads() {
        let mut one = vec![0f64; 10_001];
        let mut three = one.clone();
        generate(&mut one, 1);
        generate(&mut three, 3);
        assert_eq!(one, three);
        let reference = Reference::of(&one);
        assert!((reference.sum / 10_001.0 - 0.5).abs() < 0.02);
        assert!((reference.std - (1.0f64 / 12.0).sqrt()).abs() < 0.02);
    }

    #[test]
    fn the_reference_keeps_what_a_plain_sum_loses() {
        let elements = [1e16, 1.0, -1e16, 1.0, 1e-3];
        assert_eq!(Reference::of(&elements).sum, 2.001);
    }

    #[test]
    fn wrong_results_are_found() {
        let mut elements = vec![0f64; 1000];
        generate(&mut elements, 2);
        let reference = Reference::of(&elements);
        assert!(reference.agrees_on_sum(elements.iter().sum()));
        assert!(!reference.agrees_on_sum(reference.sum * (1.0 + 1e-9)));
        assert!(!reference.agrees_on_std(reference.std * (1.0 + 1e-9)));
        assert!(!reference.agrees_on_sum(f64::NAN));
        let mut after: Vec<f64> = elements.iter().map(|x| x.updated()).collect();
        assert!(is_updated(&elements, &after));
        after[500] = after[500].next_up();
        assert!(!is_updated(&elements, &after));
        assert!(!is_updated(&elements, &after[1..]));
    }

    #[test]
    fn infinities_and_nan_agree_with_themselves() {
        let reference = Reference::of(&[1.0, f64::INFINITY]);
        assert!(reference.agrees_on_sum(f64::INFINITY) && !reference.agrees_on_sum(1.0));
        let reference = Reference::of(&[1.0, f64::NAN]);
        assert!(reference.agrees_on_sum(f64::NAN) && reference.agrees_on_std(f64::NAN));
        assert!(is_updated(&[f64::NAN], &[f64::NAN]));
    }
}
