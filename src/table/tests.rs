//! Kills between any two stores, and damage of any byte.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use rustix::fs::MemfdFlags;

use super::*;
use crate::array::ArrayLayout;
use crate::dtype::Dtype;
use crate::id::{ArenaId, SessionId, SlotId};
use crate::layout::{BackingCode, CellRange, ProcessIdentity, ProcessRole};
use crate::name::ArenaName;
use crate::offset::{BLOCK_BYTES, Extent, Offset};

/// Ends the writer, by a panic, before a chosen store.
#[derive(Default)]
pub(super) struct Fuse(Cell<Option<u32>>);

impl Fuse {
    pub(super) fn burn(&self) {
        match self.0.get() {
            // Not a panic: nothing is printed.
            Some(0) => std::panic::resume_unwind(Box::new(Killed)),
            left => self.0.set(left.map(|left| left - 1)),
        }
    }
}

struct Killed;

const BOOT: [u8; 16] = [7; 16];

fn name() -> ArenaName {
    "lab".parse().unwrap()
}

fn geometry() -> Geometry {
    Geometry::new(32 * BLOCK_BYTES, 300).unwrap()
}

fn identity() -> ArenaIdentity {
    ArenaIdentity {
        arena_id: ArenaId(0x1234),
        name: name(),
        owner_uid: 1000,
        backing: BackingCode::Named,
        boot_id: BOOT,
        created_unix_s: 1_700_000_000,
    }
}

fn empty_file() -> OwnedFd {
    let file = rustix::fs::memfd_create("table", MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&file, geometry().table_bytes()).unwrap();
    file
}

fn reopened(file: &OwnedFd) -> OwnedFd {
    file.try_clone().unwrap()
}

fn load(file: &OwnedFd) -> Result<(Table, Recovered), TableError> {
    Table::load(reopened(file), &name(), BOOT)
}

fn row(page: u64, generation: u64, state: ObjectState) -> ObjectRow {
    let layout = ArrayLayout::c_order(Dtype::Float64, &[100]).unwrap();
    ObjectRow {
        state,
        generation,
        extent: Extent::new(Offset::new(page * 4096), layout.extent_bytes()).unwrap(),
        layout,
        name: Some(format!("object {page}").parse().unwrap()),
        owner_uid: 1000,
        session: SessionId(page + 1),
        cells: CellRange::default(),
        lock_axis: 0,
        image: Extent::default(),
        flags: 0,
    }
}

fn process(pid: u32) -> ProcessRow {
    ProcessRow {
        identity: ProcessIdentity {
            pid,
            start_time: 99,
            pid_namespace: 4,
        },
        uid: 1000,
        session: SessionId(u64::from(pid)),
        slot: None,
        incarnation: 0,
        role: ProcessRole::Client,
        lifeline: true,
    }
}

type Step = Box<dyn Fn(&mut Table)>;

/// A life with each kind of change, also of rows that were used before.
fn life() -> Vec<Step> {
    let write = |index, row: ObjectRow| -> Step {
        Box::new(move |table| table.write_object(index, &row).unwrap())
    };
    let shared = ObjectRow {
        cells: CellRange { first: 5, count: 9 },
        image: Extent::new(Offset::new(20 * 4096), 800).unwrap(),
        session: SessionId(77),
        ..row(1, 1, ObjectState::Shared)
    };
    let slot = ProcessRow {
        slot: Some(SlotId(3)),
        incarnation: 8,
        ..process(50)
    };
    vec![
        write(0, row(0, 1, ObjectState::Filling)),
        write(0, row(0, 1, ObjectState::Sealed)),
        write(1, shared.clone()),
        write(
            1,
            ObjectRow {
                cells: CellRange::default(),
                ..row(1, 1, ObjectState::Sealed)
            },
        ),
        Box::new(|table| table.free_object(0)),
        write(0, row(2, 2, ObjectState::Sealed)),
        write(0, row(2, 2, ObjectState::Removed)),
        write(200, row(3, 1, ObjectState::Lingering)),
        Box::new(|table| table.write_process(4, &process(50))),
        Box::new(move |table| table.write_process(4, &slot)),
        Box::new(|table| table.free_process(4)),
        Box::new(|table| table.write_process(4, &process(51))),
        Box::new(|table| table.write_session_floor(300)),
        Box::new(|table| table.write_block_states(2, &[BlockState::Huge, BlockState::Small])),
        Box::new(|table| table.free_object(200)),
    ]
}

/// What a table holds, comparable.
#[derive(Debug, Clone, PartialEq)]
struct Contents {
    objects: Vec<LoadedObject>,
    generations: Vec<(u32, u64)>,
    processes: Vec<(u32, ProcessRow)>,
    session_floor: u64,
}

fn contents(file: &OwnedFd) -> Contents {
    let (_, recovered) = load(file).unwrap();
    Contents {
        objects: recovered.objects,
        generations: recovered.generations,
        processes: recovered.processes,
        session_floor: recovered.session_floor,
    }
}

/// Lives until the fuse burns out. Returns the file and how many steps were finished.
fn live_until(fuse: Option<u32>) -> (OwnedFd, usize) {
    let file = empty_file();
    let mut table = Table::create(reopened(&file), &identity(), geometry()).unwrap();
    table.words.fuse.0.set(fuse);
    for (done, step) in life().iter().enumerate() {
        let step = AssertUnwindSafe(|| step(&mut table));
        if let Err(panic) = catch_unwind(step) {
            assert!(panic.is::<Killed>());
            return (file, done);
        }
    }
    (file, life().len())
}

fn after(steps: usize) -> Contents {
    let file = empty_file();
    let mut table = Table::create(reopened(&file), &identity(), geometry()).unwrap();
    life().iter().take(steps).for_each(|step| step(&mut table));
    contents(&file)
}

#[test]
fn a_kill_before_any_store_leaves_the_old_row_or_the_new_one() {
    let mut stores = 0;
    loop {
        let (file, done) = live_until(Some(stores));
        let found = contents(&file);
        if done == life().len() {
            break;
        }
        let (before, behind) = (after(done), after(done + 1));
        // A new row that was not finished is free, and its generation counts as used.
        let mut unfinished = before.clone();
        unfinished.generations.clone_from(&found.generations);
        assert!(
            found == before || found == behind || found == unfinished,
            "store {stores}, step {done}: {found:#?}"
        );
        for generation in &before.generations {
            let kept = |(index, last): &(u32, u64)| *index == generation.0 && *last >= generation.1;
            let reused = found
                .objects
                .iter()
                .any(|object| object.index == generation.0);
            assert!(
                reused || found.generations.iter().any(kept),
                "store {stores}"
            );
        }
        stores += 1;
    }
    assert!(stores > 100, "every store was a place to die: {stores}");
}

#[test]
fn a_killed_creation_is_unfinished() {
    let file = empty_file();
    assert!(matches!(load(&file), Err(TableError::Unfinished)));
    let table = Table::create(reopened(&file), &identity(), geometry()).unwrap();
    table.words.store(0, 0, Ordering::Release);
    assert!(matches!(load(&file), Err(TableError::Unfinished)));
}

#[test]
fn the_incarnation_counts_starts() {
    let (file, _) = live_until(None);
    let incarnations: Vec<_> = (0..3).map(|_| load(&file).unwrap().1.incarnation).collect();
    assert_eq!(incarnations, [2, 3, 4]);
}

#[test]
fn a_loaded_table_goes_on_where_the_last_one_ended() {
    let (file, _) = live_until(None);
    let (mut table, before) = load(&file).unwrap();
    let index = before.objects[0].index;
    let changed = ObjectRow {
        session: SessionId(4711),
        ..before.objects[0].row.clone()
    };
    table.write_object(index, &changed).unwrap();
    table.free_process(4);
    let found = contents(&file);
    assert_eq!(found.objects[0].row, changed);
    assert_eq!(found.objects[1..], before.objects[1..]);
    assert!(found.processes.is_empty());
}

fn flip(file: &OwnedFd, at: u64, mask: u8) {
    let mut byte = [0];
    rustix::io::pread(file, &mut byte, at).unwrap();
    rustix::io::pwrite(file, &[byte[0] ^ mask], at).unwrap();
}

#[test]
fn each_flipped_byte_of_the_header_is_refused() {
    let (file, _) = live_until(None);
    for at in 0..crate::layout::HEADER_SECTION_BYTES {
        for mask in [0x01, 0x80, 0xff] {
            flip(&file, at, mask);
            let Err(error) = load(&file) else {
                panic!("byte {at} ^ {mask:#x} was not noticed")
            };
            assert!(
                !matches!(error, TableError::Unfinished | TableError::Io { .. }),
                "{at}: {error}"
            );
            flip(&file, at, mask);
        }
    }
    assert!(load(&file).is_ok());
}

#[test]
fn refusals_say_what_to_do() {
    let (file, _) = live_until(None);
    let version = std::mem::offset_of!(Header, version) as u64;
    flip(&file, version, 0x03);
    let error = load(&file).err().unwrap();
    assert!(matches!(error, TableError::Version { found: 2, .. }));
    assert!(error.to_string().contains("a newer version"), "{error}");
    flip(&file, version, 0x03 ^ 0x01);
    assert!(
        load(&file)
            .err()
            .unwrap()
            .to_string()
            .contains("an older version")
    );
    flip(&file, version, 0x01);
    let error = Table::load(reopened(&file), &name(), [8; 16])
        .err()
        .unwrap();
    assert!(matches!(error, TableError::StaleBoot { .. }));
    let error = Table::load(reopened(&file), &"other".parse().unwrap(), BOOT)
        .err()
        .unwrap();
    assert!(matches!(
        error,
        TableError::Damaged {
            damage: Damage::OtherArena(_),
            ..
        }
    ));
    flip(&file, geometry().object_offset(1) + 20, 1);
    let error = load(&file).err().unwrap().to_string();
    assert!(
        error.contains("object row 1") && error.contains("arenactl arena rm lab"),
        "{error}"
    );
}

/// The row's twin that the state word does not select may hold anything: it is what a killed change leaves.
fn is_hidden_half(raw: &[u8], at: usize) -> bool {
    let half = usize::from(raw[0] >> 7);
    let twin = size_of::<crate::layout::ObjectTwin>();
    let hidden = std::mem::offset_of!(RawObject, twins) + (1 - half) * twin;
    (hidden..hidden + twin).contains(&at)
}

#[test]
fn each_flipped_byte_of_a_row_in_use_is_refused() {
    let (file, _) = live_until(None);
    for index in [0, 1] {
        let base = geometry().object_offset(index);
        let mut raw = [0; size_of::<RawObject>()];
        rustix::io::pread(&file, &mut raw, base).unwrap();
        for at in 0..raw.len() {
            flip(&file, base + at as u64, 0x10);
            let refused = matches!(
                load(&file),
                Err(TableError::Damaged { damage: Damage::Object { row, .. }, .. }) if row == index
            );
            assert_eq!(refused, !is_hidden_half(&raw, at), "row {index}, byte {at}");
            flip(&file, base + at as u64, 0x10);
        }
    }
}

#[test]
fn each_flipped_byte_of_a_process_row_is_refused() {
    let (file, _) = live_until(None);
    let base = geometry().process_offset(4);
    let mut raw = [0; size_of::<RawProcess>()];
    rustix::io::pread(&file, &mut raw, base).unwrap();
    let twin = size_of::<crate::layout::ProcessTwin>();
    let half = usize::from(raw[0] >> 7);
    let hidden = std::mem::offset_of!(RawProcess, twins) + (1 - half) * twin;
    for at in 0..raw.len() {
        flip(&file, base + at as u64, 0x04);
        let refused = matches!(
            load(&file),
            Err(TableError::Damaged {
                damage: Damage::Process { row: 4, .. },
                ..
            })
        );
        assert_eq!(refused, !(hidden..hidden + twin).contains(&at), "byte {at}");
        flip(&file, base + at as u64, 0x04);
    }
}

#[test]
fn block_states_come_back_and_flipped_ones_are_refused() {
    let (file, _) = live_until(None);
    let blocks = load(&file).unwrap().1.blocks;
    let expected = [
        BlockState::Cold,
        BlockState::Cold,
        BlockState::Huge,
        BlockState::Small,
    ];
    assert_eq!(blocks[..4], expected);
    assert_eq!(blocks.len(), 32);
    for (block, mask) in [(0, 0x01), (2, 0x80), (3, 0xf0)] {
        flip(&file, geometry().blocks_offset() + block, mask);
        let error = load(&file).err().unwrap();
        let damage = |damage: &Damage| matches!(damage, Damage::Block { block: found, .. } if *found == block);
        assert!(matches!(&error, TableError::Damaged { damage: found, .. } if damage(found)));
        flip(&file, geometry().blocks_offset() + block, mask);
    }
}

fn two_rows(first: ObjectRow, second: ObjectRow) -> Option<crate::layout::RowError> {
    let file = empty_file();
    let mut table = Table::create(reopened(&file), &identity(), geometry()).unwrap();
    table.write_object(0, &first).unwrap();
    table.write_object(1, &second).unwrap();
    match load(&file) {
        Ok(_) => None,
        Err(TableError::Damaged {
            damage: Damage::Object { error, .. },
            ..
        }) => Some(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn rows_that_contradict_each_other_are_refused() {
    use crate::layout::RowError;
    let sealed = |page| row(page, 1, ObjectState::Sealed);
    assert_eq!(two_rows(sealed(0), sealed(1)), None);

    let overlapping = ObjectRow {
        name: None,
        ..sealed(0)
    };
    assert!(matches!(
        two_rows(sealed(0), overlapping),
        Some(RowError::Overlap { .. })
    ));
    let image = ObjectRow {
        image: sealed(0).extent,
        ..sealed(1)
    };
    assert!(matches!(
        two_rows(sealed(0), image),
        Some(RowError::Overlap { .. })
    ));

    let same_name = ObjectRow {
        name: sealed(0).name,
        ..sealed(1)
    };
    assert!(matches!(
        two_rows(sealed(0), same_name.clone()),
        Some(RowError::NameTwice { .. })
    ));
    let removed = ObjectRow {
        state: ObjectState::Removed,
        ..same_name
    };
    assert_eq!(two_rows(sealed(0), removed), None);

    let cells = |page, first, count| ObjectRow {
        cells: CellRange { first, count },
        ..row(page, 1, ObjectState::Shared)
    };
    assert_eq!(two_rows(cells(0, 0, 8), cells(1, 8, 8)), None);
    for (first, count) in [(7, 1), (0, 1), (0, 9), (4, 100)] {
        let error = two_rows(cells(0, 0, 8), cells(1, first, count));
        assert!(
            matches!(error, Some(RowError::CellsTwice { .. })),
            "{first} {count}"
        );
    }
    assert!(matches!(
        two_rows(sealed(0), cells(1, 65_535, 2)),
        Some(RowError::Cells { .. })
    ));

    let outside = ObjectRow {
        extent: row(16_384, 1, ObjectState::Sealed).extent,
        ..sealed(1)
    };
    assert!(matches!(
        two_rows(sealed(0), outside),
        Some(RowError::Extent { .. })
    ));
    let longer = ObjectRow {
        extent: Extent {
            len: 801,
            ..sealed(1).extent
        },
        ..sealed(1)
    };
    assert!(matches!(
        two_rows(sealed(0), longer),
        Some(RowError::Length { .. })
    ));
    let axis = ObjectRow {
        lock_axis: 1,
        ..sealed(1)
    };
    assert!(matches!(
        two_rows(sealed(0), axis),
        Some(RowError::LockAxis(1))
    ));
}

#[test]
fn a_table_takes_memory_for_the_rows_it_uses() {
    let (file, _) = live_until(None);
    let taken = || rustix::fs::fstat(&file).unwrap().st_blocks as u64 * 512;
    let before = taken();
    assert!(before < geometry().table_bytes());
    load(&file).unwrap();
    assert!(
        taken() <= before + 64 * 1024,
        "loading reads holes without filling them"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn garbage_is_never_a_panic(
        changes in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 1..64)), 1..12),
    ) {
        let (file, _) = live_until(None);
        for (at, bytes) in changes {
            let at = at % (geometry().object_offset(210) - bytes.len() as u64);
            rustix::io::pwrite(&file, &bytes, at).unwrap();
        }
        // Whether the garbage hit anything is not the question here.
        let _ = load(&file);
    }
}
