//! Partial results as bytes.
//!
//! 64-bit little-endian words: the first leaf, the leaf behind the last, then the nodes of the canonical cover. What the nodes
//! stand for follows from the leaves. The bytes come from another process: decoding checks everything that could make a
//! merge fail, and a wrong number stays just that.

use std::ops::Range;

use crate::leaf::leaves_of;
use crate::tree::{Cover, Rule};

/// Bytes that are no partial result of the plan's pass.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum PartialsError {
    #[error("a partial result consists of 8-byte words, at least three, given bytes: {len_bytes}")]
    Length { len_bytes: usize },
    #[error("there are {leaves} leaves, a partial result claims {start}..{end}")]
    Leaves { start: u64, end: u64, leaves: u64 },
    #[error("the nodes are not those of the leaves {start}..{end}")]
    Nodes { start: u64, end: u64 },
}

/// The leaves that a partial result claims to be of, without checking anything else.
///
/// # Errors
/// When the bytes are too short to claim any.
pub fn decode_span(bytes: &[u8]) -> Result<Range<u64>, PartialsError> {
    let (words, rest) = bytes.as_chunks::<8>();
    match words {
        [start, end, _, ..] if rest.is_empty() => {
            Ok(u64::from_le_bytes(*start)..u64::from_le_bytes(*end))
        }
        _ => Err(PartialsError::Length {
            len_bytes: bytes.len(),
        }),
    }
}

pub(crate) fn encode(cover: &Cover) -> Vec<u8> {
    let leaves = cover.leaves();
    let mut bytes = Vec::with_capacity(16 + cover.words().len() * 8);
    for word in [leaves.start, leaves.end].iter().chain(cover.words()) {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

pub(crate) fn decode(rule: Rule<'_>, bytes: &[u8]) -> Result<Cover, PartialsError> {
    let Range { start, end } = decode_span(bytes)?;
    let leaves = leaves_of(rule.elements);
    if start >= end || end > leaves {
        return Err(PartialsError::Leaves { start, end, leaves });
    }
    let (words, _) = bytes.as_chunks::<8>();
    let nodes = words[2..]
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .collect();
    Cover::from_words(rule, start..end, nodes).ok_or(PartialsError::Nodes { start, end })
}
