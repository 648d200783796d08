//! The kernels, one a file, and what several of them share.

pub(crate) mod dot;
mod extremes;
mod float_sum;
mod grid;
pub(crate) mod histogram;
mod int_sum;
pub(crate) mod max;
pub(crate) mod mean;
pub(crate) mod min;
mod moments;
pub(crate) mod scale_add;
pub(crate) mod std;
pub(crate) mod sum;
#[cfg(test)]
pub(crate) mod test_support;
pub(crate) mod var;
