//! Pages, mappings and windows.

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use arena_core::copy::copy_into;
use arena_core::files::OpenArena;
use arena_core::groom::{Groomer, populated_blocks};
use arena_core::mapping::DataMap;
use arena_core::{BLOCK_BYTES, Extent, Offset};

use crate::support::{ARENA_BYTES, Home};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn extent(offset: u64, len: u64) -> Extent {
    Extent::new(Offset::new(offset), len).unwrap()
}

fn read(file: BorrowedFd<'_>, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    assert_eq!(rustix::io::pread(file, &mut bytes, offset).unwrap(), len);
    bytes
}

/// Where the populated blocks begin and end.
fn warm(data: BorrowedFd<'_>, arena_bytes: u64) -> Vec<(u64, u64)> {
    let ranges = populated_blocks(data, arena_bytes).unwrap();
    ranges
        .iter()
        .map(|range| (range.start, range.end))
        .collect()
}

fn data_map(arena: &OpenArena) -> DataMap {
    let file: OwnedFd = arena.files.data().try_clone_to_owned().unwrap();
    DataMap::map(file, ARENA_BYTES).unwrap()
}

/// The lines of /proc/self/smaps about the mapping that begins at `address`.
fn smaps_of(address: usize) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let start = format!("{address:x}-");
    let is_field = |line: &&str| line.split(' ').next().is_some_and(|key| key.ends_with(':'));
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&start));
    assert!(lines.next().is_some(), "a mapping begins at {start}");
    lines.take_while(is_field).map(str::to_owned).collect()
}

fn vm_flags(address: usize) -> Vec<String> {
    let lines = smaps_of(address);
    let flags = lines
        .iter()
        .find_map(|line| line.strip_prefix("VmFlags:"))
        .unwrap();
    flags.split_ascii_whitespace().map(str::to_owned).collect()
}

fn kilobytes(address: usize, key: &str) -> u64 {
    let lines = smaps_of(address);
    let value = lines
        .iter()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    value
        .trim_start_matches(':')
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[test]
fn populated_blocks_keep_their_contents_and_are_found_again() {
    for home in [Home::private(), Home::named(), Home::directory()] {
        let arena = home.open().unwrap();
        let data = arena.files.data();
        rustix::io::pwrite(data, b"kept", 3 * BLOCK_BYTES + 5).unwrap();
        let groomer = Groomer::new(data, TWO);
        let done = groomer.populate(2..12).unwrap();
        assert_eq!((done.huge.len(), done.shortage), (10, None));
        assert_eq!(read(data, 3 * BLOCK_BYTES + 5, 4), b"kept");
        assert_eq!(warm(data, ARENA_BYTES), [(2, 12)]);

        groomer.release(3..5).unwrap();
        assert_eq!(warm(data, ARENA_BYTES), [(2, 3), (5, 12)]);
        assert_eq!(read(data, 3 * BLOCK_BYTES + 5, 4), [0; 4]);
        assert!(groomer.populate(0..0).unwrap().huge.is_empty());
    }
}

#[test]
fn a_block_reported_as_huge_is_mapped_as_one_page() {
    let arena = Home::private().open().unwrap();
    let done = Groomer::new(arena.files.data(), TWO)
        .populate(0..4)
        .unwrap();
    let mut window = data_map(&arena).window(extent(0, 4 * BLOCK_BYTES)).unwrap();
    copy_into(&mut window, 0, &vec![7; 4 * BLOCK_BYTES as usize]);
    let huge = done.huge.iter().filter(|&&huge| huge).count() as u64;
    let address = window.address().addr().get();
    assert_eq!(
        kilobytes(address, "ShmemPmdMapped"),
        huge * BLOCK_BYTES / 1024
    );
}

#[test]
fn windows_are_congruent_to_their_offset_and_write_through() {
    let arena = Home::private().open().unwrap();
    let data = data_map(&arena);
    for (offset, len) in [
        (0, 1),
        (4096, 10_000),
        (BLOCK_BYTES + 8192, 3 * BLOCK_BYTES),
    ] {
        let mut window = data.window(extent(offset, len)).unwrap();
        let address = window.address().addr().get();
        assert_eq!(address as u64 % BLOCK_BYTES, offset % BLOCK_BYTES);
        let flags = vm_flags(address);
        for flag in ["sh", "wr", "dd", "dc"] {
            assert!(
                flags.iter().any(|found| found == flag),
                "{flag} of {flags:?}"
            );
        }
        copy_into(&mut window, len as usize - 1, &[42]);
        assert_eq!(read(data.file(), offset + len - 1, 1), [42]);
    }
    let whole = data.address(extent(0, ARENA_BYTES)).unwrap().addr().get();
    assert_eq!(whole as u64 % BLOCK_BYTES, 0);
    let flags = vm_flags(whole);
    assert!(flags.contains(&"dd".to_owned()) && !flags.contains(&"wr".to_owned()));
}

#[test]
fn a_private_window_keeps_address_and_bytes_and_reaches_nobody() {
    let arena = Home::private().open().unwrap();
    let data = data_map(&arena);
    let mut window = data.window(extent(BLOCK_BYTES, 8192)).unwrap();
    copy_into(&mut window, 0, b"sealed");
    let address = window.address();
    window.make_private().unwrap();
    assert_eq!(window.address(), address);
    copy_into(&mut window, 0, b"SECRET");
    window.make_private().unwrap();
    assert_eq!(read(data.file(), BLOCK_BYTES, 6), b"sealed");
    let flags = vm_flags(address.addr().get());
    for (flag, expected) in [("sh", false), ("dc", false), ("dd", true), ("wr", true)] {
        assert_eq!(
            flags.iter().any(|found| found == flag),
            expected,
            "{flag} of {flags:?}"
        );
    }
    assert_eq!(
        kilobytes(address.addr().get(), "Private_Dirty"),
        4,
        "its own page is kept"
    );
}

#[test]
fn a_window_made_shared_again_writes_through_and_forgets_what_was_private() {
    let arena = Home::private().open().unwrap();
    let data = data_map(&arena);
    let mut window = data.window(extent(0, 4096)).unwrap();
    window.make_private().unwrap();
    copy_into(&mut window, 0, b"lost");
    window.make_shared().unwrap();
    copy_into(&mut window, 4, b"kept");
    assert_eq!(read(data.file(), 0, 8), b"\0\0\0\0kept");
    let flags = vm_flags(window.address().addr().get());
    for flag in ["sh", "dc", "dd"] {
        assert!(
            flags.iter().any(|found| found == flag),
            "{flag} of {flags:?}"
        );
    }
}

#[test]
fn a_dropped_window_is_unmapped() {
    let arena = Home::private().open().unwrap();
    let data = data_map(&arena);
    let window = data.window(extent(0, 5 * 4096)).unwrap();
    let start = format!("{:x}-", window.address().addr().get());
    let is_mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines()
            .any(|line| line.starts_with(&start) && line.contains("rw-s"))
    };
    assert!(is_mapped());
    drop(window);
    assert!(!is_mapped());
}

#[test]
fn extents_outside_the_arena_and_empty_ones() {
    let arena = Home::private().open().unwrap();
    let data = data_map(&arena);
    for outside in [
        extent(ARENA_BYTES, 1),
        extent(0, ARENA_BYTES + 1),
        extent(u64::MAX - 1, 1),
    ] {
        assert!(data.address(outside).is_err());
        assert!(data.window(outside).is_err());
    }
    let mut empty = data.window(extent(0, 0)).unwrap();
    assert!(empty.is_empty() && empty.address().addr().get().is_multiple_of(16));
    empty.make_private().unwrap();
    copy_into(&mut empty, 0, &[]);
    assert!(data.address(extent(ARENA_BYTES, 0)).is_ok());

    let inside = data.address(extent(4096, 1)).unwrap();
    assert_eq!(data.offset_of(inside.as_ptr()), Some(Offset::new(4096)));
    assert_eq!(data.offset_of(std::ptr::null()), None);
    let end = inside.as_ptr().wrapping_add(ARENA_BYTES as usize);
    assert_eq!(data.offset_of(end), None);
}

#[test]
fn a_data_file_of_another_size_is_refused() {
    let arena = Home::private().open().unwrap();
    let file = arena.files.data().try_clone_to_owned().unwrap();
    let error = DataMap::map(file, 2 * ARENA_BYTES).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn a_sparse_tebibyte_can_be_mapped_and_used() {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let file = rustix::fs::memfd_create("sparse", flags).unwrap();
    rustix::fs::ftruncate(&file, 1 << 40).unwrap();
    let last = (1 << 40) / BLOCK_BYTES - 1;
    let done = Groomer::new(file.as_fd(), TWO)
        .populate(last..last + 1)
        .unwrap();
    assert_eq!(done.huge.len(), 1);
    let data = DataMap::map(file, 1 << 40).unwrap();
    let mut window = data.window(extent((1 << 40) - 4096, 4096)).unwrap();
    copy_into(&mut window, 4095, &[9]);
    assert_eq!(read(data.file(), (1 << 40) - 1, 1), [9]);
    assert_eq!(warm(data.file(), 1 << 40), [(last, last + 1)]);
}
