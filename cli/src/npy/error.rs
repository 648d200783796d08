//! Why bytes are no `.npy` file, or none that fits into an arena.

use arena_core::LayoutError;

/// Why a file can't be read as a `.npy` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum NpyError {
    #[error("it doesn't start as a .npy file does")]
    NotNpy,
    #[error("the format's version is not one of 1.0, 2.0, 3.0: {major}.{minor}")]
    Version { major: u8, minor: u8 },
    #[error("the file ends inside its header")]
    HeaderTruncated,
    #[error("the header announces {len} bytes, more than the {max} that are read")]
    HeaderTooLong { len: u64, max: u64 },
    #[error("the header is no dictionary of a .npy file: at byte {at}, expected {expected}")]
    Syntax { at: usize, expected: &'static str },
    #[error("the header has a key that is not known or comes twice: {key:?}")]
    Key { key: String },
    #[error("the header lacks the key {key:?}")]
    MissingKey { key: &'static str },
    #[error("elements of type {descr:?} have no place in an arena: {reason}")]
    Dtype { descr: String, reason: &'static str },
    #[error("the shape is not possible: {0}")]
    Layout(#[from] LayoutError),
    #[error("the file ends early: {expected} bytes of elements were announced, {actual} are there")]
    DataTruncated { expected: u64, actual: u64 },
    #[error(
        "the file goes on behind the array: {expected} bytes of elements were announced, {actual} are there"
    )]
    DataTooLong { expected: u64, actual: u64 },
    #[error("it can't be read: {0}")]
    Io(#[from] std::io::Error),
}
