//! Numbers with units, as people read them: rounded to what matters. `arenad::config` reads what people write.

use std::fmt;
use std::time::Duration;

/// A number of bytes, shown with three digits and a binary unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64;
        let mut unit = 0;
        // From 999.5 on three digits would show as 1000.
        while value >= 999.5 && unit + 1 < BINARY.len() {
            value /= 1024.0;
            unit += 1;
        }
        f.pad(&format!("{} {}", three_digits(value), BINARY[unit]))
    }
}

/// Shows a duration with three digits and the unit that suits it.
pub(crate) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 172_800.0 => format!("{} d", three_digits(s / 86_400.0)),
        s if s >= 7200.0 => format!("{} h", three_digits(s / 3600.0)),
        s if s >= 120.0 => format!("{} min", three_digits(s / 60.0)),
        s if s >= 1.0 => format!("{} s", three_digits(s)),
        s if s >= 1e-3 => format!("{} ms", three_digits(s * 1e3)),
        s => format!("{} us", three_digits(s * 1e6)),
    }
}

/// Three significant digits at least, and no exponent.
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 99.95 || v == 0.0 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_shown_with_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1 << 30, "1.00 GiB"),
            ((1 << 30) - 1, "1.00 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(format!("{:>8}|", Bytes(5)), "     5 B|");
    }

    #[test]
    fn durations_are_shown_with_three_digits() {
        assert_eq!(duration_text(Duration::from_micros(1500)), "1.50 ms");
        assert_eq!(duration_text(Duration::from_secs(90)), "90.0 s");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_true_within_its_digits(bytes: u64) {
            let shown = Bytes(bytes).to_string();
            let (number, unit) = shown.split_once(' ').unwrap();
            let power = BINARY.iter().position(|name| *name == unit).unwrap();
            let told = number.parse::<f64>().unwrap() * 1024f64.powi(i32::try_from(power).unwrap());
            prop_assert!((told - bytes as f64).abs() <= bytes as f64 * 0.006);
        }
    }
}
