//! The blocks against a naive model, and the cases that matter most by hand.

use proptest::prelude::*;

use super::*;
use crate::alloc::Allocator;
use crate::offset::Offset;

fn extent(offset: u64, len: u64) -> Extent {
    Extent::new(Offset::new(offset), len).unwrap()
}

#[test]
fn an_extent_waits_for_all_its_blocks() {
    let mut blocks = Blocks::new(8);
    let wanted = extent(0, 3 * BLOCK_BYTES);
    blocks.take(wanted);
    assert!(!blocks.is_ready(wanted));
    assert_eq!(blocks.order_for(wanted, 2), Some(0..2));
    assert_eq!(blocks.order_for(wanted, 2), Some(2..3));
    assert_eq!(blocks.order_for(wanted, 2), None);
    blocks.populated(0, &[true, false]);
    assert!(!blocks.is_ready(wanted));
    blocks.populated(2, &[true]);
    assert!(blocks.is_ready(wanted));
    assert_eq!((blocks.counts().huge, blocks.counts().small), (2, 1));
    assert!(blocks.is_ready(extent(0, 0)));
}

#[test]
fn a_block_that_is_being_released_is_not_granted() {
    let mut blocks = Blocks::new(8);
    assert_eq!(blocks.order_ahead(4), Some(0..4));
    assert!(!blocks.is_ready(extent(0, 4096)), "not before the report");
    blocks.populated(0, &[true; 4]);
    assert_eq!(blocks.order_release(3, 2), Some(2..4));
    assert_eq!(blocks.order_release(3, 2), None, "the floor stays warm");
    blocks.take(extent(2 * BLOCK_BYTES, 4096));
    assert!(!blocks.is_ready(extent(2 * BLOCK_BYTES, 4096)));
    assert_eq!(
        blocks.order_for(extent(2 * BLOCK_BYTES, 4096), 9),
        None,
        "the groomer has it"
    );
    blocks.abandoned(2..4);
    assert_eq!(
        blocks.order_for(extent(2 * BLOCK_BYTES, 4096), 9),
        Some(2..3)
    );
}

#[test]
fn releases_leave_used_blocks_alone() {
    let mut blocks = Blocks::new(8);
    blocks.order_ahead(8);
    blocks.populated(0, &[true; 8]);
    blocks.take(extent(6 * BLOCK_BYTES + 4096, 4096));
    assert_eq!(blocks.order_release(9, 0), Some(7..8));
    assert_eq!(blocks.order_release(9, 0), Some(0..6));
    assert_eq!(blocks.order_release(9, 0), None);
}

#[test]
fn a_restart_believes_the_file_system_about_free_blocks() {
    use BlockState::{Cold, Huge, Small};
    let recorded = [Huge, Huge, Cold, Small, Huge, Cold];
    let used = [extent(BLOCK_BYTES, 4096)];
    let blocks = Blocks::rebuild(&recorded, &[0..1, 2..4, 5..9], used);
    let states: Vec<_> = (0..6).map(|block| blocks.state(block)).collect();
    assert_eq!(states, [Huge, Huge, Small, Small, Cold, Small]);
    assert_eq!(blocks.counts().free_warm_blocks, 4);
}

#[test]
fn the_floor_is_an_eighth_or_a_gibibyte() {
    assert_eq!(warm_floor_blocks(64 << 20), 4);
    assert_eq!(warm_floor_blocks(1 << 40), 512);
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Allocate(u64),
    Free(usize),
    OrderFor(usize, u64),
    OrderAhead(u64),
    OrderRelease(u64, u64),
    Report(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u64..5 * BLOCK_BYTES).prop_map(Step::Allocate),
        any::<usize>().prop_map(Step::Free),
        (any::<usize>(), 0_u64..5).prop_map(|(at, max)| Step::OrderFor(at, max)),
        (0_u64..5).prop_map(Step::OrderAhead),
        (0_u64..5, 0_u64..9).prop_map(|(max, floor)| Step::OrderRelease(max, floor)),
        (any::<usize>(), any::<bool>()).prop_map(|(at, huge)| Step::Report(at, huge)),
    ]
}

const BLOCK_COUNT: u64 = 24;

#[derive(Default)]
struct History {
    live: Vec<Extent>,
    orders: Vec<(Range<u64>, bool)>,
}

impl History {
    fn apply(&mut self, step: Step, blocks: &mut Blocks, allocator: &mut Allocator) {
        match step {
            Step::Allocate(len) => {
                if let Some(extent) = allocator.allocate(len) {
                    blocks.take(extent);
                    self.live.push(extent);
                }
            }
            Step::Free(at) if !self.live.is_empty() => {
                let extent = self.live.swap_remove(at % self.live.len());
                blocks.give_back(extent);
                allocator.free(extent);
            }
            Step::OrderFor(at, max) if !self.live.is_empty() => {
                let extent = self.live[at % self.live.len()];
                let order = blocks.order_for(extent, max);
                self.orders.extend(order.map(|run| (run, false)));
            }
            Step::OrderAhead(max) => {
                self.orders
                    .extend(blocks.order_ahead(max).map(|run| (run, false)));
            }
            Step::OrderRelease(max, floor) => {
                let order = blocks.order_release(max, floor);
                self.orders.extend(order.map(|run| (run, true)));
            }
            Step::Report(at, huge) if !self.orders.is_empty() => {
                let (run, is_release) = self.orders.swap_remove(at % self.orders.len());
                if is_release {
                    blocks.abandoned(run);
                } else {
                    // The last block of a run of several is reported as short.
                    let count = (run.end - run.start).div_ceil(2);
                    blocks.populated(run.start, &vec![huge; count as usize]);
                    blocks.abandoned(run.start + count..run.end);
                }
            }
            _ => {}
        }
    }

    fn check(&self, blocks: &Blocks, allocator: &Allocator) {
        let mut counts = BlockCounts::default();
        for block in 0..BLOCK_COUNT {
            let whole = extent(block * BLOCK_BYTES, BLOCK_BYTES);
            let taken = |live: &Extent| Extent {
                len: footprint(live.len),
                ..*live
            };
            let used: u64 = self
                .live
                .iter()
                .map(taken)
                .map(|live| overlap(live, whole))
                .sum();
            let at_groomer = self.orders.iter().any(|(run, _)| run.contains(&block));
            let warm = blocks.state(block).is_warm();
            *if warm {
                &mut counts.free_warm_bytes
            } else {
                &mut counts.free_cold_bytes
            } += BLOCK_BYTES - used;
            *match blocks.state(block) {
                BlockState::Cold => &mut counts.cold,
                BlockState::Small => &mut counts.small,
                BlockState::Huge => &mut counts.huge,
            } += 1;
            if used == 0 && !at_groomer {
                *if warm {
                    &mut counts.free_warm_blocks
                } else {
                    &mut counts.free_cold_blocks
                } += 1;
            }
            assert_eq!(blocks.is_ready(whole), warm && !at_groomer);
        }
        assert_eq!(blocks.counts(), counts);
        assert_eq!(
            counts.free_warm_bytes + counts.free_cold_bytes,
            allocator.free_bytes()
        );
        let at_groomer: u64 = self.orders.iter().map(|(run, _)| run.end - run.start).sum();
        let distinct =
            (0..BLOCK_COUNT).filter(|block| self.orders.iter().any(|(run, _)| run.contains(block)));
        assert_eq!(
            distinct.count() as u64,
            at_groomer,
            "no block is ordered twice"
        );
    }
}

fn overlap(a: Extent, b: Extent) -> u64 {
    let start = a.offset.max(b.offset);
    a.end().min(b.end()).checked_distance(start).unwrap_or(0)
}

proptest! {
    #[test]
    fn sums_and_orders_agree_with_a_naive_model(steps in prop::collection::vec(step(), 1..120)) {
        let mut blocks = Blocks::new(BLOCK_COUNT);
        let mut allocator = Allocator::new(BLOCK_COUNT * BLOCK_BYTES);
        let mut history = History::default();
        for step in steps {
            history.apply(step, &mut blocks, &mut allocator);
            history.check(&blocks, &allocator);
        }
    }
}
