//! The kernels, one a file.

mod float_sum;
pub(crate) mod sum;
#[cfg(test)]
pub(crate) mod test_support;
