//! The world around the state machine: processes, sockets, lifelines, the journal, and a loop that may be killed between any
//! two effects.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use arena_core::lock::cell_generation;
use arena_core::protocol::{ArenaInfo, Backing, FromSupervisor, GroomOrder, ToSupervisor};
use arena_core::{ArenaId, Extent, ObjectId, SessionId, SlotId};
use arenad::supervisor::{
    Child, ConnId, Effect, Event, Geometry, Identity, Moment, Peer, Policy, Recovered, Role,
    Supervisor, Survivor,
};

use crate::child::{GroomerProc, WorkerProc, range_of};
use crate::client::ClientProc;
use crate::journal::{Journal, blocks_of, extents_of};
use crate::locks::Locks;
use crate::rng::Rng;

pub(crate) const ARENA_BYTES: u64 = 64 << 20;
const BLOCKS: usize = 32;
const UID: u32 = 1000;

/// A process.
#[derive(Debug)]
pub(crate) struct Proc {
    pub(crate) peer: Peer,
    pub(crate) is_alive: bool,
    pub(crate) kind: Kind,
    /// Its end of the socket it speaks through now.
    pub(crate) conn: Option<ConnId>,
    /// What it has written and the loop has not read.
    pub(crate) outbox: VecDeque<ToSupervisor>,
    /// What the loop has written and it has not read.
    pub(crate) inbox: VecDeque<FromSupervisor>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Client(ClientProc),
    /// A child of a client's fork: it only looks.
    Fork {
        sees: BTreeMap<ObjectId, Extent>,
    },
    Worker(WorkerProc),
    Groomer(GroomerProc),
}

/// What the loop still owes the state machine about a conn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnState {
    pub(crate) proc: usize,
    pub(crate) owes_closed: bool,
    pub(crate) owes_gone: bool,
    /// Whose lifeline the loop watches.
    pub(crate) lifeline: Option<SessionId>,
}

/// One stripe of a shared object's contents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stripe {
    /// How often each job's change was made.
    pub(crate) applied: BTreeMap<u64, u32>,
    /// Half of a change was made.
    pub(crate) is_torn: bool,
    pub(crate) image: Option<BTreeMap<u64, u32>>,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) supervisor: Supervisor,
    pub(crate) is_over: bool,
    pub(crate) journal: Journal,
    pub(crate) locks: Locks,
    pub(crate) procs: Vec<Proc>,
    pub(crate) conns: BTreeMap<ConnId, ConnState>,
    /// Who holds the write end of each session's lifeline.
    pub(crate) lifelines: BTreeMap<SessionId, BTreeSet<usize>>,
    pub(crate) slot_owner: BTreeMap<SlotId, usize>,
    next_conn: u64,
    next_session: u64,
    /// Prints every event and effect.
    is_traced: bool,
    /// Counts supervisors.
    lives: u32,
    /// Effects until the loop is killed.
    pub(crate) killed_in: Option<u64>,
    /// The cells of all shared objects, as the last sweep heard of them.
    pub(crate) swept_cells: Option<BTreeSet<u32>>,
    pub(crate) contents: BTreeMap<ObjectId, Vec<Stripe>>,
    /// Objects whose maker has written them whole.
    pub(crate) whole: BTreeSet<ObjectId>,
    /// Named objects that were reported sealed and that nobody has asked to remove.
    pub(crate) must_stay: BTreeMap<ObjectId, String>,
    /// No more mishaps: everything that waits is to come to its end.
    pub(crate) is_calm: bool,
    pub(crate) jobs_ok: u64,
    pub(crate) retries: u64,
}

fn policy(rng: &mut Rng) -> Policy {
    Policy {
        workers: 1 + rng.below(3) as u32,
        spare_workers: rng.below(2) as u32,
        sessions_max: 12,
        requests_per_session_max: 12,
        jobs_per_session_max: 6,
        jobs_max: 12,
        pins_per_session_max: 30,
        objects_per_session_max: 20,
        warm_floor_bytes: 8 << 20,
        groom_blocks_max: 1 + rng.below(6),
        release_after: Duration::from_millis(200),
        allocation_timeout: Duration::from_secs(2),
        slice_time_min: Duration::from_micros(20),
        slice_time_max: Duration::from_micros(300),
        kill_grace: Duration::from_millis(500),
        attempts_max: 2 + rng.below(2) as u32,
        quarantine_deaths: 3 + rng.below(30) as u32,
        ..Policy::default()
    }
}

fn identity() -> Identity {
    Identity {
        arena: ArenaInfo {
            id: ArenaId(7),
            name: Some("sim".parse().unwrap()),
            bytes: ARENA_BYTES,
            backing: Backing::Named,
        },
        geometry: Geometry {
            object_rows: 40,
            process_rows: 32,
            cells: 64,
        },
        pid: 1,
        uid: UID,
        address: "/run/sim".to_owned(),
        embedded: false,
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut effects = Vec::new();
        let supervisor = Supervisor::new(
            policy(&mut rng),
            identity(),
            Recovered::fresh(),
            Moment(0),
            &mut effects,
        );
        let mut world = Self {
            rng,
            now: 0,
            supervisor: supervisor.unwrap(),
            is_over: false,
            journal: Journal::new(BLOCKS),
            locks: Locks::default(),
            procs: Vec::new(),
            conns: BTreeMap::new(),
            lifelines: BTreeMap::new(),
            slot_owner: BTreeMap::new(),
            next_conn: 1,
            next_session: 1,
            is_traced: std::env::var_os("SIM_TRACE").is_some(),
            lives: 1,
            killed_in: None,
            swept_cells: None,
            contents: BTreeMap::new(),
            whole: BTreeSet::new(),
            must_stay: BTreeMap::new(),
            is_calm: false,
            jobs_ok: 0,
            retries: 0,
        };
        world.execute(effects);
        world
    }

    /// Hands in an event and executes what follows from it.
    pub(crate) fn event(&mut self, event: Event) {
        if self.is_over {
            return;
        }
        let mut effects = Vec::new();
        if self.is_traced {
            println!("{} {event:?}", self.now);
        }
        self.supervisor
            .handle(Moment(self.now), event, &mut effects);
        self.execute(effects);
        self.check_memory();
    }

    fn execute(&mut self, effects: Vec<Effect>) {
        let mut answers = Vec::new();
        for effect in effects {
            if let Some(left) = &mut self.killed_in {
                if *left == 0 {
                    self.killed_in = None;
                    self.restart();
                    return;
                }
                *left -= 1;
            }
            assert!(!self.is_over, "an effect follows the exit: {effect:?}");
            answers.extend(self.apply(effect));
        }
        let life = self.lives;
        for answer in answers {
            if self.lives == life {
                self.event(answer);
            }
        }
    }

    fn apply(&mut self, effect: Effect) -> Option<Event> {
        if self.is_traced {
            println!("    {effect:?}");
        }
        match effect {
            Effect::Send { conn, message } => self.deliver(conn, message),
            Effect::Close { conn } => self.hang_up(conn),
            Effect::Spawn(child) => return Some(self.spawn(child)),
            Effect::Kill { conn } => {
                let proc = self.conns.get(&conn).map(|state| state.proc);
                let proc = proc.unwrap_or_else(|| panic!("{conn:?} is killed, but forgotten"));
                let is_child = matches!(self.procs[proc].kind, Kind::Worker(_) | Kind::Groomer(_));
                assert!(is_child, "a client is killed");
                self.strike(proc);
            }
            Effect::ReserveRows { rows } => {
                if self.is_calm || !self.rng.one_in(10) {
                    self.journal.rows_reserved = self.journal.rows_reserved.max(rows);
                }
                return Some(Event::RowsReserved {
                    rows: self.journal.rows_reserved,
                });
            }
            Effect::WriteObject(record) => {
                let record = *record;
                if let Some(stripes) = record.stripes {
                    for cell in stripes.first_cell..stripes.first_cell + stripes.count {
                        let open = &self.locks.cells[&cell];
                        assert!(open.generation == cell_generation(record.id) && !open.is_closed);
                    }
                }
                let (id, stripes) = (record.id, record.stripes);
                if self.journal.write_object(record) {
                    if let Some(stripes) = stripes {
                        self.contents
                            .insert(id, vec![Stripe::default(); stripes.count as usize]);
                        self.whole.insert(id);
                    }
                    self.check_nobody_looks(id);
                }
            }
            Effect::ClearObject(id) => self.journal.clear_object(id),
            Effect::WriteProcess(record) => self.journal.write_process(record),
            Effect::ClearProcess { row, .. } => self.journal.clear_process(row),
            Effect::WriteBlocks {
                first_block,
                states,
            } => self.journal.write_blocks(first_block, &states),
            Effect::OpenCells { cells, generation } => self.locks.open(cells, generation),
            Effect::CloseCells { cells } => self.locks.close(cells),
            Effect::PrepareSlot { slot, incarnation } => self.prepare_slot(slot, incarnation),
            Effect::Sweep { slot, cells } => {
                if let Some(&owner) = self.slot_owner.get(&slot) {
                    assert!(!self.procs[owner].is_alive, "a live slot is swept: {slot}");
                }
                self.slot_owner.remove(&slot);
                self.swept_cells = Some(cells.iter().cloned().flatten().collect());
                let mut swept = self.locks.sweep(slot, &cells);
                assert!(
                    self.locks.written_by(slot).is_empty(),
                    "a sweep leaves locks behind"
                );
                swept.corrupt.clear();
                return Some(Event::Swept(swept));
            }
            Effect::InspectCells { cells } => {
                return Some(Event::CellsSeen(self.locks.seen(&cells)));
            }
            Effect::CheckLocked { slot, cells } => {
                let missing = self.locks.first_not_held(slot, cells);
                return Some(Event::LockedBy { missing });
            }
            Effect::Note(_) => {}
            Effect::Exit(_) => self.is_over = true,
        }
        None
    }

    fn prepare_slot(&mut self, slot: SlotId, incarnation: u64) {
        let before = self.locks.held.insert(slot, incarnation);
        assert!(before.is_none(), "slot {slot} is issued before its sweep");
        let row = self
            .journal
            .processes
            .values()
            .find(|row| row.session.0 == incarnation);
        let row = row.unwrap_or_else(|| panic!("slot {slot} is issued to nobody"));
        let owner = self
            .procs
            .iter()
            .position(|proc| proc.peer == row.peer)
            .unwrap();
        self.slot_owner.insert(slot, owner);
    }

    fn spawn(&mut self, child: Child) -> Event {
        if !self.is_calm && self.rng.one_in(8) {
            return Event::SpawnFailed {
                child,
                detail: "no luck".to_owned(),
            };
        }
        let kind = match child {
            Child::Worker(slot) => Kind::Worker(WorkerProc::new(slot)),
            Child::Groomer => Kind::Groomer(GroomerProc::default()),
        };
        let proc = self.add_proc(kind);
        let conn = self.connect(proc);
        self.procs[proc].outbox.push_back(hello());
        Event::Spawned {
            child,
            conn,
            peer: self.procs[proc].peer,
        }
    }

    pub(crate) fn add_proc(&mut self, kind: Kind) -> usize {
        let number = self.procs.len() as u32;
        let peer = Peer {
            pid: 100 + number % 50,
            uid: UID,
            start_time: u64::from(number),
        };
        self.procs.push(Proc {
            peer,
            is_alive: true,
            kind,
            conn: None,
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
        });
        self.procs.len() - 1
    }

    /// A socket between a process and the loop.
    pub(crate) fn connect(&mut self, proc: usize) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.procs[proc].conn = Some(conn);
        self.conns.insert(
            conn,
            ConnState {
                proc,
                owes_closed: false,
                owes_gone: true,
                lifeline: None,
            },
        );
        conn
    }

    fn deliver(&mut self, conn: ConnId, message: FromSupervisor) {
        let Some(&ConnState { proc, .. }) = self.conns.get(&conn) else {
            panic!("a message to nobody: {message:?}");
        };
        if let FromSupervisor::Welcome(welcome) = &message {
            use arena_core::protocol::Descriptor;
            self.next_session = self.next_session.max(welcome.session.0 + 1);
            let known = self
                .journal
                .processes
                .values()
                .any(|row| row.session == welcome.session);
            assert!(known, "descriptors before the row");
            if welcome.descriptors.contains(&Descriptor::Lifeline) {
                let holders = self.lifelines.entry(welcome.session).or_default();
                if self.procs[proc].is_alive {
                    holders.insert(proc);
                }
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.lifeline = Some(welcome.session);
                }
            }
        }
        if let FromSupervisor::Groom(order) = &message {
            self.check_order(proc, *order);
        }
        self.check_message(proc, &message);
        if self.procs[proc].conn == Some(conn) {
            self.procs[proc].inbox.push_back(message);
        }
    }

    /// The loop closes a socket.
    fn hang_up(&mut self, conn: ConnId) {
        let Some(state) = self.conns.get_mut(&conn) else {
            return;
        };
        state.owes_closed = false;
        let proc = &mut self.procs[state.proc];
        if proc.conn == Some(conn) {
            proc.conn = None;
            proc.outbox.clear();
            proc.inbox.clear();
            match &mut proc.kind {
                Kind::Client(client) => client.lost_connection(),
                Kind::Worker(worker) => worker.is_doomed = true,
                Kind::Groomer(groomer) => groomer.is_doomed = true,
                Kind::Fork { .. } => {}
            }
        }
    }

    /// A process closes its socket.
    pub(crate) fn close_socket(&mut self, proc: usize) {
        if let Some(conn) = self.procs[proc].conn.take() {
            if let Some(state) = self.conns.get_mut(&conn) {
                state.owes_closed = true;
            }
            self.procs[proc].inbox.clear();
            if let Kind::Client(client) = &mut self.procs[proc].kind {
                client.lost_connection();
            }
        }
    }

    /// SIGKILL that takes its time: a process in a system call goes on for a while.
    fn strike(&mut self, proc: usize) {
        let lingers = !self.is_calm && self.rng.below(2) == 0;
        match &mut self.procs[proc].kind {
            Kind::Worker(worker) if lingers => worker.is_doomed = true,
            Kind::Groomer(groomer) if lingers => groomer.is_doomed = true,
            _ => self.kill(proc),
        }
    }

    /// A block is in the hands of one groomer at a time.
    fn check_order(&self, to: usize, order: GroomOrder) {
        for (number, proc) in self.procs.iter().enumerate() {
            if let Kind::Groomer(groomer) = &proc.kind
                && proc.is_alive
                && number != to
            {
                let mut blocks = range_of(order);
                assert!(
                    !blocks.any(|block| groomer.has_in_hands(block)),
                    "{order:?} is under way already"
                );
            }
        }
    }

    /// SIGKILL. What it wrote and was not read may still be read, or not.
    pub(crate) fn kill(&mut self, proc: usize) {
        if !self.procs[proc].is_alive {
            return;
        }
        if let Some(conn) = self.procs[proc].conn
            && let Some(state) = self.conns.get_mut(&conn)
        {
            state.owes_closed = true;
        }
        let dead = &mut self.procs[proc];
        dead.is_alive = false;
        dead.inbox.clear();
        if self.rng.one_in(3) {
            dead.outbox.clear();
        }
        for holders in self.lifelines.values_mut() {
            holders.remove(&proc);
        }
    }

    /// The supervisor is killed and started anew: what it knows now is the journal.
    pub(crate) fn restart(&mut self) {
        self.killed_in = None;
        self.lives += 1;
        self.conns.clear();
        for proc in &mut self.procs {
            proc.conn = None;
            proc.outbox.clear();
            proc.inbox.clear();
            match &mut proc.kind {
                Kind::Client(client) => client.lost_supervisor(),
                Kind::Worker(worker) => worker.is_doomed = true,
                Kind::Groomer(groomer) => groomer.is_doomed = true,
                Kind::Fork { .. } => {}
            }
        }
        let rows: Vec<_> = self.journal.processes.values().copied().collect();
        let in_a_row = |slot: SlotId| rows.iter().any(|row| row.slot == Some(slot));
        self.locks.held.retain(|&slot, _| in_a_row(slot));
        self.slot_owner.retain(|&slot, _| in_a_row(slot));
        let processes = rows
            .into_iter()
            .map(|record| self.survivor(record))
            .collect();
        let recovered = Recovered {
            first_session: SessionId(self.next_session + 1000),
            generations: self.journal.generations.clone(),
            objects: self.journal.objects.values().cloned().collect(),
            blocks: self.journal.blocks.clone(),
            processes,
        };
        self.next_session += 1000;
        let mut effects = Vec::new();
        let policy = policy(&mut self.rng);
        let started = Supervisor::new(
            policy,
            identity(),
            recovered,
            Moment(self.now),
            &mut effects,
        );
        self.supervisor = started.unwrap();
        self.execute(effects);
        self.check_memory();
    }

    fn survivor(&mut self, record: arenad::supervisor::ProcessRecord) -> Survivor {
        let proc = self
            .procs
            .iter()
            .position(|proc| proc.peer == record.peer)
            .unwrap();
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let is_alive = self.procs[proc].is_alive;
        let holders = self.lifelines.get(&record.session);
        let lifeline_held = holders.is_some_and(|holders| !holders.is_empty());
        self.conns.insert(
            conn,
            ConnState {
                proc,
                owes_closed: false,
                owes_gone: is_alive,
                lifeline: (record.role == Role::Client && lifeline_held).then_some(record.session),
            },
        );
        Survivor {
            record,
            conn,
            alive: is_alive,
            lifeline_held,
        }
    }

    /// Tells the state machine one thing that it has not been told about ends. Returns whether there was something.
    pub(crate) fn tell_an_end(&mut self) -> bool {
        let mut owed = Vec::new();
        for (&conn, state) in &self.conns {
            let proc = &self.procs[state.proc];
            let has_read_all = proc.conn != Some(conn) || proc.outbox.is_empty();
            if state.owes_closed && has_read_all {
                owed.push(Event::Closed { conn });
            }
            if state.owes_gone && !proc.is_alive && has_read_all {
                let cause = Some("signal 9".to_owned());
                owed.push(Event::Gone { conn, cause });
            }
            let is_over = |session| self.lifelines.get(&session).is_none_or(BTreeSet::is_empty);
            if state.lifeline.is_some_and(is_over) {
                owed.push(Event::LifelineEnded { conn });
            }
        }
        let Some(event) = self.rng.pick(&owed).cloned() else {
            return false;
        };
        match &event {
            Event::Closed { conn } => {
                if let Some(state) = self.conns.get_mut(conn) {
                    state.owes_closed = false;
                }
            }
            Event::Gone { conn, .. } => {
                if let Some(state) = self.conns.get_mut(conn) {
                    state.owes_gone = false;
                }
            }
            Event::LifelineEnded { conn } => {
                if let Some(state) = self.conns.get_mut(conn) {
                    state.lifeline = None;
                }
            }
            _ => {}
        }
        self.event(event);
        true
    }

    /// Lets the loop read one message of one process. Returns whether there was one.
    pub(crate) fn read_a_message(&mut self) -> bool {
        let ready: Vec<usize> = (0..self.procs.len())
            .filter(|&proc| self.procs[proc].conn.is_some() && !self.procs[proc].outbox.is_empty())
            .collect();
        let Some(&proc) = self.rng.pick(&ready) else {
            return false;
        };
        let (Some(conn), Some(message)) =
            (self.procs[proc].conn, self.procs[proc].outbox.pop_front())
        else {
            return false;
        };
        self.note_message(proc, &message);
        self.event(Event::Message { conn, message });
        true
    }

    pub(crate) fn pass_time(&mut self, nanos: u64) {
        self.now += nanos;
        let is_due = self
            .supervisor
            .next_deadline()
            .is_some_and(|due| due.0 <= self.now);
        if is_due {
            self.event(Event::Tick);
        }
    }

    /// Each byte is in one class, in the state machine's own books.
    fn check_memory(&self) {
        let classes = self.supervisor.memory_classes();
        assert_eq!(classes.total_bytes(), ARENA_BYTES, "{classes:?}");
    }

    /// The bytes of a new object are seen by no process that lives.
    fn check_nobody_looks(&self, id: ObjectId) {
        let record = self.journal.get(id).unwrap();
        for extent in extents_of(record) {
            for (number, proc) in self
                .procs
                .iter()
                .enumerate()
                .filter(|(_, proc)| proc.is_alive)
            {
                for (seen, other) in proc.sees() {
                    assert!(
                        seen == id || !extent.overlaps(other),
                        "{id} is granted over {seen}, which process {number} may see"
                    );
                }
                if let Kind::Groomer(groomer) = &proc.kind {
                    for block in blocks_of(extent) {
                        assert!(
                            !groomer.has_in_hands(block),
                            "{id} is granted block {block} under the groomer"
                        );
                    }
                }
            }
        }
    }
}

impl Proc {
    /// The extents that a process may look at or write to.
    fn sees(&self) -> Vec<(ObjectId, Extent)> {
        match &self.kind {
            Kind::Client(client) => client.sees(),
            Kind::Fork { sees } => sees.iter().map(|(&id, &extent)| (id, extent)).collect(),
            Kind::Worker(worker) => worker.sees(),
            Kind::Groomer(_) => Vec::new(),
        }
    }
}

pub(crate) fn hello() -> ToSupervisor {
    ToSupervisor::Hello(arena_core::protocol::Hello {
        protocol: arena_core::protocol::PROTOCOL_VERSION,
        program: "sim".to_owned(),
        resume: None,
    })
}
