//! Numbers for tests of the loops.

/// Floats of many magnitudes and both signs, whose sum depends on the order of additions.
pub(crate) fn awkward_floats(len: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let unit = (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
            unit * f64::from(1_u32 << (state % 20))
        })
        .collect()
}

/// The bits, so that -0.0 and NaN are compared too.
pub(crate) fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}
