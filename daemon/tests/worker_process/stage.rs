//! An arena of one's own, and objects in it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use arena_core::lock::{CellRange, LOCKS_BYTES, LockArea, Locker, cell_generation};
use arena_core::protocol::{Operand, Stripes};
use arena_core::{ArrayLayout, BLOCK_BYTES, Dtype, Extent, ObjectId, Offset, PAGE_BYTES, SlotId};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

pub(crate) const ARENA_BYTES: u64 = 32 * BLOCK_BYTES;

/// The slot of the test itself; workers get others.
pub(crate) const OWN_SLOT: SlotId = SlotId(200);

pub(crate) struct Stage {
    pub(crate) data: OwnedFd,
    pub(crate) locks: OwnedFd,
    pub(crate) area: Arc<LockArea>,
    next_offset: u64,
    next_cell: u32,
    next_index: u32,
}

/// What a shared object is cut into.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) axis: u8,
    pub(crate) count: u32,
    pub(crate) images: bool,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let data = memfd_create("test-data", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&data, ARENA_BYTES).unwrap();
        let locks = memfd_create("test-locks", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&locks, LOCKS_BYTES).unwrap();
        let area = Arc::new(LockArea::map(&locks).unwrap());
        Self {
            data,
            locks,
            area,
            next_offset: 0,
            next_cell: 100,
            next_index: 0,
        }
    }

    /// The test's own handle on the locks.
    pub(crate) fn locker(&self) -> Locker {
        self.area.record(OWN_SLOT).issue(1);
        Locker::shared(Arc::clone(&self.area), OWN_SLOT)
    }

    /// A sealed object that holds `bytes`.
    pub(crate) fn sealed(&mut self, layout: &ArrayLayout, bytes: &[u8]) -> Operand {
        assert_eq!(bytes.len() as u64, layout.extent_bytes());
        let extent = self.extent(layout.extent_bytes());
        self.write(extent, bytes);
        self.next_index += 1;
        Operand {
            object: ObjectId {
                index: self.next_index,
                generation: 1,
            },
            extent,
            layout: layout.clone(),
            stripes: None,
            image: None,
        }
    }

    /// A shared object that holds `bytes`, its cells open.
    pub(crate) fn shared(&mut self, layout: &ArrayLayout, bytes: &[u8], cut: Cut) -> Operand {
        let sealed = self.sealed(layout, bytes);
        let stripes = Stripes {
            axis: cut.axis,
            first_cell: self.next_cell,
            count: cut.count,
        };
        self.next_cell += cut.count;
        let cells = CellRange {
            first: stripes.first_cell,
            count: stripes.count,
        };
        self.area.open_cells(cells, cell_generation(sealed.object));
        Operand {
            stripes: Some(stripes),
            image: cut.images.then(|| self.extent(layout.extent_bytes())),
            ..sealed
        }
    }

    fn extent(&mut self, len: u64) -> Extent {
        let extent = Extent::new(Offset::new(self.next_offset), len).unwrap();
        self.next_offset = extent.end().get().next_multiple_of(PAGE_BYTES);
        assert!(self.next_offset <= ARENA_BYTES);
        extent
    }

    pub(crate) fn write(&self, extent: Extent, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = extent.offset.get() + done as u64;
            done += rustix::io::pwrite(self.data.as_fd(), &bytes[done..], at).unwrap();
        }
    }

    pub(crate) fn read(&self, extent: Extent) -> Vec<u8> {
        let mut bytes = vec![0; extent.len as usize];
        let mut done = 0;
        while done < bytes.len() {
            let at = extent.offset.get() + done as u64;
            done += rustix::io::pread(self.data.as_fd(), &mut bytes[done..], at).unwrap();
        }
        bytes
    }

    /// The elements of an object as the arena holds them, in the order of `offsets`.
    pub(crate) fn elements(&self, operand: &Operand, offsets: &[u64]) -> Vec<u8> {
        let bytes = self.read(operand.extent);
        let size = operand.layout.dtype().size_bytes() as usize;
        offsets
            .iter()
            .flat_map(|&offset| bytes[offset as usize..][..size].to_vec())
            .collect()
    }
}

/// Zero or one as an element; complex ones have it in both parts.
pub(crate) fn element(dtype: Dtype, one: bool) -> Vec<u8> {
    let small = u8::from(one);
    match dtype {
        Dtype::Bool | Dtype::Int8 | Dtype::Uint8 | Dtype::Bytes => vec![small],
        Dtype::Int16 | Dtype::Uint16 => u16::from(small).to_le_bytes().to_vec(),
        Dtype::Int32 | Dtype::Uint32 => u32::from(small).to_le_bytes().to_vec(),
        Dtype::Int64 | Dtype::Uint64 => u64::from(small).to_le_bytes().to_vec(),
        Dtype::Float16 => half::f16::from_f32(small.into()).to_le_bytes().to_vec(),
        Dtype::Float32 => f32::from(small).to_le_bytes().to_vec(),
        Dtype::Float64 => f64::from(small).to_le_bytes().to_vec(),
        Dtype::Complex64 => f32::from(small).to_le_bytes().repeat(2),
        Dtype::Complex128 => f64::from(small).to_le_bytes().repeat(2),
    }
}

/// The bytes of an array: its elements by `value` of their index in C order, its gaps filled with 0xee.
pub(crate) fn filled(layout: &ArrayLayout, value: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![0xee; layout.extent_bytes() as usize];
    for (number, offset) in offsets(layout).into_iter().enumerate() {
        let element = value(number);
        bytes[offset as usize..][..element.len()].copy_from_slice(&element);
    }
    bytes
}

/// Where the elements start, in C order of their indices.
pub(crate) fn offsets(layout: &ArrayLayout) -> Vec<u64> {
    let axes = layout.shape().iter().zip(layout.strides());
    axes.fold(vec![0], |offsets, (&len, &stride)| {
        let along = |offset: u64| (0..len).map(move |index| offset + index * stride);
        offsets.into_iter().flat_map(along).collect()
    })
}

/// One shape of some thousand elements in C order, in Fortran order, with axes swapped, and with gaps.
pub(crate) fn layouts(dtype: Dtype) -> Vec<ArrayLayout> {
    let size = dtype.size_bytes();
    let shape = [40, 30, 50];
    let strided = |strides: [u64; 3]| {
        ArrayLayout::strided(dtype, &shape, &strides.map(|stride| stride * size)).unwrap()
    };
    vec![
        ArrayLayout::c_order(dtype, &shape).unwrap(),
        ArrayLayout::fortran_order(dtype, &shape).unwrap(),
        strided([50, 2000, 1]),
        strided([1600, 52, 1]),
        strided([3000, 100, 2]),
        strided([1, 41, 1300]),
    ]
}
