//! Values with units, as people write them: `"8GiB"`, `"50%"`, `"250ms"`. A number without a unit is refused.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const BYTE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

const TIME_UNITS: [(&str, u64); 6] = [
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("s", 1_000_000_000),
];

/// Why a text is no value with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum UnitError {
    #[error("not a size (write it like \"8GiB\" or \"512MiB\"): {0:?}")]
    Bytes(String),
    #[error("not a time (write it like \"250ms\", \"10s\" or \"5min\"): {0:?}")]
    Time(String),
    #[error(
        "not a size (write it like \"8GiB\", or \"50%\" of what memory the daemon may use): {0:?}"
    )]
    Size(String),
    #[error("not a number of workers (write \"auto\" or a number from 1 to {max}): {text:?}")]
    Workers { text: String, max: u32 },
}

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &BYTE_UNITS)
            .map(Self)
            .ok_or_else(|| UnitError::Bytes(text.to_owned()))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        format_with(f, self.0, &BYTE_UNITS, "B")
    }
}

/// A span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, &TIME_UNITS)
            .map(|ns| Self(Duration::from_nanos(ns)))
            .ok_or_else(|| UnitError::Time(text.to_owned()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("h", 3_600_000_000_000),
            ("min", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
            ("us", 1_000),
        ];
        // Parsed from at most u64::MAX nanoseconds, or one of our defaults.
        let ns = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        format_with(f, ns, &units, "ns")
    }
}

/// The size of an arena: bytes, or a share of the memory that the daemon may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Size {
    /// So many bytes.
    Bytes(u64),
    /// So many percent, 1 to 100.
    Percent(u8),
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Size(text.to_owned());
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.trim().parse().map_err(|_| bad())?;
            return match percent {
                1..=100 => Ok(Self::Percent(percent)),
                _ => Err(bad()),
            };
        }
        match text.parse::<Bytes>() {
            Ok(Bytes(bytes)) if bytes > 0 => Ok(Self::Bytes(bytes)),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => Bytes(*bytes).fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// How many native workers; in the file a number or `"auto"`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "NumberOrText", into = "String")]
pub enum Workers {
    /// One for each core that this process may use.
    Auto,
    /// So many.
    Count(u32),
}

impl Workers {
    /// Workers hold slots, and clients need some too.
    pub const MAX: u32 = 192;
}

impl FromStr for Workers {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse() {
            Ok(count @ 1..=Self::MAX) => Ok(Self::Count(count)),
            _ => Err(UnitError::Workers {
                text: text.to_owned(),
                max: Self::MAX,
            }),
        }
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(i64),
    Text(String),
}

impl TryFrom<NumberOrText> for Workers {
    type Error = UnitError;

    fn try_from(value: NumberOrText) -> Result<Self, UnitError> {
        match value {
            NumberOrText::Number(number) => number.to_string().parse(),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl From<Workers> for String {
    fn from(workers: Workers) -> Self {
        workers.to_string()
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = UnitError;

            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_text!(Bytes, Time, Size);

/// A decimal number and a unit; the number may have a fraction. `None` for anything else and for what 64 bits don't hold.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (digits, scale) = units
        .iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?.trim_end(), *scale)))?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let denominator = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<u128>().ok()? * u128::from(scale) / denominator;
    let whole = u128::from(whole.parse::<u64>().ok()?) * u128::from(scale);
    u64::try_from(whole + part).ok()
}

/// The value in the largest unit that leaves no fraction.
fn format_with(
    f: &mut fmt::Formatter<'_>,
    value: u64,
    units: &[(&str, u64)],
    smallest: &str,
) -> fmt::Result {
    let exact = units
        .iter()
        .find(|(_, scale)| value > 0 && value.is_multiple_of(*scale));
    match exact {
        Some((unit, scale)) => write!(f, "{}{unit}", value / scale),
        None => write!(f, "{value}{smallest}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        assert_eq!("8GiB".parse(), Ok(Bytes(8 << 30)));
        assert_eq!("1.5 GiB".parse(), Ok(Bytes(3 << 29)));
        assert_eq!("250MB".parse(), Ok(Bytes(250_000_000)));
        assert_eq!("250ms".parse(), Ok(Time(Duration::from_millis(250))));
        assert_eq!("5min".parse(), Ok(Time(Duration::from_secs(300))));
        assert_eq!("50%".parse(), Ok(Size::Percent(50)));
        assert_eq!("auto".parse(), Ok(Workers::Auto));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "8",
            "GiB",
            "-1GiB",
            "8Gb",
            "1.GiB",
            ".5GiB",
            "1e3GiB",
            "99999999999TiB",
            "+1B",
        ] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        for bad in ["5", "ms", "5 m", "1.0000000000s"] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
        for bad in ["0%", "101%", "0B", "%"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
        for bad in ["0", "193", "-1", "many"] {
            assert!(bad.parse::<Workers>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in any::<u64>(), ns in any::<u64>()) {
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
            let time = Time(Duration::from_nanos(ns));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
