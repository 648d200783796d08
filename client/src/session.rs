//! A client's side of one session, over all the connections it takes: calls, reconnecting, pins.
//!
//! Knows nothing of arrays. A request that the supervisor never saw, or that may be repeated, is sent again after a loss; any
//! other fails with an error that says whether it may have happened.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arena_core::lock::{LockArea, Locker};
use arena_core::protocol::{Failure, Object, Reply, Request, Resume, Selector};
use arena_core::{ArenaId, ObjectId, SlotId};

use crate::arena::Arena;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::fork;
use crate::handshake::{Known, greet};
use crate::link::{CallError, Greeted, Link};
use crate::pins::Pins;
use crate::settings::Settings;
use crate::sync::locked;
use crate::this_process::ThisProcess;

const BACK_OFF_FIRST: Duration = Duration::from_millis(1);
const BACK_OFF_MAX: Duration = Duration::from_millis(100);

/// A session as its process sees it.
pub(crate) struct Session {
    /// Which process of a line of forks this session belongs to.
    generation: u64,
    settings: Settings,
    home: Home,
    /// The arena of the first connection, looked at by a forked child too.
    arena: Arc<Arena>,
    current: Mutex<Arc<Link>>,
    reconnecting: Mutex<()>,
    pins: Mutex<Pins>,
    windows: Mutex<Vec<ObjectId>>,
    locks: Mutex<Option<Locks>>,
    /// The session of a forked child. Touched only under [`fork::gate`].
    successor: Mutex<Option<Arc<Session>>>,
}

impl fmt::Debug for Session {
    /// What names it: handles print their session, and a forked child may print what it can't lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("endpoint", &self.home.endpoint)
            .field("arena", &self.arena.id())
            .finish_non_exhaustive()
    }
}

/// The one locker of a slot: it knows which threads hold what.
#[derive(Debug)]
struct Locks {
    arena: Arc<Arena>,
    locker: Arc<ThisProcess<Locker>>,
}

impl Locks {
    fn serve(&self, arena: &Arc<Arena>, slot: SlotId) -> bool {
        Arc::ptr_eq(&self.arena, arena)
            && self.locker.get().is_ok_and(|locker| locker.slot() == slot)
    }
}

/// Where a session comes back to.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) endpoint: Endpoint,
    /// Nobody serves a private arena again.
    pub(crate) private: bool,
}

impl Session {
    /// A session on a connection that stands.
    pub(crate) fn new(greeted: Greeted, home: Home, settings: Settings) -> Self {
        let arena = Arc::clone(&greeted.arena);
        let link = Link::new(greeted, 0, settings.reply_timeout);
        Self {
            generation: fork::generation(),
            settings,
            home,
            arena,
            current: Mutex::new(Arc::new(link)),
            reconnecting: Mutex::new(()),
            pins: Mutex::new(Pins::default()),
            windows: Mutex::new(Vec::new()),
            locks: Mutex::new(None),
            successor: Mutex::new(None),
        }
    }

    /// Connects to `endpoint`.
    pub(crate) fn connect(endpoint: &Endpoint, settings: Settings) -> Result<Self> {
        let home = Home {
            endpoint: endpoint.clone(),
            private: false,
        };
        let greeted = home.greet(&settings, None, None)?;
        Ok(Self::new(greeted, home, settings))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the session belongs to this process, and not to one that forked it.
    pub(crate) fn is_own(&self) -> bool {
        self.generation == fork::generation()
    }

    /// This process's session: `session`, or in a forked child a new one, made at the first call.
    pub(crate) fn of_this_process(session: &Arc<Self>) -> Result<Arc<Self>> {
        let mut session = Arc::clone(session);
        while !session.is_own() {
            session = match session.known_successor() {
                Some(successor) => successor,
                None => session.succeed()?,
            };
        }
        Ok(session)
    }

    fn known_successor(&self) -> Option<Arc<Self>> {
        let _gate = fork::gate();
        locked(&self.successor).clone()
    }

    fn succeed(&self) -> Result<Arc<Self>> {
        let known = Known {
            arena: Arc::clone(&self.arena),
            lifeline: None,
        };
        let greeted = self.home.greet(&self.settings, None, Some(&known))?;
        let made = Arc::new(Self::new(greeted, self.home.clone(), self.settings.clone()));
        let _gate = fork::gate();
        // Another thread may have been faster.
        Ok(Arc::clone(locked(&self.successor).get_or_insert(made)))
    }

    /// A connection that is not known to be lost.
    pub(crate) fn link(&self) -> Result<Arc<Link>> {
        let link = Arc::clone(&locked(&self.current));
        if link.is_lost() {
            self.reconnect(&link)
        } else {
            Ok(link)
        }
    }

    /// The current connection, in whatever state.
    pub(crate) fn current(&self) -> Arc<Link> {
        Arc::clone(&locked(&self.current))
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn call(&self, request: &Request) -> Result<Reply> {
        self.call_on_link(request, None).map(|(reply, _)| reply)
    }

    /// As [`Session::call`], with the connection that brought the answer. A request about an object that is known to be of one
    /// arena is not sent to the supervisor of another, which would take it for one of its own.
    pub(crate) fn call_on_link(
        &self,
        request: &Request,
        about: Option<Origin>,
    ) -> Result<(Reply, Arc<Link>)> {
        let mut patience = Attempts::default();
        loop {
            let link = self.link()?;
            if let Some(about) = about {
                about.check(link.arena.id())?;
            }
            match link.call(request.clone()) {
                Ok(answer) => return Ok((answer?, link)),
                Err(error) => self.judge(error, may_repeat(request), &mut patience)?,
            }
        }
    }

    /// Whether a request that failed so is worth another try: returns where it is.
    pub(crate) fn judge(
        &self,
        error: CallError,
        may_repeat: bool,
        attempts: &mut Attempts,
    ) -> Result<()> {
        let may_have_happened = matches!(error, CallError::InFlight);
        match error {
            CallError::Final(error) => Err(error),
            _ if self.home.private => Err(Error::ArenaGone),
            _ if (may_repeat || !may_have_happened) && attempts.take() => Ok(()),
            _ => Err(Error::ConnectionLost { may_have_happened }),
        }
    }

    /// Sends a request that pins the object it answers with, and counts the pin for a new handle.
    pub(crate) fn call_pinned(
        &self,
        request: &Request,
        about: Option<Origin>,
    ) -> Result<(Object, Arc<Link>)> {
        let answered = self.call_on_link(request, about)?;
        self.pinned(answered, request, about)
    }

    /// Counts the pin that a reply granted, for a new handle. A pin that went with its connection is asked for again.
    pub(crate) fn pinned(
        &self,
        mut answered: (Reply, Arc<Link>),
        request: &Request,
        about: Option<Origin>,
    ) -> Result<(Object, Arc<Link>)> {
        let mut attempts = Attempts::default();
        loop {
            let (reply, link) = answered;
            let object = expect_object(reply, request)?;
            if locked(&self.pins).granted(object.id, link.epoch) {
                return Ok((object, link));
            }
            self.judge(CallError::InFlight, may_repeat(request), &mut attempts)?;
            answered = self.call_on_link(request, about)?;
        }
    }

    /// Ends a handle's hold on an object. In a forked child nothing of the parent's is taken back.
    pub(crate) fn release(&self, what: Origin) {
        if self.serves(what) {
            let returned = locked(&self.pins).released(what.object);
            self.unpin(returned);
        }
    }

    /// Gives up an object that is being filled, and the pin of its creation.
    pub(crate) fn abandon(&self, what: Origin) {
        if self.serves(what) {
            locked(&self.pins).forget(what.object);
            self.current().post(Request::Abandon(what.object));
        }
    }

    /// Whether this is the process and the arena to tell of an object.
    pub(crate) fn serves(&self, what: Origin) -> bool {
        self.is_own() && self.current().arena.id() == what.arena
    }

    /// Lets go of what forked children no longer look at.
    pub(crate) fn collect(&self) {
        let returned = locked(&self.pins).collect(fork::may_let_go);
        self.unpin(returned);
    }

    pub(crate) fn unpin(&self, objects: Vec<ObjectId>) {
        if !objects.is_empty() && self.is_own() {
            self.current().post(Request::Unpin(objects));
        }
    }

    /// Announces a window over a shared object, now and after a reconnect.
    pub(crate) fn open_window(&self, what: Origin) -> Result<()> {
        // Remembered first: whoever closes the object's last window meanwhile must see this one.
        locked(&self.windows).push(what.object);
        match self.call_on_link(&Request::OpenWindow(what.object), Some(what)) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.close_window(what);
                Err(error)
            }
        }
    }

    /// Tells that a window is unmapped, if it was the object's last one.
    pub(crate) fn close_window(&self, what: Origin) {
        if !self.serves(what) {
            return;
        }
        let object = what.object;
        let mut windows = locked(&self.windows);
        if let Some(at) = windows.iter().position(|open| *open == object) {
            windows.swap_remove(at);
        }
        if !windows.contains(&object) {
            self.current().post(Request::CloseWindow(object));
        }
    }

    fn open_windows(&self) -> Vec<ObjectId> {
        let mut windows = locked(&self.windows).clone();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// This process's hold on the locks of the arena, from the slot of this session.
    pub(crate) fn locker(&self) -> Result<Arc<ThisProcess<Locker>>> {
        let link = self.link()?;
        let slot = self.slot(&link)?;
        let mut known = locked(&self.locks);
        if let Some(locks) = &*known
            && locks.serve(&link.arena, slot)
        {
            return Ok(Arc::clone(&locks.locker));
        }
        let file = link.arena.locks().ok_or(Error::Handshake {
            detail: "the supervisor gave this session no locks file".to_owned(),
        })?;
        let area = Arc::new(LockArea::map(file).map_err(Error::map)?);
        let locker = Arc::new(ThisProcess::new(Locker::shared(area, slot)));
        *known = Some(Locks {
            arena: Arc::clone(&link.arena),
            locker: Arc::clone(&locker),
        });
        Ok(locker)
    }

    fn slot(&self, link: &Link) -> Result<SlotId> {
        match link.slot() {
            Ok((slot, _)) => Ok(slot),
            Err(error) => {
                self.judge(error, false, &mut Attempts::default())?;
                Err(Error::ConnectionLost {
                    may_have_happened: true,
                })
            }
        }
    }

    fn reconnect(&self, lost: &Arc<Link>) -> Result<Arc<Link>> {
        if self.home.private {
            return Err(Error::ArenaGone);
        }
        let _turn = locked(&self.reconnecting);
        let current = self.current();
        if !current.is_lost() {
            return Ok(current);
        }
        let declared = locked(&self.pins).begin_resume();
        let resume = Resume {
            arena: lost.arena.id(),
            session: lost.session,
            pins: declared.clone(),
            windows: locked(&self.windows).iter().copied().collect(),
        };
        match self.greet_patiently(&resume, &lost.known()) {
            Ok(greeted) => Ok(self.settle(greeted, lost, declared)),
            Err(error) => {
                locked(&self.pins).resume_failed();
                Err(error)
            }
        }
    }

    /// Tries until the time is up. Only what a restart mends is tried again.
    fn greet_patiently(&self, resume: &Resume, known: &Known) -> Result<Greeted> {
        let start = Instant::now();
        let mut pause = BACK_OFF_FIRST;
        loop {
            let attempt = self
                .home
                .greet(&self.settings, Some(resume.clone()), Some(known));
            match attempt {
                Err(
                    Error::Connect { .. }
                    | Error::ConnectionLost { .. }
                    | Error::Failed(Failure::Draining),
                ) if start.elapsed() < self.settings.reconnect_timeout => {
                    thread::park_timeout(pause);
                    pause = (pause * 2).min(BACK_OFF_MAX);
                }
                outcome => return outcome,
            }
        }
    }

    /// Makes a new connection the current one, and makes it know what the old one knew.
    fn settle(&self, greeted: Greeted, lost: &Link, declared: Vec<ObjectId>) -> Arc<Link> {
        let resumed = greeted.resumed;
        let epoch = locked(&self.pins).epoch();
        let link = Arc::new(Link::new(greeted, epoch, self.settings.reply_timeout));
        let same_arena = link.arena.id() == lost.arena.id();
        if same_arena && !resumed {
            // One that is gone stays mapped, and is not reused while this process lives.
            for object in declared {
                let _gone = link.call(Request::Get(Selector::Id(object)));
            }
            for object in self.open_windows() {
                let _gone = link.call(Request::OpenWindow(object));
            }
        }
        *locked(&self.current) = Arc::clone(&link);
        let mut pins = locked(&self.pins);
        if same_arena {
            let returned = pins.resumed();
            drop(pins);
            self.unpin(returned);
        } else {
            pins.forget_all();
            drop(pins);
            locked(&self.windows).clear();
        }
        link
    }
}

impl Home {
    pub(crate) fn greet(
        &self,
        settings: &Settings,
        resume: Option<Resume>,
        known: Option<&Known>,
    ) -> Result<Greeted> {
        let socket = self.endpoint.connect(settings.reply_timeout)?;
        greet(
            socket,
            &settings.program,
            resume,
            known,
            settings.reply_timeout,
        )
    }
}

/// An object and the arena that its id is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) arena: ArenaId,
    pub(crate) object: ObjectId,
}

impl Origin {
    /// Refuses to name the object to a supervisor of `arena` where that is another one.
    pub(crate) fn check(self, arena: ArenaId) -> Result<()> {
        if self.arena == arena {
            return Ok(());
        }
        Err(Error::ForeignObject {
            object: self.object,
        })
    }
}

/// How often one request may be sent again: a supervisor that dies of it must not be fed it for ever, and one that is killed
/// again and again must not be taken for such a one.
#[derive(Debug)]
pub(crate) struct Attempts(u32);

impl Default for Attempts {
    fn default() -> Self {
        Self(5)
    }
}

impl Attempts {
    fn take(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 > 0
    }
}

/// Whether serving the request twice is as good as once.
pub(crate) fn may_repeat(request: &Request) -> bool {
    match request {
        Request::Get(_)
        | Request::List { .. }
        | Request::Slot
        | Request::OpenWindow(_)
        | Request::CloseWindow(_)
        | Request::RollBack(_)
        | Request::Kernels
        | Request::Stats
        | Request::Workers
        | Request::Locks
        | Request::Sessions => true,
        Request::Create(_)
        | Request::Seal(_)
        | Request::Abandon(_)
        | Request::Unpin(_)
        | Request::Remove(_)
        | Request::Run(_)
        | Request::Cancel(_) => false,
    }
}

/// The object that `request` was answered with.
pub(crate) fn expect_object(reply: Reply, request: &Request) -> Result<Object> {
    match reply {
        Reply::Object(object) => Ok(*object),
        _ => Err(Error::UnexpectedReply {
            request: match request {
                Request::Create(_) => "create",
                Request::Seal(_) => "seal",
                _ => "get",
            },
        }),
    }
}
