//! `scale * x + offset`, each operation rounded on its own.

use half::f16;
use half::slice::HalfFloatSliceExt;
use num_complex::Complex;

use crate::loops::vectorised;

/// An element that is scaled in its own type.
pub(crate) trait Scale: Copy + Send + Sync + 'static {
    fn scaled(self, scale: Self, offset: Self) -> Self;
}

vectorised! {
    /// Scales a run in place.
    pub(crate) fn scale_add<T: Scale>(elements: &mut [T], scale: T, offset: T) {
        for element in elements {
            *element = element.scaled(scale, offset);
        }
    }
}

/// The same for float16, as NumPy does it: in float32, rounded to float16 after each operation.
pub(crate) fn scale_add_f16(elements: &mut [f16], scale: f16, offset: f16) {
    let mut wide = [0.0; 512];
    for block in elements.chunks_mut(wide.len()) {
        let wide = &mut wide[..block.len()];
        block.convert_to_f32_slice(wide);
        scale_add::best(wide, scale.to_f32(), -0.0);
        block.convert_from_f32_slice(wide);
        block.convert_to_f32_slice(wide);
        scale_add::best(wide, 1.0, offset.to_f32());
        block.convert_from_f32_slice(wide);
    }
}

macro_rules! scale_ints {
    ($($element:ty),*) => {$(
        impl Scale for $element {
            #[inline(always)]
            fn scaled(self, scale: Self, offset: Self) -> Self {
                self.wrapping_mul(scale).wrapping_add(offset)
            }
        }
    )*};
}
scale_ints!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! scale_floats {
    ($($element:ty),*) => {$(
        impl Scale for $element {
            #[inline(always)]
            fn scaled(self, scale: Self, offset: Self) -> Self {
                self * scale + offset
            }
        }

        impl Scale for Complex<$element> {
            #[inline(always)]
            fn scaled(self, scale: Self, offset: Self) -> Self {
                let re = self.re * scale.re - self.im * scale.im;
                let im = self.re * scale.im + self.im * scale.re;
                Self::new(re + offset.re, im + offset.im)
            }
        }
    )*};
}
scale_floats!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::testing::{awkward_floats, bits};

    #[test]
    fn every_level_leaves_the_same_bits() {
        let start = awkward_floats(1_003);
        let [mut portable, mut best, mut avx2] = [start.clone(), start.clone(), start];
        scale_add::portable(&mut portable, 1.1, 0.7);
        scale_add::best(&mut best, 1.1, 0.7);
        scale_add::avx2(&mut avx2, 1.1, 0.7);
        assert_eq!(bits(&best), bits(&portable));
        assert_eq!(bits(&avx2), bits(&portable));
    }

    #[test]
    fn float16_is_rounded_after_each_operation() {
        let mut x = [f16::from_f32(1.001); 3];
        let scale = f16::from_f32(3.3);
        scale_add_f16(&mut x, scale, f16::from_f32(1_000.0));
        let product = f16::from_f32(f16::from_f32(1.001).to_f32() * scale.to_f32());
        assert_eq!(x[2], f16::from_f32(product.to_f32() + 1_000.0));
    }
}
