//! Sums of integers, which are exact or wrap; no order matters.

use crate::elements::Flag;
use crate::loops::vectorised;

/// An integer whose sum over one leaf is calculated in [`Self::Leaf`].
pub(crate) trait LeafSum: Copy + Send + Sync + 'static {
    /// Narrow elements are added up in 32 bits, where 16,384 of them cannot overflow; 64-bit ones wrap.
    type Leaf: Copy + Default;
    fn add(sum: Self::Leaf, element: Self) -> Self::Leaf;
    /// As 64 bits of two's complement.
    fn word(sum: Self::Leaf) -> u64;
}

macro_rules! leaf_sum {
    ($($element:ty => $leaf:ty),*) => {$(
        impl LeafSum for $element {
            type Leaf = $leaf;
            #[inline(always)]
            fn add(sum: $leaf, element: Self) -> $leaf {
                sum.wrapping_add(<$leaf>::from(element))
            }
            #[inline(always)]
            fn word(sum: $leaf) -> u64 {
                i128::from(sum) as u64
            }
        }
    )*};
}
leaf_sum!(i8 => i32, i16 => i32, i32 => i64, i64 => i64, u8 => u32, u16 => u32, u32 => u64, u64 => u64);

vectorised! {
    /// The sum of a leaf's elements, as 64 bits of two's complement.
    pub(crate) fn sum<T: LeafSum>(elements: &[T]) -> u64 {
        let mut sum = T::Leaf::default();
        for element in elements {
            sum = T::add(sum, *element);
        }
        T::word(sum)
    }
}

impl LeafSum for Flag {
    type Leaf = u32;
    #[inline(always)]
    fn add(sum: u32, element: Self) -> u32 {
        sum + u32::from(element.is_set())
    }
    #[inline(always)]
    fn word(sum: u32) -> u64 {
        u64::from(sum)
    }
}

vectorised! {
    /// The sum of products of two runs, wrapped to 64 bits.
    pub(crate) fn dot<T: Wrap>(left: &[T], right: &[T]) -> u64 {
        let mut sum = 0_u64;
        for (left, right) in left.iter().zip(right) {
            sum = sum.wrapping_add(left.wrap().wrapping_mul(right.wrap()));
        }
        sum
    }
}

/// An integer as 64 bits of two's complement.
pub(crate) trait Wrap: Copy + Send + Sync + 'static {
    fn wrap(self) -> u64;
}

macro_rules! wrap_signed {
    ($($element:ty),*) => {$(
        impl Wrap for $element {
            #[inline(always)]
            fn wrap(self) -> u64 {
                i64::from(self).cast_unsigned()
            }
        }
    )*};
}
wrap_signed!(i8, i16, i32, i64);

macro_rules! wrap_unsigned {
    ($($element:ty),*) => {$(
        impl Wrap for $element {
            #[inline(always)]
            fn wrap(self) -> u64 {
                u64::from(self)
            }
        }
    )*};
}
wrap_unsigned!(u8, u16, u32, u64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::LEAF_ELEMENTS;

    #[test]
    fn a_leaf_of_extremes_does_not_overflow() {
        let len = LEAF_ELEMENTS as usize;
        let signed = |sum: u64| sum as i64;
        assert_eq!(signed(sum::best(&vec![i8::MIN; len])), -128 * len as i64);
        assert_eq!(
            signed(sum::best(&vec![i16::MIN; len])),
            -32_768 * len as i64
        );
        assert_eq!(sum::best(&vec![u16::MAX; len]), 65_535 * len as u64);
        assert_eq!(
            sum::best(&vec![u32::MAX; len]),
            u64::from(u32::MAX) * len as u64
        );
        assert_eq!(sum::best(&[i64::MAX, 1]), i64::MIN as u64);
        assert_eq!(sum::best(&[u64::MAX, 3]), 2);
        assert_eq!(sum::best(&vec![Flag(255); len]), len as u64);
    }

    #[test]
    fn every_level_gives_the_same() {
        let narrow: Vec<i8> = (0..16_384_i32).map(|i| (i * 37 % 251) as i8).collect();
        assert_eq!(sum::best(&narrow), sum::portable(&narrow));
        assert_eq!(sum::avx2(&narrow), sum::portable(&narrow));
        let wide: Vec<i64> = narrow.iter().map(|x| i64::from(*x) << 54).collect();
        assert_eq!(dot::best(&wide, &wide), dot::portable(&wide, &wide));
        assert_eq!(dot::avx2(&wide, &wide), dot::portable(&wide, &wide));
        assert_eq!(dot::portable(&[-2_i8, 3], &[5, -7]).cast_signed(), -31);
    }
}
