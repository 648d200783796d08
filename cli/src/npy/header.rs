//! The header: magic, version, length, dictionary.

use std::io::{self, Read};

use arena_core::{ArrayLayout, Dtype, NDIM_MAX};

use super::descr::{self, ByteOrder};
use super::error::NpyError;
use super::literal::Cursor;

/// The longest dictionary that is read. NumPy itself refuses more than 10,000 bytes unless told otherwise.
pub const HEADER_BYTES_MAX: u64 = 1 << 16;

/// How every `.npy` file starts.
pub const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// What a `.npy` file says of the array it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Element type, shape and order of axes.
    pub layout: ArrayLayout,
    /// How the bytes of each element lie in the file.
    pub byte_order: ByteOrder,
    /// Where in the file the elements begin.
    pub data_offset: u64,
}

impl Header {
    /// Reads a header from the start of a file.
    ///
    /// # Errors
    /// [`NpyError`] for anything that is no header of an array that fits into an arena.
    pub fn read(source: &mut impl Read) -> Result<Self, NpyError> {
        let mut magic = [0; MAGIC.len()];
        fill(source, &mut magic).map_err(|error| match error {
            NpyError::HeaderTruncated => NpyError::NotNpy,
            other => other,
        })?;
        if &magic != MAGIC {
            return Err(NpyError::NotNpy);
        }
        let (prefix_bytes, dictionary_bytes) = read_lengths(source)?;
        if dictionary_bytes > HEADER_BYTES_MAX {
            return Err(NpyError::HeaderTooLong {
                len: dictionary_bytes,
                max: HEADER_BYTES_MAX,
            });
        }
        let mut dictionary = vec![0; dictionary_bytes as usize];
        fill(source, &mut dictionary)?;
        let (layout, byte_order) = parse_dictionary(&dictionary)?;
        Ok(Self {
            layout,
            byte_order,
            data_offset: MAGIC.len() as u64 + prefix_bytes + dictionary_bytes,
        })
    }

    /// Checks that a file of `file_bytes` bytes holds exactly the array and nothing else.
    ///
    /// # Errors
    /// [`NpyError::DataTruncated`] or [`NpyError::DataTooLong`].
    pub fn check_file_len(&self, file_bytes: u64) -> Result<(), NpyError> {
        let expected = self.layout.extent_bytes();
        let actual = file_bytes.saturating_sub(self.data_offset);
        match actual.cmp(&expected) {
            std::cmp::Ordering::Less => Err(NpyError::DataTruncated { expected, actual }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(NpyError::DataTooLong { expected, actual }),
        }
    }
}

/// The bytes before the elements of a packed array, padded so that elements start on a multiple of 64.
///
/// # Panics
/// Never: eight dimensions make a short header.
#[must_use]
pub fn encode_header(dtype: Dtype, shape: &[u64], fortran_order: bool) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(u64::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let order = if fortran_order { "True" } else { "False" };
    let mut dictionary = format!(
        "{{'descr': '{}', 'fortran_order': {order}, 'shape': ({}{comma}), }}",
        descr::of(dtype),
        sizes.join(", "),
    );
    let unpadded = MAGIC.len() + 4 + dictionary.len() + 1;
    dictionary.extend(std::iter::repeat_n(
        ' ',
        unpadded.next_multiple_of(64) - unpadded,
    ));
    dictionary.push('\n');
    let dictionary_bytes =
        u16::try_from(dictionary.len()).expect("eight dimensions make a short header");
    let mut header = MAGIC.to_vec();
    header.extend([1, 0]);
    header.extend(dictionary_bytes.to_le_bytes());
    header.extend(dictionary.into_bytes());
    header
}

/// Reads version and length: the bytes both took, and how long the dictionary is.
fn read_lengths(source: &mut impl Read) -> Result<(u64, u64), NpyError> {
    let mut version = [0; 2];
    fill(source, &mut version)?;
    match version {
        [1, 0] => {
            let mut len = [0; 2];
            fill(source, &mut len)?;
            Ok((4, u64::from(u16::from_le_bytes(len))))
        }
        [2 | 3, 0] => {
            let mut len = [0; 4];
            fill(source, &mut len)?;
            Ok((6, u64::from(u32::from_le_bytes(len))))
        }
        [major, minor] => Err(NpyError::Version { major, minor }),
    }
}

fn parse_dictionary(text: &[u8]) -> Result<(ArrayLayout, ByteOrder), NpyError> {
    let mut cursor = Cursor::new(text);
    let (mut element, mut fortran_order, mut shape) = (None, None, None);
    cursor.require(b'{', "a dictionary")?;
    while !cursor.take(b'}') {
        let key = cursor.string()?;
        cursor.require(b':', "a colon")?;
        let is_new = match key {
            "descr" => element.replace(parse_descr(&mut cursor)?).is_none(),
            "fortran_order" => fortran_order.replace(cursor.boolean()?).is_none(),
            "shape" => shape.replace(cursor.tuple(NUMPY_NDIM_MAX)?).is_none(),
            _ => false,
        };
        if !is_new {
            return Err(NpyError::Key {
                key: key.chars().take(40).collect(),
            });
        }
        if !cursor.take(b',') && cursor.peek() != Some(b'}') {
            return Err(cursor.error("a comma or the end of the dictionary"));
        }
    }
    if cursor.peek().is_some() {
        return Err(cursor.error("nothing behind the dictionary"));
    }
    let missing = |key| NpyError::MissingKey { key };
    let (dtype, byte_order) = element.ok_or_else(|| missing("descr"))?;
    let shape = shape.ok_or_else(|| missing("shape"))?;
    let layout = if fortran_order.ok_or_else(|| missing("fortran_order"))? {
        ArrayLayout::fortran_order(dtype, &shape)?
    } else {
        ArrayLayout::c_order(dtype, &shape)?
    };
    Ok((layout, byte_order))
}

/// NumPy's own bound. Between it and [`NDIM_MAX`] the layout's error is the clearer one.
const NUMPY_NDIM_MAX: usize = 64;
const _: () = assert!(NUMPY_NDIM_MAX > NDIM_MAX);

fn parse_descr(cursor: &mut Cursor<'_>) -> Result<(Dtype, ByteOrder), NpyError> {
    match cursor.peek() {
        Some(b'[' | b'(') => Err(NpyError::Dtype {
            descr: "structured".to_owned(),
            reason: "records are not known (store each field as an array of its own)",
        }),
        _ => descr::parse(cursor.string()?),
    }
}

fn fill(source: &mut impl Read, buffer: &mut [u8]) -> Result<(), NpyError> {
    source
        .read_exact(buffer)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => NpyError::HeaderTruncated,
            _ => NpyError::Io(error),
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(version: [u8; 2], dictionary: &str) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(version);
        match version[0] {
            1 => bytes.extend((dictionary.len() as u16).to_le_bytes()),
            _ => bytes.extend((dictionary.len() as u32).to_le_bytes()),
        }
        bytes.extend(dictionary.as_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Header, NpyError> {
        Header::read(&mut &bytes[..])
    }

    #[test]
    fn all_versions_are_read() {
        let dictionary = "{'descr': '>i4', 'fortran_order': True, 'shape': (3, 4), }   \n";
        for (version, prefix) in [([1, 0], 10), ([2, 0], 12), ([3, 0], 12)] {
            let header = read(&file(version, dictionary)).unwrap();
            assert_eq!(
                header.layout,
                ArrayLayout::fortran_order(Dtype::Int32, &[3, 4]).unwrap()
            );
            assert_eq!(header.byte_order, ByteOrder::Big);
            assert_eq!(header.data_offset, prefix + dictionary.len() as u64);
        }
        assert!(matches!(
            read(&file([4, 0], dictionary)),
            Err(NpyError::Version { major: 4, minor: 0 })
        ));
    }

    #[test]
    fn a_header_of_numpy_is_read_byte_for_byte() {
        let ours = encode_header(Dtype::Float64, &[2, 3], false);
        let numpys =
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }";
        assert!(ours.starts_with(numpys));
        assert_eq!(ours.len(), 128);
        assert_eq!(ours.last(), Some(&b'\n'));
    }

    #[test]
    fn hostile_dictionaries_are_refused() {
        for dictionary in [
            "",
            "{",
            "{}",
            "{'descr': '<f8'}",
            "{'descr': '<f8', 'fortran_order': False}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'shape': (3,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'x': (3,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)} x",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}{}",
            "{'descr': '<f8' 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f8', 'fortran_order': 0, 'shape': (3,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': [3]}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}",
            "{'descr': __import__('os'), 'fortran_order': False, 'shape': (3,)}",
            "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1)}",
        ] {
            assert!(read(&file([1, 0], dictionary)).is_err(), "{dictionary}");
        }
    }

    #[test]
    fn a_header_too_long_is_refused_before_it_is_read() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([2, 0]);
        bytes.extend(u32::MAX.to_le_bytes());
        assert!(matches!(
            read(&bytes),
            Err(NpyError::HeaderTooLong {
                len: 0xffff_ffff,
                ..
            })
        ));
    }

    #[test]
    fn the_data_must_be_as_long_as_announced() {
        let header = read(&encode_header(Dtype::Int16, &[5], false)).unwrap();
        let exact = header.data_offset + 10;
        assert!(header.check_file_len(exact).is_ok());
        assert!(matches!(
            header.check_file_len(exact - 1),
            Err(NpyError::DataTruncated {
                expected: 10,
                actual: 9
            })
        ));
        assert!(matches!(
            header.check_file_len(exact + 1),
            Err(NpyError::DataTooLong {
                expected: 10,
                actual: 11
            })
        ));
    }

    fn any_dtype() -> impl Strategy<Value = Dtype> {
        prop::sample::select(Dtype::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            dtype in any_dtype(),
            shape in prop::collection::vec(0u64..40, 0..=8),
            fortran_order: bool,
        ) {
            let bytes = encode_header(dtype, &shape, fortran_order);
            prop_assert_eq!(bytes.len() % 64, 0);
            let header = read(&bytes).unwrap();
            let layout = if fortran_order {
                ArrayLayout::fortran_order(dtype, &shape)
            } else {
                ArrayLayout::c_order(dtype, &shape)
            };
            prop_assert_eq!(header.layout, layout.unwrap());
            prop_assert_eq!(header.data_offset, bytes.len() as u64);
        }

        #[test]
        fn a_cut_header_is_an_error(dtype in any_dtype(), cut in 0usize..128) {
            let bytes = encode_header(dtype, &[3, 4], false);
            prop_assert!(read(&bytes[..cut.min(bytes.len() - 1)]).is_err());
        }

        #[test]
        fn damage_never_panics_and_never_makes_the_array_larger_than_it_says(
            dtype in any_dtype(),
            damage in prop::collection::vec((0usize..128, any::<u8>()), 1..6),
        ) {
            let mut bytes = encode_header(dtype, &[3, 4], false);
            for (at, byte) in damage {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            if let Ok(header) = read(&bytes) {
                prop_assert!(header.data_offset <= bytes.len() as u64);
                let count: u64 = header.layout.shape().iter().product();
                prop_assert_eq!(header.layout.extent_bytes(), count * header.layout.dtype().size_bytes());
            }
        }

        #[test]
        fn any_bytes_behind_the_magic_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut file = MAGIC.to_vec();
            file.extend([1, 0]);
            file.extend((bytes.len() as u16).to_le_bytes());
            file.extend(&bytes);
            let _ = read(&file);
        }

        #[test]
        fn any_text_of_the_grammars_characters_is_parsed_or_refused(
            text in "[{}()'\", :descrfotan_shpTuFl<>|0-9L]{0,120}"
        ) {
            let _ = read(&file([2, 0], &text));
        }
    }
}
