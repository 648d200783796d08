#![expect(
    unsafe_code,
    reason = "copies into mapped memory that must not be a slice, with streaming stores"
)]
//! Large copies into the arena.
//!
//! An ordinary copy of more than the caches hold reads each line of the destination only to overwrite it. Streaming stores do
//! not, which is worth half of the bandwidth, and two threads get more out of the memory than one. So copies from
//! [`STREAM_FROM_BYTES`] on stream, and from [`THREADS_FROM_BYTES`] on they are cut into chunks that the threads take in turn:
//! a thread that is interrupted delays its chunk, not half of the copy. Small copies stay ordinary, because their reader
//! wants to find them in the cache.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::window::Window;

/// From here on copies bypass the caches.
pub const STREAM_FROM_BYTES: usize = 8 << 20;
/// From here on a second thread pays for its start.
pub const THREADS_FROM_BYTES: usize = 16 << 20;
/// What a thread takes at a time.
const CHUNK_BYTES: usize = 2 << 20;
/// The memory is busy with so many threads.
const THREADS_MAX: usize = 4;

/// Copies `source` into the window, from its byte `at` on.
///
/// # Panics
/// Where it does not fit: a mistake of the caller.
pub fn copy_into(window: &mut Window, at: usize, source: &[u8]) {
    assert!(
        at <= window.len() && source.len() <= window.len() - at,
        "a copy stays inside its window"
    );
    // SAFETY: the assertion keeps the destination inside the window, which is mapped writable for as long as the exclusive
    // borrow lasts. No reference into a window exists while it is borrowed exclusively, so `source` cannot overlap it.
    unsafe {
        copy_bytes(
            source.as_ptr(),
            window.address().as_ptr().add(at),
            source.len(),
        );
    }
}

/// Copies `len` bytes between places that do not overlap, as fast as the memory allows.
///
/// # Safety
/// - `source` is readable and `destination` writable for `len` bytes, and the two do not overlap.
/// - Nobody writes to the source meanwhile, and nobody holds a reference to the destination.
pub unsafe fn copy_bytes(source: *const u8, destination: *mut u8, len: usize) {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if len < THREADS_FROM_BYTES || threads == 1 {
        // SAFETY: the caller's promise.
        unsafe { copy_part(source, destination, len, len >= STREAM_FROM_BYTES) }
        return;
    }
    let chunks = Chunks {
        source,
        destination,
        len,
        next: AtomicUsize::new(0),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(THREADS_MAX) {
            // A thread that cannot be started is one less: the others take its chunks.
            let work = || chunks.copy_all();
            std::thread::Builder::new().spawn_scoped(scope, work).ok();
        }
        chunks.copy_all();
    });
}

/// A copy that several threads work on.
struct Chunks {
    source: *const u8,
    destination: *mut u8,
    len: usize,
    next: AtomicUsize,
}

// SAFETY: `copy_bytes` makes these from places that it may read and write until its threads have ended, and the threads touch
// disjoint chunks.
unsafe impl Sync for Chunks {}

impl Chunks {
    fn copy_all(&self) {
        loop {
            // Relaxed: each number is taken once, and the end of the scope orders everything else.
            let start = self
                .next
                .fetch_add(1, Ordering::Relaxed)
                .saturating_mul(CHUNK_BYTES);
            if start >= self.len {
                return;
            }
            let len = CHUNK_BYTES.min(self.len - start);
            // SAFETY: the chunk lies inside both places, and nobody else has its number.
            unsafe {
                copy_part(
                    self.source.add(start),
                    self.destination.add(start),
                    len,
                    true,
                );
            }
        }
    }
}

/// Copies on this thread.
///
/// # Safety
/// As [`copy_bytes`].
unsafe fn copy_part(source: *const u8, destination: *mut u8, len: usize, stream: bool) {
    #[cfg(target_arch = "x86_64")]
    if stream {
        // SAFETY: the caller's promise, and the instructions were found on this processor.
        unsafe {
            if is_x86_feature_detected!("avx512f") {
                return x86::stream_avx512(source, destination, len);
            }
            if is_x86_feature_detected!("avx2") {
                return x86::stream_avx2(source, destination, len);
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = stream;
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(source, destination, len) }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm_sfence, _mm256_loadu_si256, _mm256_stream_si256, _mm512_loadu_si512,
        _mm512_stream_si512,
    };

    macro_rules! stream {
        ($(#[$meta:meta])* $name:ident, $feature:literal, $vector:ty, $load:ident, $store:ident) => {
            $(#[$meta])*
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn $name(source: *const u8, destination: *mut u8, len: usize) {
                const WIDTH: usize = size_of::<$vector>();
                const STEP: usize = 4 * WIDTH;
                let head = destination.align_offset(WIDTH).min(len);
                let body = (len - head) / STEP * STEP;
                // SAFETY: the caller's promise covers `head + body + tail = len` bytes of both places. The body of the
                // destination begins aligned, as streaming stores need; loads need no alignment.
                unsafe {
                    std::ptr::copy_nonoverlapping(source, destination, head);
                    let mut at = head;
                    while at < head + body {
                        let from = source.add(at).cast::<$vector>();
                        let to = destination.add(at).cast::<$vector>();
                        let vectors = [
                            $load(from),
                            $load(from.add(1)),
                            $load(from.add(2)),
                            $load(from.add(3)),
                        ];
                        $store(to, vectors[0]);
                        $store(to.add(1), vectors[1]);
                        $store(to.add(2), vectors[2]);
                        $store(to.add(3), vectors[3]);
                        at += STEP;
                    }
                    std::ptr::copy_nonoverlapping(source.add(at), destination.add(at), len - at);
                }
                // Streaming stores are not ordered with others: whoever is told of the copy must find it.
                _mm_sfence();
            }
        };
    }

    stream!(
        /// # Safety
        /// As [`super::copy_bytes`], on a processor with AVX-512.
        stream_avx512, "avx512f", __m512i, _mm512_loadu_si512, _mm512_stream_si512
    );
    stream!(
        /// # Safety
        /// As [`super::copy_bytes`], on a processor with AVX2.
        stream_avx2, "avx2", __m256i, _mm256_loadu_si256, _mm256_stream_si256
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len as u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }

    /// Copies with `copy` between all small misalignments and checks every byte, also around the destination.
    fn check(len: usize, copy: impl Fn(*const u8, *mut u8, usize)) {
        let source = pattern(len + 128);
        for (from, to) in [(0, 0), (1, 0), (0, 1), (7, 63), (64, 33)] {
            let mut destination = vec![0xee; len + 128];
            copy(source[from..].as_ptr(), destination[to..].as_mut_ptr(), len);
            assert!(
                destination[to..to + len] == source[from..from + len],
                "{len} {from} {to}"
            );
            assert!(destination[..to].iter().all(|&byte| byte == 0xee));
            assert!(destination[to + len..].iter().all(|&byte| byte == 0xee));
        }
    }

    #[test]
    fn every_byte_arrives_and_no_other() {
        for len in [0, 1, 63, 64, 65, 255, 256, 257, 4097] {
            // SAFETY: both vectors are longer than the copy and are not used meanwhile.
            check(len, |source, destination, len| unsafe {
                copy_bytes(source, destination, len);
            });
            // SAFETY: as above.
            check(len, |source, destination, len| unsafe {
                copy_part(source, destination, len, true);
            });
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: as above, and the instructions were found.
                check(len, |source, destination, len| unsafe {
                    x86::stream_avx2(source, destination, len);
                });
            }
        }
    }

    #[test]
    fn large_copies_arrive_through_several_threads() {
        let len = THREADS_FROM_BYTES + 3 * CHUNK_BYTES + 12_345;
        let source = pattern(len);
        let mut destination = vec![0; len];
        // SAFETY: both vectors have `len` bytes and are not used meanwhile.
        unsafe { copy_bytes(source.as_ptr(), destination.as_mut_ptr(), len) };
        assert!(source == destination);
    }
}
