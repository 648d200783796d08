//! Least and greatest elements.
//!
//! Floats are compared in the lanes of `lanes`; a NaN stays in its lane. Of equal elements (0.0 and -0.0) the one that is met
//! first stays, so that the result does not depend on the level.

use half::f16;

use crate::elements::Flag;
use crate::loops::lanes::LANES;
use crate::loops::vectorised;
use crate::loops::widen::f16_to_f32;

/// An element that can be compared, perhaps in a wider type.
pub(crate) trait Ordered: Copy + Send + Sync + 'static {
    type Key: Copy + PartialOrd;
    fn key(self) -> Self::Key;
    fn is_nan(key: Self::Key) -> bool;
}

/// Which of two elements is looked for.
pub(crate) trait Pick: Send + Sync + 'static {
    fn prefers<K: PartialOrd>(candidate: K, current: K) -> bool;
}

/// The least.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Least;

/// The greatest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Greatest;

impl Pick for Least {
    #[inline(always)]
    fn prefers<K: PartialOrd>(candidate: K, current: K) -> bool {
        candidate < current
    }
}

impl Pick for Greatest {
    #[inline(always)]
    fn prefers<K: PartialOrd>(candidate: K, current: K) -> bool {
        candidate > current
    }
}

vectorised! {
    /// The picked element of a run, or a NaN if there is one; `None` for no elements.
    pub(crate) fn extreme<T: Ordered, P: Pick>(elements: &[T]) -> Option<T::Key> {
        let start = elements.first()?.key();
        let mut lanes = [start; LANES];
        let (rows, rest) = elements.as_chunks::<LANES>();
        for row in rows {
            for lane in 0..LANES {
                lanes[lane] = better::<T, P>(lanes[lane], row[lane].key());
            }
        }
        for (lane, element) in lanes.iter_mut().zip(rest) {
            *lane = better::<T, P>(*lane, element.key());
        }
        Some(lanes.into_iter().fold(start, better::<T, P>))
    }
}

#[inline(always)]
pub(crate) fn better<T: Ordered, P: Pick>(current: T::Key, candidate: T::Key) -> T::Key {
    if P::prefers(candidate, current) | T::is_nan(candidate) {
        candidate
    } else {
        current
    }
}

macro_rules! ordered_ints {
    ($($element:ty),*) => {$(
        impl Ordered for $element {
            type Key = Self;
            #[inline(always)]
            fn key(self) -> Self {
                self
            }
            #[inline(always)]
            fn is_nan(_: Self) -> bool {
                false
            }
        }
    )*};
}
ordered_ints!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! ordered_floats {
    ($($element:ty),*) => {$(
        impl Ordered for $element {
            type Key = Self;
            #[inline(always)]
            fn key(self) -> Self {
                self
            }
            #[inline(always)]
            fn is_nan(key: Self) -> bool {
                key.is_nan()
            }
        }
    )*};
}
ordered_floats!(f32, f64);

impl Ordered for f16 {
    type Key = f32;
    #[inline(always)]
    fn key(self) -> f32 {
        f16_to_f32(self)
    }
    #[inline(always)]
    fn is_nan(key: f32) -> bool {
        key.is_nan()
    }
}

impl Ordered for Flag {
    type Key = u8;
    #[inline(always)]
    fn key(self) -> u8 {
        u8::from(self.is_set())
    }
    #[inline(always)]
    fn is_nan(_: u8) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::testing::awkward_floats;

    #[test]
    fn every_level_finds_the_same_bits() {
        let mut floats = awkward_floats(5_000);
        floats[4_321] = 0.0;
        for zero in [-0.0, 0.0] {
            floats[77] = zero;
            let zeros: Vec<f64> = floats.iter().map(|x| x * 0.0).collect();
            for data in [&floats, &zeros] {
                let expected = extreme::portable::<_, Least>(data).map(f64::to_bits);
                assert_eq!(extreme::best::<_, Least>(data).map(f64::to_bits), expected);
                assert_eq!(extreme::avx2::<_, Least>(data).map(f64::to_bits), expected);
            }
        }
        let ints: Vec<i16> = floats.iter().map(|x| (*x * 100.0) as i16).collect();
        assert_eq!(
            extreme::best::<_, Greatest>(&ints),
            ints.iter().copied().max()
        );
        assert_eq!(
            extreme::avx2::<_, Greatest>(&ints),
            ints.iter().copied().max()
        );
    }

    #[test]
    fn a_nan_anywhere_is_found() {
        for at in [0, 31, 32, 99] {
            let mut floats = vec![1.0_f32; 100];
            floats[at] = f32::NAN;
            assert!(extreme::best::<_, Least>(&floats).is_some_and(f32::is_nan));
            assert!(extreme::portable::<_, Greatest>(&floats).is_some_and(f32::is_nan));
        }
        assert_eq!(extreme::best::<f64, Least>(&[]), None);
    }
}
