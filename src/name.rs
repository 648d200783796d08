//! Names that people give to arenas and objects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum NameError {
    #[error("a name must not be empty")]
    Empty,
    #[error("a name has at most {max} bytes of UTF-8, this one has {len}")]
    TooLong { len: usize, max: usize },
    #[error("an object's name must not contain control characters: {0:?}")]
    ControlCharacter(String),
    #[error(
        "an arena's name consists of a-z, A-Z, 0-9, '-' and '_' and starts with a letter or digit: {0:?}"
    )]
    ArenaCharacter(String),
}

/// The name of an object: 1 to 128 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectName(String);

impl ObjectName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 128;
}

/// The name of an arena: 1 to 64 letters, digits, `-` and `_`, so that it can stand in file names, unit names and `ps`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArenaName(String);

impl ArenaName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 64;
}

fn check_length(text: &str, max: usize) -> Result<(), NameError> {
    match text.len() {
        0 => Err(NameError::Empty),
        len if len > max => Err(NameError::TooLong { len, max }),
        _ => Ok(()),
    }
}

impl TryFrom<String> for ObjectName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        check_length(&text, Self::BYTES_MAX)?;
        if text.chars().any(char::is_control) {
            return Err(NameError::ControlCharacter(text));
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for ArenaName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        check_length(&text, Self::BYTES_MAX)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !text.chars().all(allowed) || !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(NameError::ArenaCharacter(text));
        }
        Ok(Self(text))
    }
}

macro_rules! text_traits {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_from(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_traits!(ObjectName);
text_traits!(ArenaName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!("".parse::<ObjectName>(), Err(NameError::Empty));
        assert!(matches!(
            "x".repeat(129).parse::<ObjectName>(),
            Err(NameError::TooLong { len: 129, max: 128 })
        ));
        assert!("a\nb".parse::<ObjectName>().is_err());
        assert!("prices/2026 é".parse::<ObjectName>().is_ok());
        assert!("lab-1".parse::<ArenaName>().is_ok());
        for bad in ["../x", "-x", "a b", "a/b", "é"] {
            assert!(bad.parse::<ArenaName>().is_err(), "{bad}");
        }
    }
}
