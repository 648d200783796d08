//! The inner loops: plain Rust that the compiler vectorises, once for each level of the instruction set.
//!
//! Every loop has a fixed lane structure that is written out, never left to the compiler: which elements are added to which is
//! the same on every level, so the bits are. The compiler neither reorders floating-point operations nor fuses
//! a multiplication with an addition on its own.

pub(crate) mod binning;
pub(crate) mod deviations;
pub(crate) mod extremes;
pub(crate) mod ints;
pub(crate) mod lanes;
pub(crate) mod products;
pub(crate) mod scaling;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod widen;

/// Defines a module with one function in several forms: `portable`, the loop itself, and `best`, which runs the form for the
/// highest level of this processor.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$($generic:ident: $bound:path),+>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $vis mod $name {
            use super::*;

            #[inline(always)]
            pub(crate) fn portable $(<$($generic: $bound),+>)? ($($arg: $type),*) $(-> $result)? $body

            #[multiversion::multiversion(targets(
                "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+bmi1+bmi2+popcnt+lzcnt",
                "x86_64+avx2+bmi1+bmi2+popcnt+lzcnt",
            ))]
            pub(crate) fn best $(<$($generic: $bound),+>)? ($($arg: $type),*) $(-> $result)? {
                portable $(::<$($generic),+>)? ($($arg),*)
            }

            /// The middle level, which a processor with AVX-512 would never run.
            #[cfg(test)]
            #[multiversion::multiversion(targets("x86_64+avx2+bmi1+bmi2+popcnt+lzcnt"))]
            pub(crate) fn avx2 $(<$($generic: $bound),+>)? ($($arg: $type),*) $(-> $result)? {
                portable $(::<$($generic),+>)? ($($arg),*)
            }
        }
    };
}
pub(crate) use vectorised;

/// One NaN for all: which of two NaNs an addition passes on differs between levels.
pub(crate) const fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}
