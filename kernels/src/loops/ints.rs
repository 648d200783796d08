//! Sums of integers, which are exact or wrap; no order matters.

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

vectorised! {
    /// How many bytes of a leaf are not 0.
    pub(crate) fn count_true(elements: &[u8]) -> u64 {
        let mut count = 0_u32;
        for element in elements {
            count += is_true(*element);
        }
        u64::from(count)
    }
}

#[inline(always)]
fn is_true(byte: u8) -> u32 {
    u32::from(byte != 0)
}

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
        assert_eq!(count_true::best(&vec![255; len]), len as u64);
    }
}
