//! The type strings of NumPy's array interface: byte order, kind, size.

use arena_core::Dtype;

use super::error::NpyError;

/// In which order the bytes of an element lie in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteOrder {
    /// As in the arena.
    Little,
    /// To be reversed, each number by itself.
    Big,
}

/// The element type and byte order that a type string such as `<f8` stands for.
pub(super) fn parse(descr: &str) -> Result<(Dtype, ByteOrder), NpyError> {
    let refused = |reason| NpyError::Dtype {
        descr: descr.chars().take(40).collect(),
        reason,
    };
    let mut chars = descr.chars();
    let order = match chars.next() {
        Some('<') => Some(ByteOrder::Little),
        Some('>') => Some(ByteOrder::Big),
        Some('|') => None,
        _ => return Err(refused("a type string starts with '<', '>' or '|'")),
    };
    let dtype = from_code(chars.as_str()).map_err(refused)?;
    match order {
        Some(order) if dtype.size_bytes() > 1 => Ok((dtype, order)),
        None if dtype.size_bytes() > 1 => Err(refused("the byte order is missing")),
        _ => Ok((dtype, ByteOrder::Little)),
    }
}

/// The type string of a file that is written.
pub(super) const fn of(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "|b1",
        Dtype::Int8 => "|i1",
        Dtype::Int16 => "<i2",
        Dtype::Int32 => "<i4",
        Dtype::Int64 => "<i8",
        Dtype::Uint8 => "|u1",
        Dtype::Uint16 => "<u2",
        Dtype::Uint32 => "<u4",
        Dtype::Uint64 => "<u8",
        Dtype::Float16 => "<f2",
        Dtype::Float32 => "<f4",
        Dtype::Float64 => "<f8",
        Dtype::Complex64 => "<c8",
        Dtype::Complex128 => "<c16",
        Dtype::Bytes => "|V1",
    }
}

fn from_code(code: &str) -> Result<Dtype, &'static str> {
    if code == "S1" {
        return Ok(Dtype::Bytes);
    }
    Dtype::ALL
        .into_iter()
        .find(|&dtype| &of(dtype)[1..] == code)
        .ok_or_else(|| reason_against(code))
}

fn reason_against(code: &str) -> &'static str {
    match code.chars().next() {
        Some('O') => "Python objects are no numbers (convert them with astype)",
        Some('M' | 'm') => "dates and durations are not known (store .view('int64'))",
        Some('U') => "text is not known (encode it to bytes)",
        Some('S' | 'V') => "items of several bytes are not known (store .view('V1'))",
        Some('f' | 'c') => "this precision is not known (convert with astype('float64'))",
        _ => "no such type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for dtype in Dtype::ALL {
            assert_eq!(parse(of(dtype)).unwrap(), (dtype, ByteOrder::Little));
        }
    }

    #[test]
    fn byte_order_matters_only_to_more_than_one_byte() {
        assert_eq!(parse(">c16").unwrap(), (Dtype::Complex128, ByteOrder::Big));
        assert_eq!(parse(">i1").unwrap(), (Dtype::Int8, ByteOrder::Little));
        assert_eq!(parse("|S1").unwrap(), (Dtype::Bytes, ByteOrder::Little));
        assert!(parse("|f8").is_err());
    }

    #[test]
    fn what_is_no_number_is_refused_with_advice() {
        for (descr, advice) in [
            ("|O", "astype"),
            ("<M8[ns]", "int64"),
            ("<U7", "encode"),
            ("|S12", "V1"),
            ("<f16", "float64"),
            ("f8", "starts with"),
            ("", "starts with"),
            ("<é", "no such type"),
        ] {
            let message = parse(descr).unwrap_err().to_string();
            assert!(message.contains(advice), "{descr}: {message}");
        }
    }
}
