//! Shapes on the command line.

use std::str::FromStr;

/// The length of each axis: `1000,3`; `()` for a single value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shape(pub(crate) Vec<u64>);

/// A text that is no shape.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected whole numbers with commas between them, such as 1000,3, or () for a single value: {0:?}"
)]
pub(crate) struct ShapeError(String);

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        if text == "()" {
            return Ok(Self(Vec::new()));
        }
        text.split(',')
            .map(|axis| axis.trim().parse())
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(|_| ShapeError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read() {
        assert_eq!("1000, 3".parse(), Ok(Shape(vec![1000, 3])));
        assert_eq!("7".parse(), Ok(Shape(vec![7])));
        assert_eq!("()".parse(), Ok(Shape(vec![])));
        for bad in ["", "1,", "a", "-1", "1.5", "18446744073709551616"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
    }
}
