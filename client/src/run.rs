//! Running kernels.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arena_core::protocol::{KernelInfo, Params, Ran as RanReply, Reply, Request, Run, Value};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::input::{Input, Operand};
use crate::link::{CallError, Link};
use crate::session::{Attempts, Session};

/// A kernel about to be run over objects, by all workers at once. Made by [`Client::run`].
///
/// ```
/// use arena_client::Client;
/// use ndarray::array;
///
/// let client = Client::embedded()?;
/// let prices = client.put("prices", &array![1.0, 2.0, 3.0, 4.0])?;
/// let std = client.run("std").input(&prices).param("ddof", 1).call()?;
/// assert!((std.float()? - 1.290_994).abs() < 1e-6);
/// # Ok::<(), arena_client::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a job runs when `call` or `submit` is called"]
pub struct Job<'c> {
    client: &'c Client,
    kernel: String,
    inputs: Vec<Operand>,
    params: Params,
    deadline: Option<Duration>,
}

impl<'c> Job<'c> {
    pub(crate) fn new(client: &'c Client, kernel: &str) -> Self {
        Self {
            client,
            kernel: kernel.to_owned(),
            inputs: Vec::new(),
            params: Params::new(),
            deadline: None,
        }
    }

    /// The next object of the kernel's signature: a handle, a name or an id.
    pub fn input(mut self, input: impl Input) -> Self {
        self.inputs.push(Operand::new(&input));
        self
    }

    /// Sets a parameter; those left out have the defaults of the signature.
    pub fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    /// Sets several parameters.
    pub fn params(mut self, params: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.params.extend(params);
        self
    }

    /// Has the job fail if it isn't done in time.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Runs the job and waits for its result.
    ///
    /// # Errors
    /// What the supervisor refuses, what the kernel fails with, [`Failure::DeadlineExceeded`](crate::Failure).
    pub fn call(self) -> Result<Ran> {
        self.start()?.wait()
    }

    /// Starts the job.
    ///
    /// # Errors
    /// As [`Job::call`], as far as it shows before an answer comes.
    pub fn submit(self) -> Result<Pending> {
        let pending = self.start()?;
        pending.link.leave_unread();
        Ok(pending)
    }

    fn start(self) -> Result<Pending> {
        let session = self.client.session()?;
        let mut attempts = Attempts::default();
        loop {
            let link = session.link()?;
            let request = Request::Run(self.request(&link)?);
            match link.start(request.clone()) {
                Ok(id) => {
                    return Ok(Pending {
                        session,
                        link,
                        id: Some(id),
                        request,
                        attempts,
                    });
                }
                Err(error) => session.judge(error, false, &mut attempts)?,
            }
        }
    }

    pub(crate) fn request(&self, link: &Link) -> Result<Run> {
        Ok(Run {
            kernel: self.kernel.clone(),
            inputs: self
                .inputs
                .iter()
                .map(|input| input.resolve(link.arena.id()))
                .collect::<Result<_>>()?,
            params: self.params.clone(),
            deadline_ms: self.deadline.map(millis),
        })
    }
}

/// A job under way. Dropped, it runs on, and its result is lost; the session's end cancels it.
#[derive(Debug)]
#[must_use = "the result comes with `wait`"]
pub struct Pending {
    session: Arc<Session>,
    link: Arc<Link>,
    /// Absent once the answer was awaited.
    id: Option<u64>,
    request: Request,
    attempts: Attempts,
}

impl Pending {
    /// Waits for the result. A job that was lost with its supervisor is run again, unless its kernel works in place.
    ///
    /// # Errors
    /// As [`Job::call`]; [`Error::ConnectionLost`] where an in-place job was lost and may have been done.
    pub fn wait(mut self) -> Result<Ran> {
        loop {
            let Some(id) = self.id.take() else {
                return Err(Error::ConnectionLost {
                    may_have_happened: true,
                });
            };
            match self.link.wait(id) {
                Ok(answer) => return ran(answer?),
                Err(error) => self.start_again(error)?,
            }
        }
    }

    /// Asks for the job to be cancelled. What [`Pending::wait`] then returns is [`Failure::Cancelled`](crate::Failure), or the
    /// result if that was faster.
    pub fn cancel(&self) {
        if let Some(id) = self.id
            && self.session.is_own()
        {
            self.link.post(Request::Cancel(id));
        }
    }

    fn start_again(&mut self, error: CallError) -> Result<()> {
        let in_flight = matches!(error, CallError::InFlight);
        self.session.judge(error, true, &mut self.attempts)?;
        if in_flight && works_in_place(&self.session, &self.request) {
            return Err(Error::ConnectionLost {
                may_have_happened: true,
            });
        }
        loop {
            self.link = self.session.link()?;
            match self.link.start(self.request.clone()) {
                Ok(id) => {
                    self.id = Some(id);
                    return Ok(());
                }
                Err(error) => self.session.judge(error, false, &mut self.attempts)?,
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(id) = self.id.take()
            && self.session.is_own()
        {
            self.link.orphan(id);
        }
    }
}

/// Whether running a job twice differs from running it once, as far as can be told.
fn works_in_place(session: &Session, request: &Request) -> bool {
    let Request::Run(run) = request else {
        return true;
    };
    let kernels: Vec<KernelInfo> = match session.call(&Request::Kernels) {
        Ok(Reply::Kernels(kernels)) => kernels,
        _ => return true,
    };
    kernels
        .iter()
        .find(|kernel| kernel.name == run.kernel)
        .is_none_or(|kernel| kernel.in_place)
}

/// A finished job.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Ran {
    /// What the kernel computed; none for kernels that work in place.
    pub value: Option<Value>,
    /// Tasks it was cut into.
    pub tasks: u32,
    /// Tasks that ran again because their worker died.
    pub retries: u32,
    /// From the job's arrival to its last report.
    pub elapsed: Duration,
    /// Time of computing, over all workers.
    pub busy: Duration,
}

impl Ran {
    /// The result as a number.
    ///
    /// # Errors
    /// [`Error::WrongValue`] where it is no real number.
    pub fn float(&self) -> Result<f64> {
        match self.value {
            Some(Value::Float(value)) => Ok(value),
            Some(Value::Int(value)) => Ok(value as f64),
            Some(Value::Uint(value)) => Ok(value as f64),
            _ => Err(Error::WrongValue { wanted: "a number" }),
        }
    }

    /// The result as an integer.
    ///
    /// # Errors
    /// [`Error::WrongValue`] where it is none, or doesn't fit.
    pub fn int(&self) -> Result<i64> {
        let wrong = Error::WrongValue {
            wanted: "an integer of 64 bits",
        };
        match self.value {
            Some(Value::Int(value)) => Ok(value),
            Some(Value::Uint(value)) => value.try_into().map_err(|_| wrong),
            _ => Err(wrong),
        }
    }

    /// The result as real and imaginary part.
    ///
    /// # Errors
    /// [`Error::WrongValue`] where it is not complex.
    pub fn complex(&self) -> Result<num_complex::Complex<f64>> {
        match self.value {
            Some(Value::Complex { re, im }) => Ok(num_complex::Complex { re, im }),
            _ => Err(Error::WrongValue {
                wanted: "a complex number",
            }),
        }
    }

    /// The result as numbers.
    ///
    /// # Errors
    /// [`Error::WrongValue`] where it is no list of them.
    pub fn floats(&self) -> Result<&[f64]> {
        match &self.value {
            Some(Value::Floats(values)) => Ok(values),
            _ => Err(Error::WrongValue {
                wanted: "a list of numbers",
            }),
        }
    }

    /// The result as integers.
    ///
    /// # Errors
    /// [`Error::WrongValue`] where it is no list of them.
    pub fn ints(&self) -> Result<&[i64]> {
        match &self.value {
            Some(Value::Ints(values)) => Ok(values),
            _ => Err(Error::WrongValue {
                wanted: "a list of integers",
            }),
        }
    }

    /// The results by their names.
    ///
    /// # Errors
    /// [`Error::WrongValue`] where it is a single one.
    pub fn record(&self) -> Result<&BTreeMap<String, Value>> {
        match &self.value {
            Some(Value::Record(fields)) => Ok(fields),
            _ => Err(Error::WrongValue { wanted: "a record" }),
        }
    }
}

impl From<RanReply> for Ran {
    fn from(reply: RanReply) -> Self {
        Self {
            value: reply.value,
            tasks: reply.tasks,
            retries: reply.retries,
            elapsed: Duration::from_nanos(reply.elapsed_ns),
            busy: Duration::from_nanos(reply.busy_ns),
        }
    }
}

pub(crate) fn ran(reply: Reply) -> Result<Ran> {
    match reply {
        Reply::Ran(ran) => Ok((*ran).into()),
        _ => Err(Error::UnexpectedReply { request: "run" }),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
