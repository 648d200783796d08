//! Any slicing, any order of merging: the same bits.

use crate::common::{self, plan, run};
use arena_kernels::{
    Dense, ElementType, Elements, FinishError, LEAF_ELEMENTS, MergeError, Outcome, Plan, Value,
    leaf_elements,
};
use proptest::prelude::*;

fn awkward(len: usize) -> Vec<f64> {
    (0..len)
        .map(|i| ((i * 7_919 % 10_007) as f64 - 5_000.0) * 10_f64.powi((i % 23) as i32 - 11))
        .collect()
}

/// Cuts `leaves` at `cuts` and gives the partial results in the order of `order`'s values.
fn partials(plan: &Plan, data: &[f64], cuts: &[u64], order: &[u64]) -> Vec<Vec<u8>> {
    let leaves = plan.leaves();
    let mut ends: Vec<u64> = cuts.iter().map(|cut| cut % leaves).collect();
    ends.extend([0, leaves]);
    ends.sort_unstable();
    ends.dedup();
    let mut slices: Vec<_> = ends
        .windows(2)
        .enumerate()
        .map(|(i, ends)| (order[i % order.len()], ends[0]..ends[1]))
        .collect();
    slices.sort_by_key(|(key, _)| *key);
    slices
        .into_iter()
        .map(|(_, slice)| {
            // Each slice sees its own elements only, as a worker does.
            let elements = leaf_elements(&slice, plan.elements());
            let own = &data[elements.start as usize..elements.end as usize];
            let mut source = Dense {
                first: elements.start,
                ..Dense::one(Elements::F64(own))
            };
            plan.reduce(&[], slice, &mut source).unwrap().into_bytes()
        })
        .collect()
}

proptest! {
    #[test]
    fn every_slicing_gives_the_same_bits(
        len in 1_usize..40 * LEAF_ELEMENTS as usize,
        cuts in prop::collection::vec(any::<u64>(), 0..20),
        order in prop::collection::vec(any::<u64>(), 1..20),
    ) {
        let data = awkward(len);
        for kernel in common::single_pass_reductions() {
            let plan = plan(kernel, ElementType::Float64, &[len as u64], &[]);
            let whole = run(&plan, &mut Dense::one(Elements::F64(&data)));
            let mut merger = plan.merger(&[]).unwrap();
            for partials in partials(&plan, &data, &cuts, &order) {
                prop_assert!(!merger.is_complete());
                merger.insert(&partials).unwrap();
                let again = merger.insert(&partials);
                prop_assert!(matches!(again, Err(MergeError::Overlap { .. })), "inserted twice");
            }
            prop_assert!(merger.is_complete());
            let Outcome::Value(Value::Float(merged)) = merger.finish().unwrap() else {
                panic!("one pass gives a float");
            };
            let Ok(Value::Float(whole)) = whole else {
                panic!("one pass gives a float");
            };
            prop_assert_eq!(merged.to_bits(), whole.to_bits(), "{}", kernel);
        }
    }

    /// A worker may send anything: an error at most.
    #[test]
    fn hostile_partials_are_refused_or_merged_but_never_panic(
        mut words in prop::collection::vec(any::<u64>(), 0..12),
        start in 0_u64..9,
        end in 0_u64..9,
        claims_leaves in any::<bool>(),
    ) {
        if claims_leaves && words.len() > 1 {
            words[0] = start;
            words[1] = end;
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        for kernel in common::reductions() {
            let plan = plan(kernel, ElementType::Float64, &[7 * LEAF_ELEMENTS], &[]);
            let mut merger = plan.merger(&[]).unwrap();
            let inserted = merger.insert(&bytes);
            prop_assert_eq!(inserted.is_ok(), merger.covered() > 0);
            if let Some(cut) = bytes.len().checked_sub(1) {
                prop_assert!(merger.insert(&bytes[..cut]).is_err());
            }
            let _ = merger.finish();
        }
    }
}

#[test]
fn what_is_missing_is_told() {
    let data = awkward(5 * LEAF_ELEMENTS as usize);
    let plan = plan("sum", ElementType::Float64, &[data.len() as u64], &[]);
    let mut source = Dense::one(Elements::F64(&data));
    let mut part = |leaves| plan.reduce(&[], leaves, &mut source).unwrap().into_bytes();
    let mut merger = plan.merger(&[]).unwrap();
    assert_eq!(merger.first_missing(), Some(0..5));
    merger.insert(&part(3..4)).unwrap();
    assert_eq!(merger.first_missing(), Some(0..3));
    merger.insert(&part(0..2)).unwrap();
    assert_eq!(merger.first_missing(), Some(2..3));
    assert!(
        merger.is_missing(&(2..3)) && !merger.is_missing(&(1..3)) && !merger.is_missing(&(2..4))
    );
    assert_eq!(merger.covered(), 3);
    merger.insert(&part(2..3)).unwrap();
    assert_eq!(merger.first_missing(), Some(4..5));
    assert_eq!(
        merger.finish(),
        Err(FinishError::Incomplete { missing: 4..5 })
    );
}

/// Counts that exceed the elements could overflow when they are added up.
#[test]
fn impossible_counts_are_refused() {
    let range = [("bins", Value::Int(2)), ("range", Value::Ints(vec![0, 1]))];
    let plan = plan(
        "histogram",
        ElementType::Float64,
        &[2 * LEAF_ELEMENTS],
        &range,
    );
    let mut merger = plan.merger(&[]).unwrap();
    let bytes = |words: [u64; 4]| words.map(u64::to_le_bytes).concat();
    for counts in [[u64::MAX, 1], [LEAF_ELEMENTS, 1], [u64::MAX, u64::MAX]] {
        let refused = merger.insert(&bytes([0, 1, counts[0], counts[1]]));
        assert!(matches!(refused, Err(MergeError::Partials(_))));
    }
    merger.insert(&bytes([0, 1, LEAF_ELEMENTS - 1, 1])).unwrap();
    merger.insert(&bytes([1, 2, 0, 0])).unwrap();
    assert!(merger.finish().is_ok());
}
