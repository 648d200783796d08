//! The client.

use std::fmt;
use std::sync::Arc;

use arena_core::protocol::{
    ArenaInfo, Create, KernelInfo, LockRow, Object as ObjectInfo, ObjectState, Reply, Request,
    SessionRow, Sharing, Stats, WorkerRow,
};
use arena_core::{ArrayLayout, ObjectName, SessionId};

use crate::batch::Batch;
use crate::builder::Builder;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::filling::{Filling, Unsealed};
use crate::input::{Input, Operand};
use crate::listing::Objects;
use crate::object::{Object, Pin};
use crate::run::{Job, Ran, ran};
use crate::session::Session;
use crate::shared::Shared;

/// A session with a supervisor.
///
/// Clones are the same session; all threads of a process may use it at once. It ends when the last clone and the last handle
/// of an object are dropped. A client of a daemon comes back by itself when the daemon does; a forked child gets a session of
/// its own at its first call.
///
/// ```
/// use arena_client::Client;
/// use ndarray::Array1;
///
/// let client = Client::embedded()?;
/// let prices = client.put("prices", &Array1::linspace(1.0, 100.0, 100))?;
/// assert_eq!(client.run("sum").input(&prices).call()?.float()?, 5050.0);
/// # Ok::<(), arena_client::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    session: Arc<Session>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl Client {
    /// Connects to a daemon.
    ///
    /// ```no_run
    /// use arena_client::{Client, Endpoint};
    ///
    /// let client = Client::connect(&Endpoint::Default)?;
    /// let prices = client.get("prices")?;
    /// println!("{:?}", prices.layout().shape());
    /// # Ok::<(), arena_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Connect`] where nobody listens, [`Error::Untrusted`] where somebody does who should not.
    pub fn connect(endpoint: &Endpoint) -> Result<Self> {
        Self::builder().connect(endpoint)
    }

    /// Starts a private supervisor with an arena of its own, gone with its last user.
    ///
    /// ```
    /// let client = arena_client::Client::embedded()?;
    /// assert!(client.arena()?.name.is_none());
    /// # Ok::<(), arena_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ProgramNotFound`], [`Error::Launch`], [`Error::EndedAtStart`].
    pub fn embedded() -> Result<Self> {
        Self::builder().embedded()
    }

    /// A client with settings of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(session: Session) -> Self {
        Self {
            session: Arc::new(session),
        }
    }

    /// This process's session.
    pub(crate) fn session(&self) -> Result<Arc<Session>> {
        Session::of_this_process(&self.session)
    }

    fn call(&self, request: &Request) -> Result<Reply> {
        self.session()?.call(request)
    }

    /// The arena that is served: identity, name, size, backing.
    ///
    /// # Errors
    /// Where the supervisor went and is not served again.
    pub fn arena(&self) -> Result<ArenaInfo> {
        Ok(self.session()?.link()?.arena.info().clone())
    }

    /// The number of this session.
    ///
    /// # Errors
    /// As [`Client::arena`].
    pub fn session_id(&self) -> Result<SessionId> {
        Ok(self.session()?.link()?.session)
    }

    /// The supervisor's process.
    ///
    /// # Errors
    /// As [`Client::arena`].
    pub fn supervisor_pid(&self) -> Result<u32> {
        Ok(self.session()?.link()?.supervisor_pid)
    }

    /// How many native workers the supervisor keeps.
    ///
    /// # Errors
    /// As [`Client::arena`].
    pub fn worker_count(&self) -> Result<u32> {
        Ok(self.session()?.link()?.workers)
    }

    /// Where other processes can reach the supervisor, a private one too.
    ///
    /// # Errors
    /// As [`Client::arena`].
    pub fn address(&self) -> Result<Endpoint> {
        Ok(Endpoint::from_address(&self.session()?.link()?.address))
    }

    /// Makes an array to fill in place.
    ///
    /// # Errors
    /// [`Failure::NameTaken`](crate::Failure), [`Failure::ArenaFull`](crate::Failure), [`Error::Name`].
    pub fn create<'n>(
        &self,
        layout: ArrayLayout,
        name: impl Into<Option<&'n str>>,
    ) -> Result<Filling> {
        let unsealed = self.create_unsealed(layout, name.into())?;
        let window = unsealed.window()?;
        Filling::new(unsealed, window)
    }

    pub(crate) fn create_unsealed(
        &self,
        layout: ArrayLayout,
        name: Option<&str>,
    ) -> Result<Unsealed> {
        let (info, pin) = self.create_pinned(layout, name, None)?;
        Unsealed::new(info, pin)
    }

    /// Makes a mutable array, seen by everybody at once and written under slice locks. Until it is overwritten, its bytes are what
    /// earlier objects left there.
    ///
    /// ```
    /// use arena_client::{ArrayLayout, Client, Dtype, Sharing};
    ///
    /// let client = Client::embedded()?;
    /// let layout = ArrayLayout::c_order(Dtype::Float64, &[1000])?;
    /// let sharing = Sharing { before_images: true, ..Sharing::default() };
    /// let counters = client.create_shared(layout, "counters", sharing)?;
    ///
    /// let mut all = counters.overwrite(..)?;
    /// all.view_mut::<f64>()?.fill(0.0);
    /// all.commit()?;
    ///
    /// let mut some = counters.write(100..200)?;
    /// some.view_mut::<f64>()?.fill(1.5);
    /// some.commit()?;
    ///
    /// assert_eq!(counters.read(150..160)?.view::<f64>()?.sum(), 15.0);
    /// # Ok::<(), arena_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Client::create`], and [`Failure::BadArguments`](crate::Failure) for an axis or a number of stripes that can't be.
    pub fn create_shared<'n>(
        &self,
        layout: ArrayLayout,
        name: impl Into<Option<&'n str>>,
        sharing: Sharing,
    ) -> Result<Shared> {
        let (info, pin) = self.create_pinned(layout, name.into(), Some(sharing))?;
        Shared::open(info, pin)
    }

    fn create_pinned(
        &self,
        layout: ArrayLayout,
        name: Option<&str>,
        sharing: Option<Sharing>,
    ) -> Result<(ObjectInfo, Pin)> {
        let session = self.session()?;
        let name: Option<ObjectName> = name.map(str::parse).transpose()?;
        session.collect();
        let request = Request::Create(Create {
            layout,
            name,
            sharing,
        });
        let (info, link) = session.call_pinned(&request, None)?;
        let pin = Pin::new(session, Arc::clone(&link.arena), info.id);
        Ok((info, pin))
    }

    /// Looks an immutable object up and maps it.
    ///
    /// # Errors
    /// [`Failure::NoSuchObject`](crate::Failure), [`Error::IsShared`], [`Error::Name`].
    pub fn get(&self, what: impl Input) -> Result<Object> {
        let (info, pin) = self.get_pinned(&what)?;
        Object::new(info, pin)
    }

    /// Looks a shared mutable object up and opens a window over it.
    ///
    /// # Errors
    /// [`Failure::NoSuchObject`](crate::Failure), [`Error::NotShared`], [`Error::Name`].
    pub fn shared(&self, what: impl Input) -> Result<Shared> {
        let (info, pin) = self.get_pinned(&what)?;
        if info.state != ObjectState::Shared {
            return Err(Error::NotShared { object: info.id });
        }
        Shared::open(info, pin)
    }

    /// Looks an object up, in whatever state it is, and keeps nothing of it.
    ///
    /// # Errors
    /// [`Failure::NoSuchObject`](crate::Failure), [`Error::Name`].
    pub fn info(&self, what: impl Input) -> Result<ObjectInfo> {
        self.get_pinned(&what).map(|(info, _)| info)
    }

    fn get_pinned(&self, what: &impl Input) -> Result<(ObjectInfo, Pin)> {
        let session = self.session()?;
        let what = Operand::new(what);
        let request = Request::Get(what.selector()?);
        let (info, link) = session.call_pinned(&request, what.origin())?;
        let pin = Pin::new(session, Arc::clone(&link.arena), info.id);
        Ok((info, pin))
    }

    /// Takes an object out of the name space. Those who look at it go on looking.
    ///
    /// # Errors
    /// [`Failure::NoSuchObject`](crate::Failure), [`Error::Name`].
    pub fn remove(&self, what: impl Input) -> Result<()> {
        let what = Operand::new(&what);
        let request = Request::Remove(what.selector()?);
        let session = self.session()?;
        session.call_on_link(&request, what.origin()).map(drop)
    }

    /// The objects of the arena, asked for page by page.
    ///
    /// ```
    /// let client = arena_client::Client::embedded()?;
    /// let prices = client.put("prices", &ndarray::array![1, 2, 3])?;
    /// let objects: Vec<_> = client.objects().collect::<Result<_, _>>()?;
    /// assert_eq!(objects[0].id, prices.id());
    /// # Ok::<(), arena_client::Error>(())
    /// ```
    #[must_use]
    pub fn objects(&self) -> Objects {
        Objects::new(self.clone())
    }

    pub(crate) fn objects_from(&self, row: u32) -> Result<(Vec<ObjectInfo>, Option<u32>)> {
        match self.call(&Request::List { from: row })? {
            Reply::Objects { objects, next } => Ok((objects, next)),
            _ => Err(Error::UnexpectedReply { request: "list" }),
        }
    }

    /// A kernel to run over objects, by all workers at once.
    pub fn run(&self, kernel: &str) -> Job<'_> {
        Job::new(self, kernel)
    }

    /// Many requests in one system call.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Has a worker copy the before-images of poisoned stripes back.
    ///
    /// # Errors
    /// [`Failure::BadArguments`](crate::Failure) where the object keeps none.
    pub fn roll_back(&self, what: impl Input) -> Result<Ran> {
        let object = self.info(what)?.id;
        ran(self.call(&Request::RollBack(object))?)
    }

    /// Accounts for every byte of the arena.
    ///
    /// # Errors
    /// Where the supervisor can't be reached.
    pub fn stats(&self) -> Result<Stats> {
        match self.call(&Request::Stats)? {
            Reply::Stats(stats) => Ok(*stats),
            _ => Err(Error::UnexpectedReply { request: "stats" }),
        }
    }

    /// The native workers.
    ///
    /// # Errors
    /// Where the supervisor can't be reached.
    pub fn workers(&self) -> Result<Vec<WorkerRow>> {
        match self.call(&Request::Workers)? {
            Reply::Workers(workers) => Ok(workers),
            _ => Err(Error::UnexpectedReply { request: "workers" }),
        }
    }

    /// Locks that are held, waited for or poisoned.
    ///
    /// # Errors
    /// Where the supervisor can't be reached.
    pub fn locks(&self) -> Result<Vec<LockRow>> {
        match self.call(&Request::Locks)? {
            Reply::Locks(locks) => Ok(locks),
            _ => Err(Error::UnexpectedReply { request: "locks" }),
        }
    }

    /// The sessions of the supervisor.
    ///
    /// # Errors
    /// Where the supervisor can't be reached.
    pub fn sessions(&self) -> Result<Vec<SessionRow>> {
        match self.call(&Request::Sessions)? {
            Reply::Sessions(sessions) => Ok(sessions),
            _ => Err(Error::UnexpectedReply {
                request: "sessions",
            }),
        }
    }

    /// The kernels that there are.
    ///
    /// # Errors
    /// Where the supervisor can't be reached.
    pub fn kernels(&self) -> Result<Vec<KernelInfo>> {
        match self.call(&Request::Kernels)? {
            Reply::Kernels(kernels) => Ok(kernels),
            _ => Err(Error::UnexpectedReply { request: "kernels" }),
        }
    }
}
