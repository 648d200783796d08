#![expect(unsafe_code, reason = "turns the mapped table file into atomic words")]
//! The mapped table file as atomic words and bytes: the only code that touches the mapping.

use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use memmap2::{Advice, MmapRaw};

/// A mapping of the whole table file.
pub(super) struct Words {
    map: MmapRaw,
    #[cfg(test)]
    pub(super) fuse: super::tests::Fuse,
}

impl Words {
    /// Maps `file`, which must have whole pages.
    pub(super) fn map(file: &impl AsFd) -> std::io::Result<Self> {
        let file = std::fs::File::from(file.as_fd().try_clone_to_owned()?);
        let map = MmapRaw::map_raw(&file)?;
        map.advise(Advice::DontDump)?;
        map.advise(Advice::DontFork)?;
        Ok(Self {
            map,
            #[cfg(test)]
            fuse: super::tests::Fuse::default(),
        })
    }

    /// Stores a word at `offset`, a multiple of eight.
    pub(super) fn store(&self, offset: u64, value: u64, ordering: Ordering) {
        #[cfg(test)]
        self.fuse.burn();
        self.word(offset).store(value, ordering);
    }

    /// Stores a byte at `offset`. Each byte stands for itself.
    pub(super) fn store_byte(&self, offset: u64, value: u8) {
        #[cfg(test)]
        self.fuse.burn();
        self.byte(offset).store(value, Ordering::Relaxed);
    }

    /// Where the mapping is.
    pub(super) fn addresses(&self) -> Range<usize> {
        let start = self.map.as_ptr().addr();
        start..start + self.map.len()
    }

    /// The word at `offset`, a multiple of eight.
    fn word(&self, offset: u64) -> &AtomicU64 {
        let at = usize::try_from(offset).expect("offsets come from a geometry below 2^46 bytes");
        assert!(at.is_multiple_of(8) && at < self.map.len() && self.map.len() - at >= 8);
        // SAFETY: the assertion keeps the word inside the mapping and aligned (mappings begin on a page). The mapping lives as
        // long as `self`. Memory that other processes may write is only ever seen through atomics here, and words and bytes
        // are used on disjoint sections of the file.
        unsafe { &*self.map.as_mut_ptr().add(at).cast::<AtomicU64>() }
    }

    /// The byte at `offset`.
    fn byte(&self, offset: u64) -> &AtomicU8 {
        let at = usize::try_from(offset).expect("offsets come from a geometry below 2^46 bytes");
        assert!(at < self.map.len());
        // SAFETY: as in `word`; a byte has no alignment.
        unsafe { &*self.map.as_mut_ptr().add(at).cast::<AtomicU8>() }
    }
}
