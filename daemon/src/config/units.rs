//! Values with units, as people write them: `"8GiB"`, `"50%"`, `"250ms"`. They are shown so that they are read back the same.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::quantity::{self, Flaw};

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

const TIME_UNITS: [(&str, u64); 5] = [
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// Why a text is no value with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum UnitError {
    #[error("not a size, {flaw} (write it like \"4096\", \"512MiB\" or \"1.5GiB\"): {text:?}")]
    Bytes { text: String, flaw: Flaw },
    #[error("not a time, {flaw} (write it like \"250ms\", \"10s\" or \"1.5m\"): {text:?}")]
    Time { text: String, flaw: Flaw },
    #[error(
        "not a size, {flaw} (write it like \"8GiB\", or \"50%\" of what memory the daemon may use): {text:?}"
    )]
    Size { text: String, flaw: Flaw },
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
        let refused = |flaw| UnitError::Bytes {
            text: text.to_owned(),
            flaw,
        };
        quantity::bytes(text).map(Self).map_err(refused)
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
        let refused = |flaw| UnitError::Time {
            text: text.to_owned(),
            flaw,
        };
        let ns = quantity::nanoseconds(text).map_err(refused)?;
        Ok(Self(Duration::from_nanos(ns)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parsed from at most u64::MAX nanoseconds, or one of our defaults.
        let ns = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        format_with(f, ns, &TIME_UNITS, "ns")
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
        let refused = |flaw| UnitError::Size {
            text: text.to_owned(),
            flaw,
        };
        if let Some(percent) = text.trim().strip_suffix('%') {
            return match percent.trim().parse() {
                Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
                _ => Err(refused(Flaw::Percentage)),
            };
        }
        match quantity::bytes(text) {
            Ok(0) => Err(refused(Flaw::Zero)),
            Ok(bytes) => Ok(Self::Bytes(bytes)),
            Err(flaw) => Err(refused(flaw)),
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
        assert_eq!("4096".parse(), Ok(Bytes(4096)));
        assert_eq!("2G".parse(), Ok(Size::Bytes(2 << 30)));
        assert_eq!("250ms".parse(), Ok(Time(Duration::from_millis(250))));
        assert_eq!("5min".parse(), Ok(Time(Duration::from_secs(300))));
        assert_eq!("50%".parse(), Ok(Size::Percent(50)));
        assert_eq!("auto".parse(), Ok(Workers::Auto));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "-1GiB", "0.3KiB", "8 apples"] {
            let refusal = bad.parse::<Bytes>().unwrap_err().to_string();
            assert!(refusal.contains("512MiB"), "{refusal}");
        }
        for bad in ["", "-1s", "0.1ns", "2 days"] {
            let refusal = bad.parse::<Time>().unwrap_err().to_string();
            assert!(refusal.contains("250ms"), "{refusal}");
        }
        for bad in ["0%", "101%", "0B", "%", "1.5%", "-1"] {
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
