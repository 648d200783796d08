//! The Python literals that a header consists of: a dictionary of strings, booleans and tuples of whole numbers.
//!
//! This is a grammar of exactly that, without recursion, so that no input costs more than one pass over it.

use super::error::NpyError;

/// Reads literals from the front of a header.
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no white space, without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes `byte` if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn require(&mut self, byte: u8, expected: &'static str) -> Result<(), NpyError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.error(expected))
        }
    }

    /// A string in single or double quotes. No string of a header needs an escape, so a backslash is refused.
    pub(super) fn string(&mut self) -> Result<&'a str, NpyError> {
        let quote = match self.peek() {
            Some(quote @ (b'\'' | b'"')) => quote,
            _ => return Err(self.error("a string")),
        };
        let start = self.at + 1;
        let len = self.text[start..]
            .iter()
            .position(|&byte| byte == quote || byte == b'\\' || !byte.is_ascii_graphic())
            .filter(|len| self.text[start + len] == quote)
            .ok_or_else(|| self.error("a string of ASCII characters"))?;
        self.at = start + len + 1;
        Ok(std::str::from_utf8(&self.text[start..start + len])
            .expect("every byte was checked to be ASCII"))
    }

    /// `True` or `False`.
    pub(super) fn boolean(&mut self) -> Result<bool, NpyError> {
        self.peek();
        for (word, value) in [(b"True".as_slice(), true), (b"False", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("True or False"))
    }

    /// A tuple of at most `len_max` whole numbers from 0 on. Python 2 wrote some with an `L` behind them.
    pub(super) fn tuple(&mut self, len_max: usize) -> Result<Vec<u64>, NpyError> {
        self.require(b'(', "a tuple")?;
        let mut numbers = Vec::new();
        let mut comma = true;
        while !self.take(b')') {
            if !comma || numbers.len() == len_max {
                return Err(self.error("the end of a tuple"));
            }
            numbers.push(self.number()?);
            comma = self.take(b',');
        }
        if numbers.len() == 1 && !comma {
            return Err(self.error("a comma in a tuple of one"));
        }
        Ok(numbers)
    }

    pub(super) fn error(&self, expected: &'static str) -> NpyError {
        NpyError::Syntax {
            at: self.at,
            expected,
        }
    }

    fn number(&mut self) -> Result<u64, NpyError> {
        self.peek();
        let digits = self.text[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let value = std::str::from_utf8(&self.text[self.at..self.at + digits])
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| self.error("a whole number from 0 to 2^64 - 1"))?;
        self.at += digits;
        if self.text.get(self.at) == Some(&b'L') {
            self.at += 1;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_are_pythons() {
        let read = |text: &'static str| Cursor::new(text.as_bytes()).tuple(3);
        assert!(read("()").unwrap().is_empty());
        assert_eq!(read(" ( 7 , )").unwrap(), [7]);
        assert_eq!(read("(1, 2L, 3,)").unwrap(), [1, 2, 3]);
        for bad in [
            "",
            "(",
            "(7)",
            "(,)",
            "(1 2)",
            "(-1,)",
            "(1,,2)",
            "[1,]",
            "(1,2,3,4)",
            "(1.5,)",
            "(18446744073709551616,)",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn strings_have_no_escapes_and_end() {
        let read = |text: &'static [u8]| Cursor::new(text).string().map(str::to_owned);
        assert_eq!(read(b" 'a\"b'").unwrap(), "a\"b");
        for bad in [b"'a".as_slice(), b"'a\\'b'", b"a", b"'\xff'", b"'", b""] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
