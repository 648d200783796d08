//! The event loop: sockets, pidfds, lifelines, signals and deadlines become events, and the supervisor's effects are done.
//!
//! One thread. Sockets are watched edge-triggered: a peer is read until a read comes back short, which spares the read that would
//! only say so, and is written to at the end of the turn, all its messages with one system call. The loop hears of room in a
//! socket only while output waits for it. So an idle job costs six system calls: wait, receive, send, wait, receive, send.
//!
//! No peer can hold the loop up: reads per turn and output are bounded, and nothing here waits but the poll itself.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use arena_core::table;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use super::acceptor::Acceptor;
use super::arena::ServedArena;
use super::connection::READ_BYTES;
use super::identity::{Identified, identify};
use super::link::{Kin, Links};
use super::listener::Listener;
use super::recover::recover;
use super::token::Source;
use super::traffic::turn_away;
use crate::supervisor::{ConnId, Effect, Event, ExitReason, Moment, Policy, Recovered, Supervisor};

/// Events taken from one poll.
const EVENTS_PER_TURN: usize = 256;

/// What the loop needs to be told from outside.
pub(super) struct Wiring<'a> {
    pub(super) listener: Listener,
    /// Readable when the arena's memory was damaged.
    pub(super) bell: BorrowedFd<'a>,
    /// Reads the configuration again. None where it has an error, which was logged.
    pub(super) reload: &'a mut dyn FnMut() -> Option<Tunables>,
    pub(super) tunables: Tunables,
    /// What this process may have open.
    pub(super) descriptors_max: u64,
    /// Whether SIGINT ends the daemon.
    pub(super) heeds_interrupt: bool,
    /// What the arena is called in the titles of children.
    pub(super) shown_name: String,
}

/// What can change while the loop runs.
#[derive(Clone, Debug)]
pub(super) struct Tunables {
    pub(super) policy: Policy,
    /// Bytes that one peer may leave unread.
    pub(super) unread_max: usize,
}

/// The loop and all that it watches.
pub(super) struct EventLoop<'a> {
    poll: Poll,
    acceptor: Acceptor,
    signals: Signals,
    reload: &'a mut dyn FnMut() -> Option<Tunables>,
    heeds_interrupt: bool,
    started: Instant,
    supervisor: Option<Supervisor>,
    /// Kept for its memory.
    effects: Vec<Effect>,
    failure: Option<io::Error>,
    pub(super) answers: VecDeque<Event>,
    pub(super) outcome: Option<ExitReason>,
    pub(super) links: Links,
    pub(super) arena: ServedArena,
    pub(super) shown_name: String,
    pub(super) unread_max: usize,
    /// What one read fills.
    pub(super) scratch: Vec<u8>,
    /// Peers with output.
    pub(super) dirty: Vec<ConnId>,
    /// Peers that may have sent more than was read.
    pub(super) unread: Vec<ConnId>,
    /// Peers to be cut off, in the order of their moments.
    pub(super) closing: VecDeque<(Instant, ConnId)>,
}

impl<'a> EventLoop<'a> {
    /// Starts to watch. Nothing is accepted before [`EventLoop::run`].
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(
        wiring: Wiring<'a>,
        arena: ServedArena,
        started: Instant,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        registry.register(&mut signals, Source::Signals.into(), Interest::READABLE)?;
        for (fd, source) in [
            (raw(&wiring.listener), Source::Listener),
            (raw(&wiring.bell), Source::Bell),
        ] {
            registry.register(&mut SourceFd(&fd), source.into(), Interest::READABLE)?;
        }
        let links = Links::new(registry.try_clone()?);
        Ok(Self {
            poll,
            acceptor: Acceptor::new(wiring.listener, wiring.descriptors_max),
            signals,
            reload: wiring.reload,
            heeds_interrupt: wiring.heeds_interrupt,
            started,
            supervisor: None,
            effects: Vec::new(),
            failure: None,
            answers: VecDeque::new(),
            outcome: None,
            links,
            arena,
            shown_name: wiring.shown_name,
            unread_max: wiring.tunables.unread_max,
            scratch: vec![0; READ_BYTES],
            dirty: Vec::new(),
            unread: Vec::new(),
            closing: VecDeque::new(),
        })
    }

    /// Runs until the supervisor says how it ends.
    ///
    /// # Errors
    /// What the system says where the loop can't go on.
    pub(super) fn run(&mut self) -> io::Result<ExitReason> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            // Before anything is sent: a reply must not tell of a row that could not be written.
            self.failure.take().map_or(Ok(()), Err)?;
            self.finish_turn();
            self.failure.take().map_or(Ok(()), Err)?;
            if let Some(reason) = self.outcome {
                return Ok(reason);
            }
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            for event in &events {
                self.dispatch(event);
            }
            self.catch_up();
        }
    }

    fn dispatch(&mut self, event: &mio::event::Event) {
        match Source::from(event.token()) {
            Source::Socket(conn) => {
                if event.is_writable() {
                    self.mark_dirty(conn);
                }
                if event.is_read_closed() {
                    self.mark_ending(conn);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.receive(conn);
                }
            }
            Source::Process(conn) => self.process_ended(conn),
            Source::Lifeline(conn) => self.lifeline_stirred(conn),
            Source::Listener => self.acceptor.notice(),
            Source::Signals => self.take_signals(),
            Source::Bell => self.handle(Event::Damaged),
        }
    }

    /// What is due without an event: peers and connections left over from the last turn, deadlines.
    fn catch_up(&mut self) {
        self.receive_rest();
        let now = Instant::now();
        for socket in self.acceptor.take(now, self.links.len()) {
            self.connected(socket);
        }
        if self.tick_due().is_some_and(|due| due <= self.moment()) {
            self.handle(Event::Tick);
        }
        self.cut_off_overdue(now);
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let tick = self
            .tick_due()
            .map(|due| self.started + Duration::from_nanos(due.0));
        let cut_off = self.closing.front().map(|(due, _)| *due);
        let due = [tick, cut_off, self.acceptor.due(now)]
            .into_iter()
            .flatten()
            .min()?;
        Some(due.saturating_duration_since(now))
    }

    fn tick_due(&self) -> Option<Moment> {
        self.supervisor.as_ref()?.next_deadline()
    }

    /// The moment that it is.
    pub(super) fn moment(&self) -> Moment {
        Moment(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Looks at what an earlier daemon has left, and watches its processes.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn recover(&mut self, found: table::Recovered) -> io::Result<Recovered> {
        recover(found, &self.arena, &mut self.links)
    }

    /// Sets the supervisor to work, with what it wants done at its start.
    pub(super) fn start(&mut self, supervisor: Supervisor, mut effects: Vec<Effect>) {
        self.supervisor = Some(supervisor);
        self.do_all(&mut effects);
        self.hand_in_answers();
    }

    /// Hands an event to the supervisor, does what it wants done, and hands in the answers that this has.
    pub(super) fn handle(&mut self, event: Event) {
        self.hand_in(event);
        self.hand_in_answers();
    }

    fn hand_in_answers(&mut self) {
        while let Some(answer) = self.answers.pop_front() {
            self.hand_in(answer);
        }
    }

    fn hand_in(&mut self, event: Event) {
        let now = self.moment();
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.handle(now, event, &mut effects);
        }
        self.do_all(&mut effects);
        self.effects = effects;
    }

    fn do_all(&mut self, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            if self.failure.is_none() {
                self.execute(effect);
            }
        }
    }

    /// Ends the loop with an error.
    pub(super) fn fail(&mut self, error: io::Error) {
        self.failure.get_or_insert(error);
    }

    /// Takes in a client.
    pub(super) fn connected(&mut self, socket: OwnedFd) {
        let Identified { peer, pidfd } = match identify(&socket) {
            Ok(identified) => identified,
            Err(error) => {
                tracing::error!(%error, "a connection can't be taken in");
                return turn_away(socket, &error);
            }
        };
        let is_gone = pidfd.is_none();
        match self.links.add(Kin::Stranger, peer.pid, Some(socket), pidfd) {
            Ok(conn) => {
                self.handle(Event::Connected { conn, peer });
                if is_gone {
                    self.receive(conn);
                    self.handle(Event::Gone { conn, cause: None });
                }
            }
            Err(error) => tracing::error!(%error, pid = peer.pid, "a connection can't be watched"),
        }
    }

    fn process_ended(&mut self, conn: ConnId) {
        // What it has sent before its end comes first.
        self.receive(conn);
        if self
            .links
            .get(conn)
            .is_some_and(|link| link.pidfd.is_some())
        {
            let cause = self.links.end_process(conn);
            self.handle(Event::Gone { conn, cause });
            self.links.drop_if_done(conn);
        }
    }

    fn lifeline_stirred(&mut self, conn: ConnId) {
        if self.links.is_lifeline_released(conn) {
            self.links.end_lifeline(conn);
            self.handle(Event::LifelineEnded { conn });
        }
    }

    fn take_signals(&mut self) {
        let signals: Vec<i32> = self.signals.pending().collect();
        for signal in signals {
            match signal {
                SIGHUP => {
                    if let Some(tunables) = (self.reload)() {
                        self.unread_max = tunables.unread_max;
                        self.handle(Event::Reload(Box::new(tunables.policy)));
                    }
                }
                SIGINT if !self.heeds_interrupt => {}
                _ => self.handle(Event::Drain),
            }
        }
    }
}

fn raw(fd: &impl AsFd) -> RawFd {
    fd.as_fd().as_raw_fd()
}
