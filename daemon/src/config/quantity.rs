//! The one grammar of numbers with units, for arenad's options and file and for arenactl's options: a decimal number, then a
//! unit in upper- or lowercase letters, with or without spaces between.
//!
//! The arithmetic is of integers: `1.5GiB` is exactly so many bytes, and what is no whole number of bytes is refused, not rounded.

/// More digits after the point, zeros at the end aside, could overflow the arithmetic.
const DECIMALS_MAX: usize = 20;

/// Why a text is no number with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum Flaw {
    #[error("it is empty")]
    Empty,
    #[error("it is negative")]
    Negative,
    #[error("it doesn't begin with a number like 4 or 1.5")]
    Number,
    #[error("its unit is unknown")]
    Unit,
    #[error("it is not a whole number of {0}")]
    Fraction(&'static str),
    #[error("it has more than {DECIMALS_MAX} decimals")]
    Decimals,
    #[error("it is too large")]
    TooLarge,
    #[error("it is zero")]
    Zero,
    #[error("a percentage is a whole number from 1 to 100")]
    Percentage,
}

/// A number of bytes.
pub(super) fn bytes(text: &str) -> Result<u64, Flaw> {
    parse(text, byte_factor, "bytes")
}

/// A number of nanoseconds.
pub(super) fn nanoseconds(text: &str) -> Result<u64, Flaw> {
    parse(text, time_factor, "nanoseconds")
}

fn parse(
    text: &str,
    factor_of: fn(&str) -> Option<u64>,
    smallest: &'static str,
) -> Result<u64, Flaw> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Flaw::Empty);
    }
    if text.starts_with('-') {
        return Err(Flaw::Negative);
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(Flaw::Number);
    }
    let unit = unit.trim_start().to_ascii_lowercase();
    let factor = u128::from(factor_of(&unit).ok_or(Flaw::Unit)?);
    let part = part_of(factor, fraction, smallest)?;
    // Only digits are left, so that nothing but their number can be wrong.
    let whole: u64 = whole.parse().map_err(|_| Flaw::TooLarge)?;
    // Less than 2^64 times at most 2^60, and a part less than 2^60.
    u64::try_from(u128::from(whole) * factor + part).map_err(|_| Flaw::TooLarge)
}

/// `0.fraction` times `factor`, which is 2^60 at most.
fn part_of(factor: u128, fraction: &str, smallest: &'static str) -> Result<u128, Flaw> {
    let digits = fraction.trim_end_matches('0');
    if digits.len() > DECIMALS_MAX {
        return Err(Flaw::Decimals);
    }
    let (numerator, denominator) =
        digits
            .bytes()
            .fold((0u128, 1u128), |(numerator, denominator), digit| {
                (numerator * 10 + u128::from(digit - b'0'), denominator * 10)
            });
    // Less than 10^20 times 2^60, which is less than 2^127.
    let product = numerator * factor;
    if product.is_multiple_of(denominator) {
        Ok(product / denominator)
    } else {
        Err(Flaw::Fraction(smallest))
    }
}

/// `K` and `KiB` are binary, `KB` is decimal; without a unit it is bytes.
fn byte_factor(unit: &str) -> Option<u64> {
    let (prefix, base) = match unit {
        "" | "b" => return Some(1),
        _ => match (unit.strip_suffix("ib"), unit.strip_suffix('b')) {
            (Some(prefix), _) => (prefix, 1024),
            (None, Some(prefix)) => (prefix, 1000),
            (None, None) => (unit, 1024u64),
        },
    };
    let power = match prefix {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    Some(base.pow(power))
}

/// Without a unit it is seconds.
fn time_factor(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, expected) in [
            ("0", 0),
            ("4096", 4096),
            ("7b", 7),
            ("64KiB", 65_536),
            ("64k", 65_536),
            ("2M", 2 << 20),
            ("2G", 2 << 30),
            ("8gib", 8 << 30),
            (" 1.5 GiB ", 3 << 29),
            ("1.50000000000000000000000T", 3 << 39),
            ("250MB", 250_000_000),
            ("2gb", 2_000_000_000),
            ("0.5KB", 500),
            ("0.00000095367431640625MiB", 1),
            ("15.5E", 31 << 59),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("7ns", 7),
            ("1.5us", 1_500),
            ("250ms", 250_000_000),
            ("2 S", 2_000_000_000),
            ("0.5", 500_000_000),
            ("1.0000000000s", 1_000_000_000),
            ("1.5m", 90_000_000_000),
            ("5min", 300_000_000_000),
            ("1h", 3_600_000_000_000),
        ] {
            assert_eq!(nanoseconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_flaw() {
        let part = Flaw::Fraction("bytes");
        for (text, flaw) in [
            ("", Flaw::Empty),
            ("  ", Flaw::Empty),
            ("-1", Flaw::Negative),
            ("-1GiB", Flaw::Negative),
            ("GiB", Flaw::Number),
            ("nan", Flaw::Number),
            ("infinity", Flaw::Number),
            ("+1B", Flaw::Number),
            (".", Flaw::Number),
            ("1.GiB", Flaw::Number),
            (".5GiB", Flaw::Number),
            ("1.2.3K", Flaw::Number),
            ("1xB", Flaw::Unit),
            ("1ib", Flaw::Unit),
            ("1e3", Flaw::Unit),
            ("1e3GiB", Flaw::Unit),
            ("1 GiB 2", Flaw::Unit),
            ("1 \u{212a}", Flaw::Unit),
            ("0.5", part),
            ("0.3KiB", part),
            ("0.000000000000000000001K", Flaw::Decimals),
            ("18446744073709551616", Flaw::TooLarge),
            ("17179869184GiB", Flaw::TooLarge),
            ("99999999999999999999999E", Flaw::TooLarge),
        ] {
            assert_eq!(bytes(text), Err(flaw), "{text}");
        }
        for (text, flaw) in [
            ("ms", Flaw::Number),
            ("-1s", Flaw::Negative),
            ("2 days", Flaw::Unit),
            ("1e400", Flaw::Unit),
            ("0.1ns", Flaw::Fraction("nanoseconds")),
            ("6000000h", Flaw::TooLarge),
        ] {
            assert_eq!(nanoseconds(text), Err(flaw), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}|[0-9.]{0,50} ?[a-zA-Z]{0,3}") {
            let _ = bytes(&text);
            let _ = nanoseconds(&text);
        }

        #[test]
        fn decimals_are_exact(kib in 0u64..1 << 50, part in 0u64..1024) {
            // A 1024th has ten decimals.
            let text = format!("{kib}.{:010}KiB", part * 9_765_625);
            prop_assert_eq!(bytes(&text), Ok(kib * 1024 + part));
        }
    }
}
