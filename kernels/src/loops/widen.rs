//! Elements as float64.

use half::f16;

use crate::elements::Flag;

/// An element that has a nearest float64.
pub(crate) trait Widen: Copy + Send + Sync + 'static {
    fn widen(self) -> f64;
}

macro_rules! widen_exactly {
    ($($element:ty),*) => {$(
        impl Widen for $element {
            #[inline(always)]
            fn widen(self) -> f64 {
                f64::from(self)
            }
        }
    )*};
}
widen_exactly!(i8, i16, i32, u8, u16, u32, f32, f64);

/// As in NumPy, 64-bit integers are rounded to the nearest float.
macro_rules! widen_rounded {
    ($($element:ty),*) => {$(
        impl Widen for $element {
            #[inline(always)]
            fn widen(self) -> f64 {
                self as f64
            }
        }
    )*};
}
widen_rounded!(i64, u64);

impl Widen for Flag {
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(u8::from(self.is_set()))
    }
}

impl Widen for f16 {
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(f16_to_f32(self))
    }
}

/// The same as `half`'s own conversion, without its question to the processor at each element, so that it vectorises.
///
/// Exponent and fraction move to their places in a float32, whose exponent is then 112 too small: a multiplication by 2^112
/// mends that, for subnormal numbers too. Infinities and NaNs get the greatest exponent instead.
#[inline(always)]
pub(crate) fn f16_to_f32(value: f16) -> f32 {
    const TWO_TO_112: f32 = f32::from_bits((127 + 112) << 23);
    let bits = u32::from(value.to_bits());
    let sign = (bits & 0x8000) << 16;
    let moved = (bits & 0x7fff) << 13;
    let magnitude = (f32::from_bits(moved) * TWO_TO_112).to_bits();
    let is_special = bits & 0x7c00 == 0x7c00;
    f32::from_bits(
        sign | if is_special {
            moved | 0x7f80_0000
        } else {
            magnitude
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float16_is_what_it_was() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits);
            let (ours, theirs) = (f16_to_f32(value), value.to_f32());
            assert_eq!(ours.is_nan(), theirs.is_nan(), "{bits:#x}");
            assert!(
                ours.is_nan() || ours.to_bits() == theirs.to_bits(),
                "{bits:#x}"
            );
        }
    }
}
