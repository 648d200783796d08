//! The allocator against a naive model that looks at every page.

use proptest::prelude::*;

use super::*;
use crate::offset::BLOCK_BYTES;
use crate::placement::footprint;

const PAGES: usize = 4096;
const ARENA_BYTES: u64 = PAGES as u64 * PAGE_BYTES;

/// One flag for each page.
struct Model(Vec<bool>);

impl Model {
    fn pages(extent: Extent) -> std::ops::Range<usize> {
        let start = extent.offset.get() / PAGE_BYTES;
        let pages = footprint(extent.len) / PAGE_BYTES;
        start as usize..(start + pages) as usize
    }

    fn set(&mut self, extent: Extent, used: bool) {
        for page in Self::pages(extent) {
            assert_ne!(self.0[page], used, "page {page} changes hands once");
            self.0[page] = used;
        }
    }

    /// The free runs as (start, pages).
    fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs = Vec::new();
        let mut page = 0;
        while page < PAGES {
            let end = (page..PAGES)
                .find(|&at| self.0[at] != self.0[page])
                .unwrap_or(PAGES);
            if !self.0[page] {
                runs.push((page, end - page));
            }
            page = end;
        }
        runs
    }

    /// Where best fit puts an object of `len` bytes: the shortest run in which it fits, the lowest among equals.
    fn best_fit(&self, len: u64) -> Option<u64> {
        let Placement { bytes, alignment } = placement(len);
        let fit = |&(start, pages): &(usize, usize)| {
            let offset = (start as u64 * PAGE_BYTES).next_multiple_of(alignment);
            let end = (start + pages) as u64 * PAGE_BYTES;
            (offset + bytes <= end).then_some((pages, offset))
        };
        self.runs()
            .iter()
            .filter_map(fit)
            .min()
            .map(|(_, offset)| offset)
    }

    fn check(&self, allocator: &Allocator, live: &[Extent]) {
        let free: Vec<_> = allocator
            .by_offset
            .iter()
            .map(|(offset, len)| ((offset / PAGE_BYTES) as usize, (len / PAGE_BYTES) as usize))
            .collect();
        assert_eq!(
            free,
            self.runs(),
            "neighbours are merged, and nothing is lost"
        );
        let taken: u64 = live.iter().map(|extent| footprint(extent.len)).sum();
        let asked: u64 = live.iter().map(|extent| extent.len).sum();
        assert_eq!(allocator.taken_bytes(), taken);
        assert_eq!(allocator.overhead_bytes(), taken - asked);
        assert_eq!(allocator.free_bytes(), ARENA_BYTES - taken);
        let by_len = allocator.by_len.iter().map(|&(len, offset)| (offset, len));
        assert!(by_len.collect::<BTreeMap<_, _>>() == allocator.by_offset);
    }
}

fn lengths() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 1..40 * PAGE_BYTES,
        1 => Just(BLOCK_BYTES),
        1 => BLOCK_BYTES - 5000..BLOCK_BYTES + 5000,
        1 => 1..3 * BLOCK_BYTES,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn agrees_with_a_model_of_pages(
        steps in prop::collection::vec((lengths(), any::<usize>(), 0_u8..5), 1..120),
    ) {
        let mut allocator = Allocator::new(ARENA_BYTES);
        let mut model = Model(vec![false; PAGES]);
        let mut live = Vec::new();
        for (len, pick, kind) in steps {
            if kind < 3 {
                let expected = model.best_fit(len);
                let extent = allocator.allocate(len);
                prop_assert_eq!(extent.map(|extent| extent.offset.get()), expected);
                if let Some(extent) = extent {
                    prop_assert_eq!(extent.len, len);
                    model.set(extent, true);
                    live.push(extent);
                }
            } else if !live.is_empty() {
                let extent = live.swap_remove(pick % live.len());
                allocator.free(extent);
                model.set(extent, false);
            }
            model.check(&allocator, &live);
            let rebuilt = Allocator::rebuild(ARENA_BYTES, live.iter().copied()).unwrap();
            model.check(&rebuilt, &live);
        }
    }
}

#[test]
fn an_empty_object_takes_nothing() {
    let mut allocator = Allocator::new(BLOCK_BYTES);
    let extent = allocator.allocate(0).unwrap();
    allocator.free(extent);
    assert_eq!(allocator.free_bytes(), BLOCK_BYTES);
}

#[test]
fn lengths_beyond_the_arena_are_refused() {
    let mut allocator = Allocator::new(BLOCK_BYTES);
    for len in [BLOCK_BYTES + 1, u64::MAX - PAGE_BYTES, u64::MAX] {
        assert_eq!(allocator.allocate(len), None);
    }
    assert!(allocator.allocate(BLOCK_BYTES).is_some());
    assert_eq!(allocator.allocate(1), None);
}

#[test]
fn many_badly_aligned_extents_hide_no_good_one() {
    // Free runs of three blocks that begin a page behind a boundary hold no aligned object of three blocks. The last one does.
    let (wanted, period) = (3 * BLOCK_BYTES, 4 * BLOCK_BYTES);
    let count = TRIES_MAX as u64 * 3;
    let used = (0..count).flat_map(|at| {
        let behind = at * period + PAGE_BYTES + wanted;
        [(at * period, 1), (behind, BLOCK_BYTES - PAGE_BYTES)]
    });
    let used = used.map(|(offset, len)| Extent {
        offset: Offset::new(offset),
        len,
    });
    let mut allocator = Allocator::rebuild(count * period + wanted, used).unwrap();
    assert_eq!(
        allocator.allocate(wanted).unwrap().offset.get(),
        count * period
    );
    assert_eq!(allocator.allocate(wanted), None);
    assert_eq!(allocator.free_bytes(), count * wanted);
}

#[test]
fn three_megabyte_images_cost_little() {
    let mut allocator = Allocator::new(1 << 30);
    let mut asked = 0;
    for at in 0..340_u64 {
        let len = 3_000_000 + at * 997 % 150_000;
        allocator.allocate(len).unwrap();
        asked += len;
    }
    assert!(allocator.overhead_bytes() * 20 <= asked);
    assert!(asked * 100 >= (1 << 30) * 97_u64);
}

#[test]
fn impossible_uses_are_refused() {
    let rebuild = |used: &[(u64, u64)]| {
        let extents = used.iter().map(|&(offset, len)| Extent {
            offset: Offset::new(offset),
            len,
        });
        Allocator::rebuild(4 * BLOCK_BYTES, extents).err()
    };
    assert!(matches!(
        rebuild(&[(0, 4097), (4096, 1)]),
        Some(RebuildError::Overlap(_))
    ));
    assert!(matches!(
        rebuild(&[(5, 1)]),
        Some(RebuildError::Misplaced(_))
    ));
    assert!(matches!(
        rebuild(&[(4096, BLOCK_BYTES)]),
        Some(RebuildError::Misplaced(_))
    ));
    assert!(matches!(
        rebuild(&[(4 * BLOCK_BYTES, 1)]),
        Some(RebuildError::Misplaced(_))
    ));
    assert!(matches!(
        rebuild(&[(4096, u64::MAX)]),
        Some(RebuildError::Misplaced(_))
    ));
    assert_eq!(rebuild(&[(0, 1), (4096, 1)]), None);
}

#[test]
#[should_panic(expected = "a freed extent was in use")]
fn a_double_free_is_noticed() {
    let mut allocator = Allocator::new(BLOCK_BYTES);
    let extent = allocator.allocate(4096).unwrap();
    allocator.free(extent);
    allocator.free(extent);
}
