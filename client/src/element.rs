//! Rust types that are elements of arrays.

use arena_core::Dtype;
use half::f16;
use num_complex::Complex;

mod sealed {
    pub trait Sealed {}
}

/// A type that arrays of the arena have as elements.
///
/// Implemented for `bool`, the integers from 8 to 64 bits, [`f16`], `f32`, `f64`, `Complex<f32>` and `Complex<f64>`. Every bit
/// pattern is a value of them, but for `bool`, whose bytes are looked at before a view is given.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The element type in the arena.
    const DTYPE: Dtype;

    /// Whether an array of `dtype` can be viewed as one of this type: `u8` also views opaque bytes.
    #[must_use]
    fn views(dtype: Dtype) -> bool {
        dtype == Self::DTYPE
    }
}

macro_rules! elements {
    ($($type:ty => $dtype:ident),* $(,)?) => {
        $(
            impl sealed::Sealed for $type {}
            impl Element for $type {
                const DTYPE: Dtype = Dtype::$dtype;
            }
            const _: () = assert!(size_of::<$type>() as u64 == Dtype::$dtype.size_bytes());
        )*
    };
}

elements! {
    bool => Bool,
    i8 => Int8,
    i16 => Int16,
    i32 => Int32,
    i64 => Int64,
    u16 => Uint16,
    u32 => Uint32,
    u64 => Uint64,
    f16 => Float16,
    f32 => Float32,
    f64 => Float64,
    Complex<f32> => Complex64,
    Complex<f64> => Complex128,
}

impl sealed::Sealed for u8 {}
impl Element for u8 {
    const DTYPE: Dtype = Dtype::Uint8;

    fn views(dtype: Dtype) -> bool {
        matches!(dtype, Dtype::Uint8 | Dtype::Bytes)
    }
}
