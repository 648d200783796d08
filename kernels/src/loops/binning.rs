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

vectorised! {
    /// The slot of each element.
    pub(crate) fn slots<T: Widen>(elements: &[T], ruler: &Ruler, slots: &mut [u32]) {
        for (slot, element) in slots.iter_mut().zip(elements) {
            let x = element.widen();
            let position = (x - ruler.first) * ruler.scale;
            let shifted = position + TWO_TO_52;
            let from_edge = position - (shifted - TWO_TO_52);
            let nearest = shifted.to_bits() as u32;
            let bin = nearest.wrapping_sub(u32::from(from_edge < 0.0));
            let is_inside = (x >= ruler.first) & (x <= ruler.last);
            let is_sure = from_edge.abs() > ruler.doubt;
            let inside = if is_sure { bin } else { ruler.doubtful };
            *slot = if is_inside { inside } else { ruler.outside };
        }
    }
}

/// Counts slots in four tables in turn, so that equal slots in a row do not wait for each other.
pub(crate) fn tally(slots: &[u32], tables: &mut [u32]) {
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
    fn every_level_finds_the_same_slots() {
        let floats = awkward_floats(1_001);
        let [mut portable, mut best, mut avx2] = [[0; 1_001]; 3];
        slots::portable(&floats, &RULER, &mut portable);
        slots::best(&floats, &RULER, &mut best);
        slots::avx2(&floats, &RULER, &mut avx2);
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
        let mut found = [0; 9];
        slots::best(&elements, &RULER, &mut found);
        assert_eq!(found, [101, 0, 101, 99, 101, 100, 100, 100, 100]);
        let mut tables = [0; 4 * 102];
        tally(&found, &mut tables);
        let total = |slot: usize| (0..4).map(|table| tables[table * 102 + slot]).sum::<u32>();
        assert_eq!([total(0), total(99), total(100), total(101)], [1, 1, 4, 3]);
    }
}
