//! Frames: a little-endian `u32` length, then that many bytes of MessagePack.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest body of a frame. Whatever is larger travels through the arena.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

const PREFIX_BYTES: usize = 4;

/// Why bytes are no frame. A peer that sent such bytes is disconnected with the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum FrameError {
    #[error("a frame has at most {FRAME_BYTES_MAX} bytes, this one announces {len}")]
    TooLong { len: usize },
    #[error("not a known message: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    #[error("the message can't be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// Appends `message` as one frame to `buffer`.
///
/// # Errors
/// [`FrameError::TooLong`] where the message needs more than [`FRAME_BYTES_MAX`] bytes; `buffer` is then as before.
pub fn encode<T: Serialize>(message: &T, buffer: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; PREFIX_BYTES]);
    let mut serializer = rmp_serde::Serializer::new(&mut *buffer).with_struct_map();
    if let Err(error) = message.serialize(&mut serializer) {
        buffer.truncate(start);
        return Err(error.into());
    }
    let len = buffer.len() - start - PREFIX_BYTES;
    if len > FRAME_BYTES_MAX {
        buffer.truncate(start);
        return Err(FrameError::TooLong { len });
    }
    let prefix = u32::try_from(len)
        .expect("FRAME_BYTES_MAX fits in 32 bits")
        .to_le_bytes();
    buffer[start..start + PREFIX_BYTES].copy_from_slice(&prefix);
    Ok(())
}

/// Reads one message from the body of a frame.
///
/// # Errors
/// [`FrameError::Malformed`] for bytes that are no message or that go on behind it.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    let mut rest = body;
    let message = T::deserialize(&mut rmp_serde::Deserializer::new(&mut rest))?;
    if !rest.is_empty() {
        return Err(FrameError::Malformed(
            rmp_serde::decode::Error::Uncategorized(format!(
                "{} bytes behind the message",
                rest.len()
            )),
        ));
    }
    Ok(message)
}

/// Cuts a byte stream into bodies of frames. Holds at most one frame and one read beyond it.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    start: usize,
}

impl FrameDecoder {
    /// Takes bytes as they came from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next whole frame, or `None` until more bytes have come.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as the length is known; the stream is of no use after that.
    pub fn next_body(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let Some(len) = self.announced_bytes()? else {
            return Ok(None);
        };
        let body_start = self.start + PREFIX_BYTES;
        let body_end = body_start + len;
        if self.buffer.len() < body_end {
            return Ok(None);
        }
        self.start = body_end;
        Ok(Some(&self.buffer[body_start..body_end]))
    }

    /// Whether bytes of a frame have come that is not whole yet.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.buffer.len() > self.start
    }

    fn announced_bytes(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.buffer[self.start..].first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let len = u32::from_le_bytes(*prefix) as usize;
        if len > FRAME_BYTES_MAX {
            Err(FrameError::TooLong { len })
        } else {
            Ok(Some(len))
        }
    }

    /// Moves what is unread to the front, so that the buffer doesn't grow with the stream.
    fn compact(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_frame_is_refused_by_its_prefix() {
        let mut decoder = FrameDecoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        assert!(matches!(
            decoder.next_body(),
            Err(FrameError::TooLong { .. })
        ));
    }

    #[test]
    fn a_message_too_long_leaves_the_buffer_as_it_was() {
        let mut buffer = vec![7];
        assert!(encode(&"x".repeat(FRAME_BYTES_MAX + 1), &mut buffer).is_err());
        assert_eq!(buffer, [7]);
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut buffer = Vec::new();
        encode(&1u8, &mut buffer).unwrap();
        assert!(decode::<u8>(&buffer[PREFIX_BYTES..]).is_ok());
        buffer.push(0);
        assert!(decode::<u8>(&buffer[PREFIX_BYTES..]).is_err());
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_messages(
            messages in prop::collection::vec(".{0,40}", 0..20),
            cuts in prop::collection::vec(1usize..50, 1..50),
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                encode(message, &mut stream).unwrap();
            }
            let mut decoder = FrameDecoder::default();
            let mut seen: Vec<String> = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                decoder.push(now);
                while let Some(body) = decoder.next_body().unwrap() {
                    seen.push(decode(body).unwrap());
                }
                rest = later;
                if rest.is_empty() { break; }
            }
            prop_assert_eq!(seen, messages);
            prop_assert!(!decoder.is_mid_frame());
        }
    }
}
