//! Finding bins quickly, where the bin is beyond doubt.
//!
//! Position `t = (x - first) * scale` counts bins. Where `t` is farther from the nearest integer than every rounding error of edges
//! and of `t` itself can reach, the bin is its integral part; elements nearer to an edge are marked, for the caller to compare with
//! the edges.

use crate::loops::vectorised;
use crate::loops::widen::Widen;

/// Adding it to a position rounds that to an integer, which then stands in the low bits.
const TWO_TO_52: f64 = (1_u64 << 52) as f64;

/// Bins of equal width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ruler {
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// Bins per unit.
    pub(crate) scale: f64,
    /// How near to an edge, in bins, doubt begins.
    pub(crate) doubt: f64,
    /// The slot of elements outside `first..=last`, NaNs among them.
    pub(crate) outside: u32,
    /// The slot of elements near an edge.
    pub(crate) doubtful: u32,
}

/// Elements whose slots are found before they are counted: few enough that the processor counts one block while it waits for
/// the next to come from memory.
const BLOCK: usize = 128;

vectorised! {
    /// Counts the slots of elements in four tables of equal length, so that equal slots in a row do not wait for each other, and lists
    /// the numbers of doubtful elements.
    pub(crate) fn tally<T: Widen>(elements: &[T], ruler: &Ruler, tables: &mut [u32], doubtful: &mut Vec<usize>) {
        let mut slots = [0; BLOCK];
        let (blocks, rest) = elements.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            if find_slots(block, ruler, &mut slots) {
                list(&slots, ruler, number * BLOCK, doubtful);
            }
            count(&slots, tables);
        }
        let slots = &mut slots[..rest.len()];
        if find_slots(rest, ruler, slots) {
            list(slots, ruler, blocks.len() * BLOCK, doubtful);
        }
        count(slots, tables);
    }
}

/// The slot of each element, and whether any is doubtful.
#[inline(always)]
fn find_slots<T: Widen>(elements: &[T], ruler: &Ruler, slots: &mut [u32]) -> bool {
    let mut any_doubt = false;
    for (slot, element) in slots.iter_mut().zip(elements) {
        let x = element.widen();
        let position = (x - ruler.first) * ruler.scale;
        let shifted = position + TWO_TO_52;
        let from_edge = position - (shifted - TWO_TO_52);
        let nearest = shifted.to_bits() as u32;
        let bin = nearest.wrapping_sub(u32::from(from_edge < 0.0));
        let is_inside = (x >= ruler.first) & (x <= ruler.last);
        let is_doubtful = is_inside & (from_edge.abs() <= ruler.doubt);
        any_doubt |= is_doubtful;
        let inside = if is_doubtful { ruler.doubtful } else { bin };
        *slot = if is_inside { inside } else { ruler.outside };
    }
    any_doubt
}

#[inline(always)]
fn count(slots: &[u32], tables: &mut [u32]) {
    let width = tables.len() / 4;
    let (ab, cd) = tables.split_at_mut(2 * width);
    let ((a, b), (c, d)) = (ab.split_at_mut(width), cd.split_at_mut(width));
    let (fours, rest) = slots.as_chunks::<4>();
    for four in fours {
        a[four[0] as usize] += 1;
        b[four[1] as usize] += 1;
        c[four[2] as usize] += 1;
        d[four[3] as usize] += 1;
    }
    for slot in rest {
        a[*slot as usize] += 1;
    }
}

#[cold]
fn list(slots: &[u32], ruler: &Ruler, first: usize, doubtful: &mut Vec<usize>) {
    let is_doubtful = |(_, slot): &(usize, &u32)| **slot == ruler.doubtful;
    let numbers = slots.iter().enumerate().filter(is_doubtful);
    doubtful.extend(numbers.map(|(number, _)| first + number));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loops::testing::awkward_floats;

    const RULER: Ruler = Ruler {
        first: -2.0,
        last: 8.0,
        scale: 10.0,
        doubt: 1e-6,
        outside: 100,
        doubtful: 101,
    };

    #[test]
    fn every_level_counts_the_same() {
        type Tally = fn(&[f64], &Ruler, &mut [u32], &mut Vec<usize>);
        let mut floats = awkward_floats(1_001);
        floats[900] = 3.5;
        floats[1_000] = 8.0;
        let levels: [Tally; 3] = [tally::portable, tally::best, tally::avx2];
        let [portable, best, avx2] = levels.map(|level| {
            let (mut tables, mut doubtful) = (vec![0; 4 * 102], Vec::new());
            level(&floats, &RULER, &mut tables, &mut doubtful);
            (tables, doubtful)
        });
        assert_eq!(portable.1, [900, 1_000]);
        assert_eq!(best, portable);
        assert_eq!(avx2, portable);
    }

    #[test]
    fn edges_are_doubtful_and_the_rest_is_counted() {
        let elements = [
            -2.0,
            -1.95,
            -1.9,
            7.99,
            8.0,
            8.1,
            f64::NAN,
            -3.0,
            f64::INFINITY,
        ];
        let (mut tables, mut doubtful) = (vec![0; 4 * 102], Vec::new());
        tally::best(&elements, &RULER, &mut tables, &mut doubtful);
        let total = |slot: usize| (0..4).map(|table| tables[table * 102 + slot]).sum::<u32>();
        assert_eq!([total(0), total(99), total(100), total(101)], [1, 1, 4, 3]);
        assert_eq!(doubtful, [0, 2, 4]);
    }
}
