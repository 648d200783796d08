//! How damage is told from a killed writer.
//!
//! A row is published by one 64-bit store of its state word: 7 bits of state, 1 bit that selects the valid one of two halves,
//! and 56 bits of checksum over what the state makes valid. So no kill leaves a row whose checksum is wrong, and a wrong
//! checksum always means damage. Counters in the header are single words too: 48 bits of value and a CRC over them.
//!
//! This guards against accidents, not against an adversary: whoever may write the file may compute the checksum.

/// The state word of a row whose body is being written: the only word with the code of no state. Whatever the body holds was
/// never published.
pub(crate) const WRITING: u64 = 0x57_52_49_54_49_4e_47_7f;

const HALF_BIT: u64 = 0x80;
const CODE_MASK: u64 = 0x7f;

/// A state word taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateWord {
    /// The code of the state.
    pub(crate) code: u8,
    /// Which of the two halves is valid.
    pub(crate) half: usize,
}

impl StateWord {
    /// Takes `word` apart. The checksum is compared by computing the word anew.
    pub(crate) const fn parse(word: u64) -> Self {
        Self {
            code: (word & CODE_MASK) as u8,
            half: (word & HALF_BIT != 0) as usize,
        }
    }
}

/// The state word of the row `index` for `state` over the words that it makes valid.
pub(crate) fn state_word(index: u32, state: StateWord, parts: &[&[u64]]) -> u64 {
    let low = u64::from(state.code) | if state.half == 1 { HALF_BIT } else { 0 };
    let mut sum = fold(u64::from(index), low);
    for part in parts {
        sum = part.iter().fold(sum, |sum, &word| fold(sum, word));
    }
    (finish(sum) & !(CODE_MASK | HALF_BIT)) | low
}

/// The checksum of the header's constant part.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    finish(words.fold(bytes.len() as u64, fold))
}

/// One step is a bijection of `sum` for every `word` and of `word` for every `sum`: no change of a single word is lost.
const fn fold(sum: u64, word: u64) -> u64 {
    (sum ^ word)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
}

const fn finish(sum: u64) -> u64 {
    let sum = (sum ^ (sum >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    sum ^ (sum >> 32)
}

const COUNTER_MAX: u64 = (1 << 48) - 1;

/// The word that stores the counter `value`, which must be below 2^48.
#[must_use]
pub const fn checked_counter(value: u64) -> u64 {
    assert!(value <= COUNTER_MAX, "counters have 48 bits");
    (value << 16) | crc16(value) as u64
}

/// The value of a counter's word, or `None` where its check fails.
#[must_use]
pub const fn counter_value(word: u64) -> Option<u64> {
    let value = word >> 16;
    if crc16(value) as u64 == word & 0xffff {
        Some(value)
    } else {
        None
    }
}

/// CRC-16/CCITT over six bytes: finds every error that is confined to 16 neighbouring bits.
const fn crc16(value: u64) -> u16 {
    let mut crc = 0xffff_u16;
    let mut bit = 48;
    while bit > 0 {
        bit -= 1;
        let top = (crc >> 15) ^ ((value >> bit) & 1) as u16;
        crc = (crc << 1) ^ if top == 1 { 0x1021 } else { 0 };
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_find_each_flipped_byte() {
        for value in [0, 1, 77, 0x1234_5678_9abc, COUNTER_MAX] {
            let word = checked_counter(value);
            assert_eq!(counter_value(word), Some(value));
            for byte in 0..8 {
                for flip in 1..=255_u64 {
                    assert_eq!(counter_value(word ^ (flip << (byte * 8))), None);
                }
            }
        }
    }

    #[test]
    fn state_words_lead_back_and_depend_on_everything() {
        let state = StateWord { code: 3, half: 1 };
        let word = state_word(7, state, &[&[1, 2], &[3]]);
        assert_eq!(StateWord::parse(word), state);
        assert_ne!(word, state_word(8, state, &[&[1, 2], &[3]]));
        assert_ne!(word, state_word(7, state, &[&[1, 2], &[4]]));
        assert_ne!(word, state_word(7, state, &[&[2, 1], &[3]]));
        assert_eq!(StateWord::parse(WRITING).code, 0x7f);
    }
}
