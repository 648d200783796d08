//! Rows of the object table.
//!
//! A row consists of a fixed part, which is written once for each generation, and of two halves for what may change during the
//! life of an object; the state word says which half is valid. A change writes the other half and then the state word, so that
//! a kill at any instruction leaves the old row or the new one.

use super::checksum::{StateWord, WRITING, state_word};
use super::{CELL_COUNT, Geometry, shared_struct};
use crate::array::{ArrayLayout, LayoutError, NDIM_MAX};
use crate::dtype::Dtype;
use crate::id::SessionId;
use crate::name::{NameError, ObjectName};
use crate::offset::{Extent, Offset};
use crate::placement::placement;

shared_struct! {
    /// What never changes while a generation lives.
    pub struct ObjectFixed {
        /// Counts the uses of the row, from 1.
        pub generation: u64,
        /// Where the object begins.
        pub offset: u64,
        /// Bytes of the object, before rounding up to pages.
        pub len: u64,
        /// The length of each dimension, filled up with zeros.
        pub shape: [u64; 8],
        /// Bytes from one index to the next, filled up with zeros.
        pub strides: [u64; 8],
        /// The user who is charged.
        pub owner_uid: u32,
        /// The element type's code.
        pub dtype: u8,
        /// How many dimensions.
        pub ndim: u8,
        /// Bytes of the name; zero for an unnamed object.
        pub name_len: u8,
        /// Zero.
        pub reserved: u8,
        /// The name, filled up with zeros.
        pub name: [u8; 128],
    }
}

shared_struct! {
    /// What may change while a generation lives.
    pub struct ObjectTwin {
        /// The session that is charged.
        pub session: u64,
        /// Where the before-images begin.
        pub image_offset: u64,
        /// Bytes of the before-images; zero where the object keeps none.
        pub image_len: u64,
        /// The first lock cell.
        pub cells_first: u32,
        /// How many lock cells; zero where the object has none.
        pub cells_count: u32,
        /// Bits whose meaning is the supervisor's.
        pub flags: u32,
        /// The axis that stripes cut.
        pub lock_axis: u8,
        /// Zero.
        pub reserved: [u8; 3],
    }
}

shared_struct! {
    /// One row of the object table.
    pub struct RawObject {
        /// State, valid half and checksum in one word; zero where the row was never used.
        pub state: u64,
        /// What never changes.
        pub fixed: ObjectFixed,
        /// What may change, twice.
        pub twins: [ObjectTwin; 2],
        /// Zero.
        pub reserved: [u8; 136],
    }
}

const _: () = assert!(size_of::<ObjectFixed>() == 288);
const _: () = assert!(size_of::<ObjectTwin>() == 40);
const _: () = assert!(size_of::<RawObject>() == 512);
const _: () = assert!(core::mem::offset_of!(RawObject, state) == 0);
const _: () = assert!(NDIM_MAX == 8 && ObjectName::BYTES_MAX == 128);

/// Where an object stands. Only the supervisor moves it; see the module documentation of [`crate::table`] for what a crash in
/// each state leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectState {
    /// The row and its extent are free; only the generation counts.
    Free = 1,
    /// A producer writes it. Nothing of it survives its producer or a restart.
    Filling = 2,
    /// Immutable.
    Sealed = 3,
    /// Mutable under locks.
    Shared = 4,
    /// Its name is gone; the extent waits for the last pin.
    Removed = 5,
    /// Its session is closed, but a living process may still map the extent.
    Lingering = 6,
}

impl ObjectState {
    /// Every state, in the order of their codes.
    pub const ALL: [Self; 6] = [
        Self::Free,
        Self::Filling,
        Self::Sealed,
        Self::Shared,
        Self::Removed,
        Self::Lingering,
    ];

    /// The state that `code` stands for, or `None`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == code)
    }

    /// Whether an object in this state can be found by its name.
    #[must_use]
    pub const fn is_published(self) -> bool {
        matches!(self, Self::Sealed | Self::Shared)
    }
}

/// The lock cells of an object: a contiguous range of the locks file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CellRange {
    /// The first cell.
    pub first: u32,
    /// How many; zero where the object has none.
    pub count: u32,
}

impl From<core::ops::Range<u32>> for CellRange {
    fn from(cells: core::ops::Range<u32>) -> Self {
        Self {
            first: cells.start,
            count: cells.end - cells.start,
        }
    }
}

/// A valid row of the object table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    /// Where the object stands; never [`ObjectState::Free`].
    pub state: ObjectState,
    /// Which use of the row this is, from 1.
    pub generation: u64,
    /// Where its bytes lie; `len` is what the layout spans, not rounded.
    pub extent: Extent,
    /// What its bytes mean.
    pub layout: ArrayLayout,
    /// Its name.
    pub name: Option<ObjectName>,
    /// The user who is charged.
    pub owner_uid: u32,
    /// The session that is charged.
    pub session: SessionId,
    /// Its lock cells.
    pub cells: CellRange,
    /// The axis that stripes cut.
    pub lock_axis: u8,
    /// Where its before-images lie; `len` zero where it keeps none.
    pub image: Extent,
    /// Bits whose meaning is the supervisor's.
    pub flags: u32,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum RowError {
    #[error("the checksum does not match")]
    Checksum,
    #[error("the state has no meaning: {0}")]
    State(u8),
    #[error("reserved bytes are not zero")]
    Reserved,
    #[error("the generation is out of range: {0}")]
    Generation(u64),
    #[error("the element type has no meaning: {0}")]
    Dtype(u8),
    #[error("the layout is not valid: {0}")]
    Layout(#[from] LayoutError),
    #[error("the extent has {len} bytes where the layout spans {expected}")]
    Length { len: u64, expected: u64 },
    #[error("the extent leaves the arena or is not aligned: offset {offset}, {len} bytes")]
    Extent { offset: u64, len: u64 },
    #[error("the name is not valid: {0}")]
    Name(#[from] NameError),
    #[error("the name is not valid UTF-8 or longer than its field")]
    NameBytes,
    #[error("the lock cells are out of range: {count} from {first}")]
    Cells { first: u32, count: u32 },
    #[error("the lock axis is out of range: {0}")]
    LockAxis(u8),
    #[error("the process is not valid: {0}")]
    Process(&'static str),
    #[error("overlaps row {other}")]
    Overlap { other: u32 },
    #[error("has the same name as row {other}: {name:?}")]
    NameTwice { other: u32, name: ObjectName },
    #[error("shares lock cells with row {other}")]
    CellsTwice { other: u32 },
}

/// Generations stay below this, so that counting one up never overflows.
const GENERATION_MAX: u64 = 1 << 62;

/// What a row of the file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodedObject {
    /// Never used.
    Unused,
    /// Free; the last use was this generation (or one that was never published).
    Free {
        /// The last generation.
        generation: u64,
    },
    /// In use, with the half that is valid.
    Used {
        /// The row.
        row: Box<ObjectRow>,
        /// The valid half.
        half: usize,
    },
}

impl RawObject {
    /// The fixed part of `row`.
    #[must_use]
    pub fn fixed_of(row: &ObjectRow) -> ObjectFixed {
        let mut fixed = ObjectFixed {
            generation: row.generation,
            offset: row.extent.offset.get(),
            len: row.extent.len,
            owner_uid: row.owner_uid,
            dtype: row.layout.dtype().code(),
            ndim: row.layout.shape().len() as u8,
            ..bytemuck::Zeroable::zeroed()
        };
        fixed.shape[..row.layout.shape().len()].copy_from_slice(row.layout.shape());
        fixed.strides[..row.layout.strides().len()].copy_from_slice(row.layout.strides());
        if let Some(name) = &row.name {
            let text = name.as_str().as_bytes();
            fixed.name_len = text.len() as u8;
            fixed.name[..text.len()].copy_from_slice(text);
        }
        fixed
    }

    /// The changeable part of `row`.
    #[must_use]
    pub fn twin_of(row: &ObjectRow) -> ObjectTwin {
        ObjectTwin {
            session: row.session.0,
            image_offset: row.image.offset.get(),
            image_len: row.image.len,
            cells_first: row.cells.first,
            cells_count: row.cells.count,
            flags: row.flags,
            lock_axis: row.lock_axis,
            reserved: [0; 3],
        }
    }

    /// The state word for a row in use.
    #[must_use]
    pub fn used_word(
        index: u32,
        state: ObjectState,
        half: usize,
        fixed: &ObjectFixed,
        twin: &ObjectTwin,
    ) -> u64 {
        let word = StateWord {
            code: state as u8,
            half,
        };
        let parts: [&[u64]; 2] = [
            bytemuck::cast_slice(core::slice::from_ref(fixed)),
            bytemuck::cast_slice(core::slice::from_ref(twin)),
        ];
        state_word(index, word, &parts)
    }

    /// The state word for a free row whose last use was `generation`.
    #[must_use]
    pub fn free_word(index: u32, generation: u64) -> u64 {
        let word = StateWord {
            code: ObjectState::Free as u8,
            half: 0,
        };
        state_word(index, word, &[&[generation]])
    }

    /// Checks the row `index`, trusting nothing in it.
    ///
    /// # Errors
    /// [`RowError`] for whatever no kill of a writer could have left.
    pub fn decode(&self, index: u32, geometry: Geometry) -> Result<DecodedObject, RowError> {
        if self.reserved.iter().any(|&byte| byte != 0) {
            return Err(RowError::Reserved);
        }
        if self.state == 0 {
            return match bytemuck::bytes_of(self).iter().all(|&byte| byte == 0) {
                true => Ok(DecodedObject::Unused),
                false => Err(RowError::Checksum),
            };
        }
        let generation = self.fixed.generation;
        if generation >= GENERATION_MAX {
            return Err(RowError::Generation(generation));
        }
        if self.state == WRITING {
            return Ok(DecodedObject::Free { generation });
        }
        let word = StateWord::parse(self.state);
        match ObjectState::from_code(word.code) {
            None => Err(RowError::State(word.code)),
            Some(ObjectState::Free) if self.state == Self::free_word(index, generation) => {
                Ok(DecodedObject::Free { generation })
            }
            Some(ObjectState::Free) => Err(RowError::Checksum),
            Some(state) => {
                let twin = &self.twins[word.half];
                if self.state != Self::used_word(index, state, word.half, &self.fixed, twin) {
                    return Err(RowError::Checksum);
                }
                let row = Box::new(decode_row(state, &self.fixed, twin, geometry)?);
                Ok(DecodedObject::Used {
                    row,
                    half: word.half,
                })
            }
        }
    }
}

fn decode_row(
    state: ObjectState,
    fixed: &ObjectFixed,
    twin: &ObjectTwin,
    geometry: Geometry,
) -> Result<ObjectRow, RowError> {
    if fixed.reserved != 0 || twin.reserved != [0; 3] {
        return Err(RowError::Reserved);
    }
    if fixed.generation == 0 {
        return Err(RowError::Generation(0));
    }
    let layout = decode_layout(fixed)?;
    let extent = decode_extent(fixed.offset, fixed.len, geometry)?;
    if extent.len != layout.extent_bytes() {
        let expected = layout.extent_bytes();
        return Err(RowError::Length {
            len: extent.len,
            expected,
        });
    }
    if usize::from(twin.lock_axis) >= layout.shape().len().max(1) {
        return Err(RowError::LockAxis(twin.lock_axis));
    }
    Ok(ObjectRow {
        state,
        generation: fixed.generation,
        extent,
        name: decode_name(fixed)?,
        owner_uid: fixed.owner_uid,
        session: SessionId(twin.session),
        cells: decode_cells(twin)?,
        lock_axis: twin.lock_axis,
        image: decode_extent(twin.image_offset, twin.image_len, geometry)?,
        flags: twin.flags,
        layout,
    })
}

fn decode_layout(fixed: &ObjectFixed) -> Result<ArrayLayout, RowError> {
    let dtype = Dtype::from_code(fixed.dtype).ok_or(RowError::Dtype(fixed.dtype))?;
    let ndim = usize::from(fixed.ndim);
    if ndim > NDIM_MAX {
        return Err(LayoutError::TooManyDimensions { ndim }.into());
    }
    Ok(ArrayLayout::strided(
        dtype,
        &fixed.shape[..ndim],
        &fixed.strides[..ndim],
    )?)
}

fn decode_extent(offset: u64, len: u64, geometry: Geometry) -> Result<Extent, RowError> {
    let start = Offset::new(offset);
    match Extent::new(start, len) {
        Some(extent)
            if start.is_aligned(placement(len).alignment)
                && extent.end().get() <= geometry.arena_bytes() =>
        {
            Ok(extent)
        }
        _ => Err(RowError::Extent { offset, len }),
    }
}

fn decode_name(fixed: &ObjectFixed) -> Result<Option<ObjectName>, RowError> {
    let len = usize::from(fixed.name_len);
    let (text, rest) = fixed
        .name
        .split_at_checked(len)
        .ok_or(RowError::NameBytes)?;
    if rest.iter().any(|&byte| byte != 0) {
        return Err(RowError::NameBytes);
    }
    if text.is_empty() {
        return Ok(None);
    }
    let text = core::str::from_utf8(text).map_err(|_| RowError::NameBytes)?;
    Ok(Some(text.parse()?))
}

fn decode_cells(twin: &ObjectTwin) -> Result<CellRange, RowError> {
    let (first, count) = (twin.cells_first, twin.cells_count);
    match first.checked_add(count) {
        Some(end) if end <= CELL_COUNT => Ok(CellRange { first, count }),
        _ => Err(RowError::Cells { first, count }),
    }
}
