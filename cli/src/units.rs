//! Numbers with units, as people write and read them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A text that is no number with a unit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}: {text:?}")]
pub(crate) struct UnitError {
    expected: &'static str,
    text: String,
}

/// A number of bytes. Reads `4096`, `64KiB`, `1.5 GiB`, `2G` (binary) and `2GB` (decimal); shows three digits and a binary unit.
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

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            expected: "a size such as 4096, 64MiB or 1.5GiB",
            text: text.to_owned(),
        };
        let (number, unit) = split_unit(text).ok_or_else(error)?;
        let factor = bytes_of_unit(unit).ok_or_else(error)?;
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(error);
        }
        let value: f64 = number.parse().map_err(|_| error())?;
        let bytes = value * factor as f64;
        (bytes < u64::MAX as f64)
            .then_some(Self(bytes as u64))
            .ok_or_else(error)
    }
}

fn bytes_of_unit(unit: &str) -> Option<u64> {
    let lower = unit.to_ascii_lowercase();
    let (prefix, decimal) = match lower.as_str() {
        "" | "b" => return Some(1),
        text => match (text.strip_suffix("ib"), text.strip_suffix('b')) {
            (Some(prefix), _) => (prefix, false),
            (None, Some(prefix)) => (prefix, true),
            (None, None) => (text, false),
        },
    };
    let power = 1 + ["k", "m", "g", "t", "p", "e"]
        .into_iter()
        .position(|letter| letter == prefix)? as u32;
    Some(if decimal {
        1000u64.pow(power)
    } else {
        1024u64.pow(power)
    })
}

/// Reads `2s`, `500ms`, `1.5m`, `1h`; a bare number counts seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = || UnitError {
        expected: "a duration such as 500ms, 2s or 1.5m",
        text: text.to_owned(),
    };
    let (number, unit) = split_unit(text).ok_or_else(error)?;
    let seconds_per_unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(error()),
    };
    let value: f64 = number.parse().map_err(|_| error())?;
    Duration::try_from_secs_f64(value * seconds_per_unit).map_err(|_| error())
}

/// The number at the front and the unit behind it.
fn split_unit(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (digits > 0).then(|| (&text[..digits], text[digits..].trim_start()))
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
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65_536),
            ("1.5 GiB", 3 << 29),
            ("2G", 2 << 30),
            ("2gb", 2_000_000_000),
            ("7b", 7),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for bad in [
            "",
            "GiB",
            "-1",
            "1xB",
            "1.2.3K",
            "99999999999E",
            "1e3",
            "17179869184GiB",
        ] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

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
    fn durations_are_read_and_shown() {
        assert_eq!(parse_duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        for bad in ["", "s", "2 days", "-1s", "1e400"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
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
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _ = text.parse::<Bytes>();
            let _ = parse_duration(&text);
        }

        #[test]
        fn what_is_shown_is_read_within_its_digits(bytes: u64) {
            let shown = Bytes(bytes).to_string();
            if let Ok(Bytes(read)) = shown.parse() {
                prop_assert!((read as f64 - bytes as f64).abs() <= bytes as f64 * 0.006);
            } else {
                prop_assert!(bytes as f64 > 0.99 * u64::MAX as f64);
            }
        }
    }
}
