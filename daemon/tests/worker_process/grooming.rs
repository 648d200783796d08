//! The groomer.

use std::os::fd::AsFd;

use arena_core::BLOCK_BYTES;
use arena_core::groom::populated_blocks;
use arena_core::protocol::GroomOrder;

use crate::stage::{ARENA_BYTES, Stage};

#[test]
fn blocks_get_pages_and_lose_them() {
    let stage = Stage::new();
    let mut groomer = stage.groomer();
    let populated = || {
        let ranges = populated_blocks(stage.data.as_fd(), ARENA_BYTES).unwrap();
        ranges.iter().flat_map(Clone::clone).collect::<Vec<u64>>()
    };
    let order = GroomOrder::Populate {
        first_block: 3,
        blocks: 9,
    };
    let done = groomer.groom(order);
    assert_eq!((done.huge.len(), done.shortage), (9, None));
    assert_eq!(populated(), (3..12).collect::<Vec<_>>());
    let released = groomer.groom(GroomOrder::Release {
        first_block: 5,
        blocks: 2,
    });
    assert_eq!(released.shortage, None);
    assert_eq!(populated(), [3, 4, 7, 8, 9, 10, 11]);
    assert!(groomer.hang_up().is_ok());
}

#[test]
fn pages_keep_what_is_there() {
    let mut stage = Stage::new();
    let layout =
        arena_core::ArrayLayout::c_order(arena_core::Dtype::Uint8, &[BLOCK_BYTES]).unwrap();
    let array = stage.sealed(&layout, &vec![7; BLOCK_BYTES as usize]);
    let mut groomer = stage.groomer();
    let order = GroomOrder::Populate {
        first_block: 0,
        blocks: 2,
    };
    assert_eq!(groomer.groom(order).huge.len(), 2);
    assert!(stage.read(array.extent).iter().all(|&byte| byte == 7));
}

#[test]
fn orders_outside_the_arena_end_the_groomer() {
    let blocks = ARENA_BYTES / BLOCK_BYTES;
    for (first_block, blocks) in [(0, blocks + 1), (blocks, 1), (u64::MAX, 1), (1, u64::MAX)] {
        let stage = Stage::new();
        let mut groomer = stage.groomer();
        let order = GroomOrder::Release {
            first_block,
            blocks,
        };
        groomer.send(&[arena_core::protocol::FromSupervisor::Groom(order)]);
        assert!(groomer.receive().is_none());
        assert!(groomer.hang_up().is_err());
    }
}
