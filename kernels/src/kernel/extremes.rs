//! Least and greatest elements, for `min`, `max` and the range of `histogram`.

use std::fmt;
use std::marker::PhantomData;

use crate::element::ElementType;
use crate::elements::{Elements, Flag};
use crate::loops::canonical;
use crate::loops::extremes::{Ordered, Pick, better, extreme};
use crate::merge::Outcome;
use crate::pass::{BadState, DataError, Pass, Sizes};
use crate::plan::Plan;
use crate::reduce::Operands;
use crate::reject::Reject;
use crate::value::Value;

/// Refuses arrays without elements, as NumPy does.
pub(crate) fn check(plan: &Plan) -> Result<(), Reject> {
    if plan.elements() > 0 {
        return Ok(());
    }
    let signature = plan.signature();
    Err(Reject::Empty {
        kernel: signature.name,
        input: signature.inputs[0].name,
    })
}

pub(crate) fn pass<P: Pick + fmt::Debug>(
    plan: &Plan,
    state: &[u8],
) -> Result<Box<dyn Pass>, BadState> {
    BadState::unless_first(state)?;
    Ok(Box::new(ExtremePass::<P> {
        element: plan.element(),
        pick: PhantomData,
    }))
}

/// Node: whether there is a value yet, and the value as `to_word` makes it.
#[derive(Debug)]
struct ExtremePass<P> {
    element: ElementType,
    pick: PhantomData<P>,
}

impl<P: Pick + fmt::Debug> Pass for ExtremePass<P> {
    fn words(&self) -> usize {
        2
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn leaf(&self, operands: &Operands<'_>, node: &mut [u64]) {
        if let Some(word) = leaf_extreme::<P>(&operands.first()) {
            merge::<P>(self.element, node, word);
        }
    }

    fn combine(&self, left: &mut [u64], right: &[u64], _: Sizes) {
        merge::<P>(self.element, left, right[1]);
    }

    fn is_sound(&self, node: &[u64], _: u64) -> bool {
        node[0] == 1
    }

    fn finish(&self, root: Option<&[u64]>) -> Result<Outcome, DataError> {
        let word = root.map_or(0, |node| node[1]);
        Ok(Outcome::Value(to_value(self.element, word)))
    }
}

/// Takes another value into a node of two words: whether there is one, and which.
pub(crate) fn merge<P: Pick>(element: ElementType, node: &mut [u64], word: u64) {
    let current = node[1];
    node[1] = if node[0] == 0 {
        word
    } else if element.is_float() {
        better::<f64, P>(f64::from_bits(current), f64::from_bits(word)).to_bits()
    } else if element.is_unsigned() {
        better::<u64, P>(current, word)
    } else {
        better::<i64, P>(current.cast_signed(), word.cast_signed()).cast_unsigned()
    };
    node[0] = 1;
}

/// The picked element of a leaf as a word: integers sign-extended, floats as float64.
pub(crate) fn leaf_extreme<P: Pick>(elements: &Elements<'_>) -> Option<u64> {
    match *elements {
        Elements::Bool(x) => picked::<Flag, P>(bytemuck::cast_slice(x)).map(u64::from),
        Elements::I8(x) => picked::<_, P>(x).map(|x| i64::from(x).cast_unsigned()),
        Elements::I16(x) => picked::<_, P>(x).map(|x| i64::from(x).cast_unsigned()),
        Elements::I32(x) => picked::<_, P>(x).map(|x| i64::from(x).cast_unsigned()),
        Elements::I64(x) => picked::<_, P>(x).map(i64::cast_unsigned),
        Elements::U8(x) => picked::<_, P>(x).map(u64::from),
        Elements::U16(x) => picked::<_, P>(x).map(u64::from),
        Elements::U32(x) => picked::<_, P>(x).map(u64::from),
        Elements::U64(x) => picked::<_, P>(x),
        Elements::F16(x) => picked::<_, P>(x).map(|x| f64::from(x).to_bits()),
        Elements::F32(x) => picked::<_, P>(x).map(|x| f64::from(x).to_bits()),
        Elements::F64(x) => picked::<_, P>(x).map(f64::to_bits),
        Elements::C64(_) | Elements::C128(_) => {
            unreachable!("signatures that look for extremes take no complex numbers")
        }
    }
}

fn picked<T: Ordered, P: Pick>(elements: &[T]) -> Option<T::Key> {
    extreme::best::<T, P>(elements)
}

fn to_value(element: ElementType, word: u64) -> Value {
    if element == ElementType::Bool {
        Value::Bool(word != 0)
    } else if element.is_float() {
        Value::Float(canonical(f64::from_bits(word)))
    } else if element.is_unsigned() {
        Value::Uint(word)
    } else {
        Value::Int(word.cast_signed())
    }
}
