//! A kernel together with checked inputs and parameters.

use std::collections::BTreeMap;

use crate::element::ElementType;
use crate::elements::ElementsMut;
use crate::leaf::leaves_of;
use crate::pass::{BadState, Pass};
use crate::reject::Reject;
use crate::signature::{Body, Param, ParamKind, Signature};
use crate::value::Value;

/// What is known of an input without looking at its elements.
#[derive(Clone, Copy, Debug)]
pub struct InputSpec<'a> {
    /// The type of its elements.
    pub element: ElementType,
    /// Its extent along each axis; none for a scalar.
    pub shape: &'a [u64],
}

/// A kernel together with inputs and parameters that it takes.
#[derive(Clone, Debug)]
pub struct Plan {
    signature: &'static Signature,
    inputs: Vec<PlannedInput>,
    params: BTreeMap<&'static str, Value>,
    elements: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct PlannedInput {
    pub(crate) element: ElementType,
    pub(crate) shape: Vec<u64>,
}

/// A run that an in-place kernel was not planned for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum ApplyError {
    #[error("a kernel that gives a value does not work in place: {kernel}")]
    NotInPlace { kernel: &'static str },
    #[error("planned for {planned}, applied to {given}")]
    ElementType {
        planned: ElementType,
        given: ElementType,
    },
}

impl Signature {
    /// Checks inputs and parameters.
    ///
    /// # Errors
    /// Says which argument the kernel does not take, and what it takes.
    pub fn plan(
        &'static self,
        inputs: &[InputSpec<'_>],
        params: &BTreeMap<String, Value>,
    ) -> Result<Plan, Reject> {
        let plan = Plan {
            signature: self,
            elements: self.check_inputs(inputs)?,
            inputs: inputs.iter().map(PlannedInput::from).collect(),
            params: self.resolve_params(params)?,
        };
        (self.check)(&plan)?;
        Ok(plan)
    }

    /// The number of elements of the inputs, all of which have as many as the first.
    fn check_inputs(&self, inputs: &[InputSpec<'_>]) -> Result<u64, Reject> {
        if inputs.len() != self.inputs.len() {
            return Err(Reject::InputCount {
                kernel: self.name,
                expected: self.inputs.len(),
                given: inputs.len(),
            });
        }
        let mut elements = 0;
        for (declared, given) in self.inputs.iter().zip(inputs) {
            if !declared.elements.contains(&given.element) {
                return Err(Reject::ElementType {
                    kernel: self.name,
                    input: declared.name,
                    given: given.element,
                    accepted: declared.elements,
                });
            }
            elements = count(given.shape).ok_or_else(|| Reject::Shape {
                kernel: self.name,
                input: declared.name,
                needs: "fewer than 2^63 bytes".to_owned(),
                given: given.shape.to_vec(),
            })?;
        }
        Ok(elements)
    }

    fn resolve_params(
        &self,
        given: &BTreeMap<String, Value>,
    ) -> Result<BTreeMap<&'static str, Value>, Reject> {
        if let Some(unknown) = given.keys().find(|name| self.param(name).is_none()) {
            return Err(Reject::UnknownParam {
                kernel: self.name,
                param: unknown.clone(),
                known: self.params.iter().map(|param| param.name).collect(),
            });
        }
        let mut resolved = BTreeMap::new();
        for param in self.params {
            let value = match given.get(param.name) {
                Some(value) => Some(self.resolve_param(param, value)?),
                None => param.fallback.value(),
            };
            if let Some(value) = value {
                resolved.insert(param.name, value);
            }
        }
        Ok(resolved)
    }

    fn resolve_param(&self, param: &Param, given: &Value) -> Result<Value, Reject> {
        param.kind.resolve(given).ok_or_else(|| Reject::Param {
            kernel: self.name,
            param: param.name,
            accepted: param.kind.describe(),
            given: format!("{}: {given}", given.kind()),
        })
    }

    fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.name == name)
    }
}

impl ParamKind {
    /// The value in the one form that kernels look for, or `None` if this kind does not take it.
    fn resolve(self, given: &Value) -> Option<Value> {
        match (self, given) {
            (Self::Int { min, max }, given) => {
                let value = match *given {
                    Value::Int(value) => value,
                    Value::Uint(value) => i64::try_from(value).ok()?,
                    _ => return None,
                };
                (min..=max).contains(&value).then_some(Value::Int(value))
            }
            (Self::Float, Value::Float(value)) => value.is_finite().then_some(Value::Float(*value)),
            // An integer stands for the nearest float.
            (Self::Float, Value::Int(value)) => Some(Value::Float(*value as f64)),
            (Self::Float, Value::Uint(value)) => Some(Value::Float(*value as f64)),
            (
                Self::Number,
                Value::Int(_) | Value::Uint(_) | Value::Float(_) | Value::Complex { .. },
            ) => Some(given.clone()),
            (Self::Range, Value::Ints(ends)) => {
                (ends.len() == 2 && ends[0] <= ends[1]).then(|| given.clone())
            }
            (Self::Range, Value::Floats(ends)) => {
                (ends.len() == 2 && ends.iter().all(|end| end.is_finite()) && ends[0] <= ends[1])
                    .then(|| given.clone())
            }
            _ => None,
        }
    }
}

impl From<&InputSpec<'_>> for PlannedInput {
    fn from(spec: &InputSpec<'_>) -> Self {
        Self {
            element: spec.element,
            shape: spec.shape.to_vec(),
        }
    }
}

/// Elements of a shape whose bytes can be addressed.
fn count(shape: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    let elements = shape
        .iter()
        .try_fold(1_u64, |product, extent| product.checked_mul(*extent))?;
    (elements < 1 << 59).then_some(elements)
}

impl Plan {
    /// The kernel.
    #[must_use]
    pub fn signature(&self) -> &'static Signature {
        self.signature
    }

    /// Elements of each input.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.elements
    }

    /// Leaves of a reduction; without any, [`Plan::merger`] can be finished at once.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        leaves_of(self.elements)
    }

    /// The parameters, those left out with the values that hold for them.
    #[must_use]
    pub fn params(&self) -> &BTreeMap<&'static str, Value> {
        &self.params
    }

    /// Modifies a contiguous run of the input, wherever in the input it lies.
    ///
    /// # Errors
    /// When the kernel does not work in place, or was planned for another element type; then nothing was modified.
    pub fn apply(&self, run: &mut ElementsMut<'_>) -> Result<(), ApplyError> {
        let Body::InPlace(body) = self.signature.body else {
            return Err(ApplyError::NotInPlace {
                kernel: self.signature.name,
            });
        };
        let planned = self.element();
        if run.element_type() != planned {
            return Err(ApplyError::ElementType {
                planned,
                given: run.element_type(),
            });
        }
        body(self, run);
        Ok(())
    }

    /// The pass that `state` asks for, or `None` for a kernel in place.
    pub(crate) fn pass(&self, state: &[u8]) -> Option<Result<Box<dyn Pass>, BadState>> {
        match self.signature.body {
            Body::Reduce(pass) => Some(pass(self, state)),
            Body::InPlace(_) => None,
        }
    }

    pub(crate) fn inputs(&self) -> &[PlannedInput] {
        &self.inputs
    }

    /// The element type of the first input.
    pub(crate) fn element(&self) -> ElementType {
        self.inputs[0].element
    }

    pub(crate) fn param(&self, name: &str) -> Option<&Value> {
        self.params.get(name)
    }
}
