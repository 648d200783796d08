//! Sums in 64-bit integers, for `sum` and `dot`.

use crate::merge::Outcome;
use crate::pass::{DataError, Pass, Sizes};
use crate::reduce::Operands;
use crate::value::Value;

/// Node: the sum, wrapped.
#[derive(Debug)]
pub(crate) struct IntSum {
    pub(crate) leaf: fn(&Operands<'_>) -> u64,
    pub(crate) gives: Gives,
}

/// What the sum stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gives {
    Signed,
    Unsigned,
    /// Whether it is not 0.
    Truth,
}

impl Pass for IntSum {
    fn words(&self) -> usize {
        1
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]) {
        node[0] = node[0].wrapping_add((self.leaf)(operands));
    }

    fn combine(&self, left: &mut [u64], right: &[u64], _: Sizes) {
        left[0] = left[0].wrapping_add(right[0]);
    }

    fn is_sound(&self, _: &[u64], _: u64) -> bool {
        true
    }

    fn finish(&self, root: Option<&[u64]>) -> Result<Outcome, DataError> {
        let word = root.map_or(0, |node| node[0]);
        Ok(Outcome::Value(match self.gives {
            Gives::Signed => Value::Int(word.cast_signed()),
            Gives::Unsigned => Value::Uint(word),
            Gives::Truth => Value::Bool(word != 0),
        }))
    }
}
