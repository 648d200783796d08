//! Objects as peers see them.

use serde::{Deserialize, Serialize};

use crate::array::ArrayLayout;
use crate::id::ObjectId;
use crate::layout::CellRange;
use crate::name::ObjectName;
use crate::offset::Extent;

/// Asks for a new object. A name is reserved at once and found by others from the seal on (shared objects: at once).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Create {
    /// Element type, shape and strides.
    pub layout: ArrayLayout,
    /// The name, or none for an object that lives as long as somebody looks at it.
    #[serde(default)]
    pub name: Option<ObjectName>,
    /// Makes the object shared and mutable under slice locks.
    #[serde(default)]
    pub sharing: Option<Sharing>,
}

/// How a shared object is cut into stripes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sharing {
    /// The axis that stripes cut.
    #[serde(default)]
    pub lock_axis: u8,
    /// How many stripes; unless told the smaller of the axis' length and 256.
    #[serde(default)]
    pub stripes: Option<u32>,
    /// Keeps a copy of each stripe while it is written, so that a dead writer's stripe can be rolled back.
    #[serde(default)]
    pub before_images: bool,
}

/// The lock cells of a shared object. Stripe `i` of `count` covers `[i * n / count, (i + 1) * n / count)` of an axis of length `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stripes {
    /// The axis that stripes cut.
    pub axis: u8,
    /// Index of the first stripe's cell in the locks file.
    pub first_cell: u32,
    /// How many stripes, one cell each.
    pub count: u32,
}

impl Stripes {
    /// The cells of a range of stripes that exist.
    #[must_use]
    #[inline]
    pub fn cells(&self, stripes: std::ops::Range<u32>) -> CellRange {
        CellRange::from(self.first_cell + stripes.start..self.first_cell + stripes.end)
    }

    /// The indices along the axis, of length `axis_len`, that stripe `stripe` covers.
    #[must_use]
    pub fn indices(&self, stripe: u32, axis_len: u64) -> std::ops::Range<u64> {
        let bound = |i: u32| (u128::from(axis_len) * u128::from(i) / u128::from(self.count)) as u64;
        bound(stripe)..bound(stripe + 1)
    }

    /// The stripes that hold an index of `indices`, of an axis of length `axis_len`.
    #[must_use]
    #[inline]
    pub fn covering(&self, indices: std::ops::Range<u64>, axis_len: u64) -> std::ops::Range<u32> {
        if indices.is_empty() {
            return 0..0;
        }
        let first = self.stripe_of(indices.start, axis_len);
        let last = match indices.end - 1 {
            index if index == indices.start => first,
            index => self.stripe_of(index, axis_len),
        };
        first..last + 1
    }

    #[inline]
    fn stripe_of(&self, index: u64, axis_len: u64) -> u32 {
        // The largest i with floor(i * n / count) <= index. In 64 bits where they hold it: this is part of every lock.
        let next = match (index + 1).checked_mul(u64::from(self.count)) {
            Some(next) => u128::from(next.div_ceil(axis_len)),
            None => {
                let next = (u128::from(index) + 1) * u128::from(self.count);
                next.div_ceil(u128::from(axis_len))
            }
        };
        (next - 1) as u32
    }
}

/// Where an object is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectState {
    /// Granted to its producer, seen by nobody else.
    Filling,
    /// Immutable.
    Sealed,
    /// Mutable under slice locks.
    Shared,
    /// Out of the name space, kept for those who still look at it.
    Removed,
    /// Unsealed leftovers of a session that closed while its process lives.
    Lingering,
}

/// An object as the supervisor describes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Object {
    /// Row and generation.
    pub id: ObjectId,
    /// The name, if it has one.
    pub name: Option<ObjectName>,
    /// Element type, shape and strides.
    pub layout: ArrayLayout,
    /// Where its bytes lie: page-aligned start, exact length.
    pub extent: Extent,
    /// Where it is in its life.
    pub state: ObjectState,
    /// Its lock cells, for shared objects.
    pub stripes: Option<Stripes>,
    /// The companion extent for before-images, if the object keeps them. Same offsets within it as within `extent`.
    pub image: Option<Extent>,
    /// The uid it is charged to.
    pub uid: u32,
    /// How many sessions look at it.
    pub pins: u32,
}

/// How a request names an object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// By name.
    Name(ObjectName),
    /// By row and generation.
    Id(ObjectId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_tile_the_axis_and_covering_finds_them() {
        for (axis_len, count) in [
            (1u64, 1u32),
            (7, 3),
            (256, 256),
            (1000, 256),
            (1 << 40, 255),
        ] {
            let stripes = Stripes {
                axis: 0,
                first_cell: 0,
                count,
            };
            let mut expected_start = 0;
            for stripe in 0..count {
                let indices = stripes.indices(stripe, axis_len);
                assert_eq!(indices.start, expected_start);
                assert_eq!(
                    stripes.covering(indices.start..indices.start + 1, axis_len),
                    stripe..stripe + 1
                );
                assert_eq!(
                    stripes.covering(indices.end - 1..indices.end, axis_len),
                    stripe..stripe + 1
                );
                expected_start = indices.end;
            }
            assert_eq!(expected_start, axis_len);
            assert_eq!(stripes.covering(0..axis_len, axis_len), 0..count);
        }
    }
}
