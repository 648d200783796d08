//! How fast kernels are, as measured, and how much work one slice should be.

use std::collections::BTreeMap;
use std::time::Duration;

use arena_core::Dtype;

/// Before anything was measured: about 16 GB/s of float64.
const NANOS_PER_ELEMENT_GUESS: f64 = 0.5;

/// The weight of the newest measurement.
const WEIGHT: f64 = 0.25;

/// Nanoseconds per element of each kernel and element type.
#[derive(Debug, Default)]
pub(super) struct Rates {
    measured: BTreeMap<(&'static str, u8), f64>,
}

impl Rates {
    pub(super) fn nanos_per_element(&self, kernel: &'static str, dtype: Dtype) -> f64 {
        let measured = self.measured.get(&(kernel, dtype.code()));
        measured.copied().unwrap_or(NANOS_PER_ELEMENT_GUESS)
    }

    /// Takes note of a finished slice.
    pub(super) fn measure(
        &mut self,
        kernel: &'static str,
        dtype: Dtype,
        elements: u64,
        busy_ns: u64,
    ) {
        if elements == 0 {
            return;
        }
        let newest = (busy_ns as f64 / elements as f64).clamp(1e-3, 1e6);
        self.measured
            .entry((kernel, dtype.code()))
            .and_modify(|rate| *rate += (newest - *rate) * WEIGHT)
            .or_insert(newest);
    }
}

/// The bounds of a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct SliceTimes {
    pub(super) min: Duration,
    pub(super) max: Duration,
}

/// How many of `remaining` units the next slice takes: half of an equal share, so that slices shrink toward the end and the
/// workers end together; never so little that handing it out costs more than doing it, never so much that it holds a worker
/// for long. What would be left over as a crumb is taken along.
pub(super) fn slice_units(
    remaining: u64,
    workers: u32,
    nanos_per_unit: f64,
    times: SliceTimes,
) -> u64 {
    let units_in = |time: Duration| ((time.as_nanos() as f64 / nanos_per_unit) as u64).max(1);
    let (min, max) = (units_in(times.min), units_in(times.max));
    let share = remaining.div_ceil(2 * u64::from(workers.max(1)));
    let units = share.min(max).max(min);
    if remaining < units.saturating_add(min.div_ceil(2)) {
        remaining
    } else {
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: SliceTimes = SliceTimes {
        min: Duration::from_micros(100),
        max: Duration::from_millis(10),
    };

    fn cut(mut remaining: u64, workers: u32, nanos: f64) -> Vec<u64> {
        let mut slices = Vec::new();
        while remaining > 0 {
            let units = slice_units(remaining, workers, nanos, TIMES);
            slices.push(units);
            remaining -= units;
        }
        slices
    }

    #[test]
    fn small_work_is_one_slice() {
        assert_eq!(cut(10, 8, 10_000.0), [10]);
        assert_eq!(cut(1, 1, 1e9), [1]);
    }

    #[test]
    fn slices_shrink_within_their_bounds() {
        let slices = cut(8192, 2, 6_000.0);
        assert_eq!(slices.iter().sum::<u64>(), 8192);
        assert!(slices.is_sorted_by(|a, b| a >= b), "{slices:?}");
        assert_eq!(slices[0], 1666);
        assert!(*slices.last().unwrap() >= 8);
    }

    #[test]
    fn slow_work_is_cut_to_single_units() {
        assert_eq!(cut(3, 2, 1e9), [1, 1, 1]);
    }

    #[test]
    fn rates_follow_measurements() {
        let mut rates = Rates::default();
        assert_eq!(rates.nanos_per_element("sum", Dtype::Float64), 0.5);
        rates.measure("sum", Dtype::Float64, 1000, 2000);
        assert_eq!(rates.nanos_per_element("sum", Dtype::Float64), 2.0);
        rates.measure("sum", Dtype::Float64, 1000, 4000);
        assert_eq!(rates.nanos_per_element("sum", Dtype::Float64), 2.5);
        assert_eq!(rates.nanos_per_element("sum", Dtype::Float32), 0.5);
    }
}
