//! One job: what is left to hand out, what runs, what has come back.

use std::ops::Range;

use arena_core::protocol::{Operand, Params, Span, Work};
use arena_core::{Dtype, SessionId};
use arena_kernels::{Merger, Plan};

use super::moment::Moment;

/// Counts jobs since the start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct JobId(pub(super) u64);

/// A kernel applied to objects, from its request to the report of its last task.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) session: SessionId,
    pub(super) request: u64,
    pub(super) kernel: &'static str,
    pub(super) params: Params,
    pub(super) operands: Vec<Operand>,
    pub(super) kind: Kind,
    /// What is not handed out, in leaves or stripes.
    pub(super) rest: Range<u64>,
    /// What is to be done again, or by another worker.
    pub(super) again: Vec<Piece>,
    /// Tasks that workers have.
    pub(super) running: u32,
    pub(super) is_queued: bool,
    /// Whether the request has its answer; what runs on is dropped.
    pub(super) is_answered: bool,
    pub(super) arrived: Moment,
    pub(super) deadline: Option<Moment>,
    pub(super) tasks: u32,
    pub(super) retries: u32,
    pub(super) busy_ns: u64,
}

/// How a job's work is cut and its results are put together.
#[derive(Debug)]
pub(super) enum Kind {
    /// Leaves; partial results are merged.
    Reduce {
        plan: Box<Plan>,
        /// What earlier passes found.
        state: Vec<u8>,
        /// Until the pass is finished.
        merger: Option<Merger>,
    },
    /// Stripes of the one operand, each modified exactly once.
    InPlace,
    /// Poisoned stripes of the one operand.
    RollBack,
}

/// A part of a job, as a worker gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) span: Span,
    /// Workers that died in it.
    pub(super) deaths: u32,
    /// Stripes to be rolled back before the span is worked on.
    pub(super) roll_back: Vec<u32>,
}

impl Piece {
    /// Leaves or stripes in it.
    pub(super) fn units(&self) -> u64 {
        match self.span {
            Span::Leaves { start, end } => end - start,
            Span::Stripes { start, end } => u64::from(end - start),
        }
    }
}

impl Job {
    pub(super) fn has_work(&self) -> bool {
        !self.again.is_empty() || !self.rest.is_empty()
    }

    /// Whether everything was handed out and has come back.
    pub(super) fn is_through(&self) -> bool {
        self.running == 0 && !self.has_work()
    }

    pub(super) fn units_left(&self) -> u64 {
        self.rest.end - self.rest.start
    }

    /// The element type that decides about speed.
    pub(super) fn dtype(&self) -> Dtype {
        self.operands
            .first()
            .map_or(Dtype::Bytes, |operand| operand.layout.dtype())
    }

    /// Elements in one leaf or stripe, about.
    pub(super) fn elements_per_unit(&self) -> f64 {
        match (&self.kind, self.operands.first()) {
            (Kind::Reduce { plan, .. }, _) => {
                arena_kernels::LEAF_ELEMENTS.min(plan.elements()) as f64
            }
            (_, Some(operand)) => {
                let stripes = operand.stripes.map_or(1, |stripes| stripes.count);
                operand.layout.element_count() as f64 / f64::from(stripes)
            }
            (_, None) => 1.0,
        }
    }

    /// Cuts the next `units` off the rest.
    pub(super) fn cut(&mut self, units: u64) -> Option<Piece> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.rest.start;
        let end = self.rest.end.min(start.saturating_add(units));
        self.rest.start = end;
        self.tasks += 1;
        let span = match self.kind {
            Kind::Reduce { .. } => Span::Leaves { start, end },
            Kind::InPlace | Kind::RollBack => Span::Stripes {
                start: u32::try_from(start)
                    .expect("an object has fewer stripes than there are cells"),
                end: u32::try_from(end).expect("an object has fewer stripes than there are cells"),
            },
        };
        Some(Piece {
            span,
            deaths: 0,
            roll_back: Vec::new(),
        })
    }

    /// What a worker is to do for a piece.
    pub(super) fn work(&self, piece: &Piece) -> Work {
        if let Some(operand) = self.operands.first()
            && !piece.roll_back.is_empty()
        {
            return Work::RollBack {
                operand: operand.clone(),
                stripes: piece.roll_back.clone(),
            };
        }
        let state = match &self.kind {
            Kind::Reduce { state, .. } => state.clone(),
            Kind::InPlace | Kind::RollBack => Vec::new(),
        };
        Work::Run {
            kernel: self.kernel.to_owned(),
            params: self.params.clone(),
            state,
            inputs: self.operands.clone(),
            span: piece.span,
        }
    }

    pub(super) const fn is_in_place(&self) -> bool {
        matches!(self.kind, Kind::InPlace | Kind::RollBack)
    }

    /// Drops all work that no worker has.
    pub(super) fn drop_work(&mut self) {
        self.rest.start = self.rest.end;
        self.again.clear();
    }
}
