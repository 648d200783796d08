//! What tests of other modules need of the kernels.

use std::collections::BTreeMap;

use crate::element::ElementType;
use crate::pass::Pass;
use crate::plan::InputSpec;

/// A pass whose nodes form a tree.
pub(crate) fn sum_rule_pass() -> Box<dyn Pass> {
    let spec = InputSpec {
        element: ElementType::Float64,
        shape: &[1],
    };
    let plan = super::sum::SIGNATURE
        .plan(&[spec], &BTreeMap::new())
        .unwrap();
    plan.pass(&[]).unwrap().unwrap()
}
