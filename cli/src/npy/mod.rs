//! NumPy's `.npy` files, versions 1.0 to 3.0, in and out.
//!
//! A file comes from anywhere, so the header is hostile until proven otherwise: its length is bounded before it is read, it is
//! parsed by a grammar of its own (never evaluated), every key must be known and come once, and the data behind it must be
//! exactly as long as the header says. Elements of either byte order come in; what goes out is little-endian.
//!
//! Object arrays, structured types, strings longer than one byte and dates are refused: their elements are no numbers.

mod descr;
mod error;
mod header;
mod literal;

pub use descr::ByteOrder;
pub use error::NpyError;
pub use header::{HEADER_BYTES_MAX, Header, MAGIC, encode_header};
