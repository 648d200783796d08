//! One seed: some hundred steps in disorder, then calm, in which everything that waits must come to its end.

use crate::client::ClientProc;
use crate::world::{Kind, World};

/// Rounds in which a world at rest must have come to its end.
const CALM_ROUNDS: u32 = 20_000;

/// What worlds have been through, to see that they do something.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) jobs_ok: u64,
    pub(crate) retries: u64,
    pub(crate) processes: u64,
    pub(crate) stayed: u64,
}

impl Done {
    pub(crate) fn add(&mut self, world: &World) {
        self.jobs_ok += world.jobs_ok;
        self.retries += world.retries;
        self.processes += world.procs.len() as u64;
        self.stayed += world.must_stay.len() as u64;
    }
}

pub(crate) fn run(seed: u64, steps: u64) -> World {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.step();
    }
    world.calm_down();
    world.check_nobody_waits();
    world.everyone_leaves();
    world.check_nothing_is_left();
    world
}

impl World {
    fn step(&mut self) {
        match self.rng.below(100) {
            0..28 => drop(self.read_a_message()),
            28..56 => drop(self.someone_acts()),
            56..80 => self.a_client_acts(),
            80..88 => {
                let nanos = self.rng.below(3_000_000) << self.rng.below(8);
                self.pass_time(nanos);
            }
            88..94 => drop(self.tell_an_end()),
            94 => self.a_client_forks(),
            95 => self.someone_is_killed(),
            96 => self.a_worker_is_killed(),
            97 => {
                if self.killed_in.is_none() && self.rng.one_in(3) {
                    self.killed_in = Some(self.rng.below(30));
                }
            }
            98 => {
                if let Some(proc) = self.some_client().filter(|_| self.rng.below(3) == 0) {
                    self.close_socket(proc);
                }
            }
            _ => {
                if let Some(proc) = self.some_client().filter(|_| self.rng.below(3) == 0) {
                    self.client_misbehaves(proc);
                }
            }
        }
    }

    fn alive(&self, is_meant: impl Fn(&Kind) -> bool) -> Vec<usize> {
        let procs = self.procs.iter().enumerate();
        let meant = procs.filter(|(_, proc)| proc.is_alive && is_meant(&proc.kind));
        meant.map(|(number, _)| number).collect()
    }

    fn some_client(&mut self) -> Option<usize> {
        let clients = self.alive(|kind| matches!(kind, Kind::Client(_)));
        self.rng.pick(&clients).copied()
    }

    /// A process reads what it was sent, or a child works.
    fn someone_acts(&mut self) -> bool {
        let has_something = |proc: &crate::world::Proc| match proc.kind {
            Kind::Client(_) => !proc.inbox.is_empty(),
            Kind::Fork { .. } => false,
            Kind::Worker(_) | Kind::Groomer(_) => true,
        };
        let procs = self.procs.iter().enumerate();
        let able = procs.filter(|(_, proc)| proc.is_alive && has_something(proc));
        let able: Vec<usize> = able.map(|(number, _)| number).collect();
        let Some(&proc) = self.rng.pick(&able) else {
            return false;
        };
        self.acts(proc)
    }

    fn acts(&mut self, proc: usize) -> bool {
        match self.procs[proc].kind {
            Kind::Client(_) => self.client_reads(proc),
            _ => self.child_acts(proc),
        }
    }

    fn a_client_acts(&mut self) {
        let clients = self.alive(|kind| matches!(kind, Kind::Client(_)));
        if clients.len() < 4 && self.rng.one_in(10) || clients.is_empty() {
            self.add_proc(Kind::Client(ClientProc::default()));
        } else if let Some(proc) = self.some_client() {
            self.client_acts(proc);
        }
    }

    fn a_client_forks(&mut self) {
        if let Some(proc) = self.some_client().filter(|_| self.rng.below(2) == 0) {
            self.client_forks(proc);
        }
    }

    fn someone_is_killed(&mut self) {
        let mortal = self.alive(|kind| !matches!(kind, Kind::Worker(_)));
        if let Some(&proc) = self.rng.pick(&mortal).filter(|_| self.rng.below(2) == 0) {
            self.kill(proc);
        }
    }

    fn a_worker_is_killed(&mut self) {
        let workers = self.alive(|kind| matches!(kind, Kind::Worker(_)));
        if let Some(&proc) = self.rng.pick(&workers) {
            self.kill(proc);
        }
    }

    /// No more requests, deaths or mishaps. Whoever was cut off connects again.
    fn calm_down(&mut self) {
        self.is_calm = true;
        self.killed_in = None;
        for _ in 0..CALM_ROUNDS {
            let mut is_quiet = true;
            while self.read_a_message() || self.tell_an_end() {
                is_quiet = false;
            }
            for proc in 0..self.procs.len() {
                while self.procs[proc].is_alive && self.acts(proc) {
                    is_quiet = false;
                    if matches!(self.procs[proc].kind, Kind::Worker(_)) && self.rng.one_in(8) {
                        break;
                    }
                }
            }
            if is_quiet && self.is_everyone_answered() {
                return;
            }
            if is_quiet {
                let due = self.supervisor.next_deadline().map_or(0, |due| due.0);
                let nanos = due.saturating_sub(self.now) + 1;
                self.pass_time(nanos);
            }
        }
    }

    fn is_everyone_answered(&self) -> bool {
        self.procs.iter().all(|proc| match &proc.kind {
            Kind::Client(client) => {
                !proc.is_alive || proc.conn.is_none() || client.asked.is_empty()
            }
            _ => true,
        })
    }

    fn check_nobody_waits(&self) {
        for (number, proc) in self.procs.iter().enumerate() {
            if let Kind::Client(client) = &proc.kind
                && proc.is_alive
                && proc.conn.is_some()
            {
                assert!(
                    client.asked.is_empty(),
                    "process {number} waits for ever: {:?}",
                    client.asked
                );
            }
        }
    }

    /// Every client ends, with its children.
    fn everyone_leaves(&mut self) {
        for proc in self.alive(|kind| matches!(kind, Kind::Client(_) | Kind::Fork { .. })) {
            self.kill(proc);
        }
        self.calm_down();
        // The last sweep hears which cells are still in use.
        self.swept_cells = None;
        for proc in self.alive(|kind| matches!(kind, Kind::Worker(_))) {
            self.kill(proc);
        }
        let mut patience = 1000;
        while patience > 0 && (self.read_a_message() || self.tell_an_end()) {
            patience -= 1;
        }
    }

    /// Named objects are there, and nothing else.
    fn check_nothing_is_left(&self) {
        let stripes = self
            .journal
            .objects
            .values()
            .filter_map(|record| record.stripes);
        let cells =
            stripes.flat_map(|stripes| stripes.first_cell..stripes.first_cell + stripes.count);
        if let Some(swept) = &self.swept_cells {
            assert_eq!(*swept, cells.collect(), "lock cells in use");
        }
        for (id, name) in &self.must_stay {
            let row = self.journal.get(*id);
            assert!(row.is_some(), "{id} ({name:?}) was sealed and is lost");
        }
        for record in self.journal.objects.values() {
            use arena_core::protocol::ObjectState;
            let may_stay = matches!(record.state, ObjectState::Sealed | ObjectState::Shared)
                && record.name.is_some();
            assert!(may_stay, "nobody needs it, and it is left: {record:?}");
        }
        let clients = self
            .journal
            .processes
            .values()
            .filter(|row| row.role == arenad::supervisor::Role::Client);
        assert_eq!(clients.count(), 0, "rows of dead clients are left");
    }
}
