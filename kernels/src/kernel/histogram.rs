//! `histogram`.

use std::collections::BTreeMap;

use crate::element::ElementType;
use crate::elements::Elements;
use crate::elements::on_numbers;
use crate::kernel::extremes::{leaf_extreme, merge};
use crate::kernel::grid::{Grid, Range};
use crate::loops::binning::{Ruler, tally};
use crate::loops::extremes::{Greatest, Least};
use crate::loops::widen::Widen;
use crate::merge::Outcome;
use crate::pass::{BadState, DataError, Pass, Sizes};
use crate::plan::Plan;
use crate::reduce::Operands;
use crate::reject::Reject;
use crate::signature::{Body, Fallback, Input, Param, ParamKind, Signature};
use crate::value::Value;

/// The counts of as many bins fit into partial results of 64 KiB.
const BINS_MAX: i64 = 8_000;

pub(crate) static SIGNATURE: Signature = Signature {
    name: "histogram",
    summary: "how many elements lie in each of several bins of equal width",
    doc: "
As numpy.histogram, with its counts exactly: bin k holds edges[k] <= x < edges[k + 1], the last one its upper edge too. Elements outside
the range and NaNs are not counted. Without a range the data's own is found in a pass of its own; it has to be finite.
Equal ends of a range are moved apart by 1/2 each; without elements the range is 0 to 1. Edges are rounded to the element type if that is a
float, and have to differ from each other. A range of integers has to lie within -2^53..2^53.
There are at most 8,000 bins, so that what a worker sends of a slice stays below 64 KiB.",
    inputs: &[Input {
        name: "x",
        doc: "what to count",
        elements: &ElementType::REAL,
    }],
    params: &[
        Param {
            name: "bins",
            doc: "how many bins",
            kind: ParamKind::Int {
                min: 1,
                max: BINS_MAX,
            },
            fallback: Fallback::Int(10),
        },
        Param {
            name: "range",
            doc: "the outer edges; the data's least and greatest element where left out",
            kind: ParamKind::Range,
            fallback: Fallback::Absent,
        },
    ],
    result: "a record of counts (a list of int64) and edges (a list of float64, one more)",
    check,
    body: Body::Reduce(pass),
};

fn check(plan: &Plan) -> Result<(), Reject> {
    let Some(given) = plan.param("range") else {
        return Ok(());
    };
    let refuse = |accepted: &str| Reject::Param {
        kernel: SIGNATURE.name,
        param: "range",
        accepted: accepted.to_owned(),
        given: given.to_string(),
    };
    let range =
        known_range(plan).ok_or_else(|| refuse("integers within -2^53..2^53, or floats"))?;
    Grid::new(plan.element(), bins(plan), range)
        .map(drop)
        .ok_or_else(|| refuse("a range that has as many bins of finite size in the element type"))
}

/// The range where it does not depend on the elements.
fn known_range(plan: &Plan) -> Option<Range> {
    let (first, last) = match plan.param("range") {
        Some(Value::Floats(ends)) => (ends[0], ends[1]),
        Some(Value::Ints(ends)) if ends.iter().all(|end| end.unsigned_abs() < 1 << 53) => {
            (ends[0] as f64, ends[1] as f64)
        }
        None if plan.elements() == 0 => (0.0, 1.0),
        _ => return None,
    };
    Some(Range::new(first, last, plan.element(), false))
}

fn bins(plan: &Plan) -> usize {
    match plan.param("bins") {
        Some(Value::Int(bins)) => usize::try_from(*bins).expect("the signature bounds it"),
        _ => unreachable!("the signature gives integers, and one where none was given"),
    }
}

fn pass(plan: &Plan, state: &[u8]) -> Result<Box<dyn Pass>, BadState> {
    let (element, bins) = (plan.element(), bins(plan));
    let range = match known_range(plan) {
        Some(range) => {
            BadState::unless_first(state)?;
            range
        }
        None if state.is_empty() => return Ok(Box::new(RangePass { element, bins })),
        None => decode(state).ok_or(BadState)?,
    };
    let grid = Grid::new(element, bins, range).ok_or(BadState)?;
    Ok(Box::new(CountPass {
        ruler: grid.ruler(),
        grid,
    }))
}

/// The first pass: finds the data's range. Node: the least and the greatest element, two words each.
#[derive(Debug)]
struct RangePass {
    element: ElementType,
    bins: usize,
}

impl Pass for RangePass {
    fn words(&self) -> usize {
        4
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]) {
        let elements = operands.first();
        let (least, greatest) = node.split_at_mut(2);
        if let Some(word) = leaf_extreme::<Least>(&elements) {
            merge::<Least>(self.element, least, word);
        }
        if let Some(word) = leaf_extreme::<Greatest>(&elements) {
            merge::<Greatest>(self.element, greatest, word);
        }
    }

    fn combine(&self, left: &mut [u64], right: &[u64], _: Sizes) {
        let (least, greatest) = left.split_at_mut(2);
        merge::<Least>(self.element, least, right[1]);
        merge::<Greatest>(self.element, greatest, right[3]);
    }

    fn is_sound(&self, node: &[u64], _: u64) -> bool {
        node[0] == 1 && node[2] == 1
    }

    fn finish(&self, root: Option<&[u64]>) -> Result<Outcome, DataError> {
        let (least, greatest) = root.map_or((0, 0), |node| (node[1], node[3]));
        let range = self.own_range(least, greatest)?;
        match Grid::new(self.element, self.bins, range) {
            Some(_) => Ok(Outcome::AnotherPass(encode(range))),
            None => Err(DataError::TooManyBins {
                bins: self.bins as u64,
            }),
        }
    }
}

impl RangePass {
    fn own_range(&self, least: u64, greatest: u64) -> Result<Range, DataError> {
        if self.element.is_float() {
            let (min, max) = (f64::from_bits(least), f64::from_bits(greatest));
            if min.is_finite() && max.is_finite() {
                return Ok(Range::new(min, max, self.element, true));
            }
            return Err(DataError::RangeNotFinite { min, max });
        }
        let (first, last) = if self.element.is_unsigned() {
            (least as f64, greatest as f64)
        } else {
            (least.cast_signed() as f64, greatest.cast_signed() as f64)
        };
        if least == greatest {
            return Ok(Range::new(first, last, self.element, true));
        }
        Ok(Range {
            first,
            last,
            width: greatest.wrapping_sub(least) as f64,
            is_own: true,
        })
    }
}

fn encode(range: Range) -> Vec<u8> {
    [range.first, range.last, range.width]
        .iter()
        .flat_map(|value| value.to_bits().to_le_bytes())
        .collect()
}

fn decode(state: &[u8]) -> Option<Range> {
    let (words, []) = state.as_chunks::<8>() else {
        return None;
    };
    let [first, last, width] = words else {
        return None;
    };
    let value = |word: &[u8; 8]| f64::from_bits(u64::from_le_bytes(*word));
    Some(Range {
        first: value(first),
        last: value(last),
        width: value(width),
        is_own: true,
    })
}

/// Counts. Node: the count of each bin.
#[derive(Debug)]
struct CountPass {
    grid: Grid,
    ruler: Option<Ruler>,
}

impl Pass for CountPass {
    fn words(&self) -> usize {
        self.grid.bins()
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]) {
        on_numbers!(operands.first(), x => match &self.ruler {
            Some(ruler) => self.count_by_ruler(x, ruler, node),
            None => self.count_by_edges(x, node),
        });
    }

    fn combine(&self, left: &mut [u64], right: &[u64], _: Sizes) {
        for (left, right) in left.iter_mut().zip(right) {
            *left += right;
        }
    }

    /// Counts of disjoint leaves cannot overflow if none exceeds its elements.
    fn is_sound(&self, node: &[u64], elements: u64) -> bool {
        node.iter()
            .try_fold(0_u64, |sum, count| sum.checked_add(*count))
            .is_some_and(|sum| sum <= elements)
    }

    fn finish(&self, root: Option<&[u64]>) -> Result<Outcome, DataError> {
        let counts = match root {
            Some(node) => node.iter().map(|count| count.cast_signed()).collect(),
            None => vec![0; self.grid.bins()],
        };
        Ok(Outcome::Value(Value::Record(BTreeMap::from([
            ("counts".to_owned(), Value::Ints(counts)),
            ("edges".to_owned(), Value::Floats(self.grid.edges.clone())),
        ]))))
    }
}

impl CountPass {
    fn count_by_edges<T: Widen>(&self, elements: &[T], counts: &mut [u64]) {
        for element in elements {
            if let Some(bin) = self.grid.bin(element.widen()) {
                counts[bin] += 1;
            }
        }
    }

    fn count_by_ruler<T: Widen>(&self, elements: &[T], ruler: &Ruler, counts: &mut [u64]) {
        let width = ruler.doubtful as usize + 1;
        let mut tables = vec![0_u32; 4 * width];
        let mut doubtful = Vec::new();
        tally::best(elements, ruler, &mut tables, &mut doubtful);
        for number in doubtful {
            if let Some(bin) = self.grid.bin(elements[number].widen()) {
                counts[bin] += 1;
            }
        }
        for table in tables.chunks_exact(width) {
            for (count, more) in counts.iter_mut().zip(table) {
                *count += u64::from(*more);
            }
        }
    }
}
