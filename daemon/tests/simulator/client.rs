//! Clients: what they ask for, what they hold and may look at, and what the answers must be.

use std::collections::{BTreeMap, BTreeSet};

use arena_core::lock::cell_generation;
use arena_core::protocol::{
    Create, Failure, FromSupervisor, Hello, Object, ObjectState, PROTOCOL_VERSION, Reply, Request,
    Resume, Run, Selector, Sharing, TaskReport, ToSupervisor, Value, Welcome,
};
use arena_core::{ArenaId, ArrayLayout, Dtype, Extent, ObjectId, SessionId, SlotId};

use crate::numbers::{REDUCTIONS, SIZES, expected, same_bits};
use crate::world::{Kind, World};

#[derive(Debug, Default)]
pub(crate) struct ClientProc {
    session: Option<SessionId>,
    /// Lost its supervisor, and may come back.
    was_welcome: bool,
    /// What it looks at, and how often it has said so.
    views: BTreeMap<ObjectId, (Object, u32)>,
    /// What forked children may look at.
    forked: BTreeSet<ObjectId>,
    /// What it looks at through sessions that ended.
    old_views: Vec<(ObjectId, Extent)>,
    /// Objects that it fills.
    filling: BTreeSet<ObjectId>,
    windows: BTreeSet<ObjectId>,
    slot: Option<SlotId>,
    /// The object all of whose stripes it holds locked.
    locked: Option<ObjectId>,
    pub(crate) asked: BTreeMap<u64, Asked>,
    next_request: u64,
}

/// A request without an answer.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Create,
    Seal(ObjectId),
    SealShared(ObjectId),
    Get,
    OpenWindow(ObjectId),
    Slot,
    Reduce { kernel: String, elements: u64 },
    InPlace { object: ObjectId, token: u64 },
    RollBack,
    Other,
}

impl ClientProc {
    pub(crate) fn sees(&self) -> Vec<(ObjectId, Extent)> {
        let views = self.views.iter().flat_map(|(&id, (object, _))| {
            // Before-images are for those who write; whoever asks for the seal has stopped.
            let writes = self.windows.contains(&id) && self.locked != Some(id);
            let extents = [Some(object.extent), object.image.filter(|_| writes)];
            extents
                .into_iter()
                .flatten()
                .map(move |extent| (id, extent))
        });
        views.chain(self.old_views.iter().copied()).collect()
    }

    /// The session is over, the process goes on: what it sees stays.
    pub(crate) fn lost_connection(&mut self) {
        self.asked.clear();
        self.old_views = self.sees();
        *self = Self {
            old_views: std::mem::take(&mut self.old_views),
            next_request: self.next_request,
            ..Self::default()
        };
    }

    pub(crate) fn lost_supervisor(&mut self) {
        self.asked.clear();
        self.was_welcome = self.session.is_some();
    }

    pub(crate) const fn is_welcome(&self) -> bool {
        self.session.is_some() && !self.was_welcome
    }
}

impl World {
    fn client(&mut self, proc: usize) -> &mut ClientProc {
        match &mut self.procs[proc].kind {
            Kind::Client(client) => client,
            other => panic!("process {proc} is no client: {other:?}"),
        }
    }

    /// Connects a client, anew or again.
    pub(crate) fn client_connects(&mut self, proc: usize) {
        let client = self.client(proc);
        let resume = client
            .session
            .filter(|_| client.was_welcome)
            .map(|session| Resume {
                arena: ArenaId(7),
                session,
                pins: client
                    .views
                    .iter()
                    .flat_map(|(&id, &(_, count))| std::iter::repeat_n(id, count as usize))
                    .collect(),
                windows: client.windows.iter().copied().collect(),
            });
        let conn = self.connect(proc);
        // What was written to the old socket is lost with it.
        self.procs[proc].outbox.clear();
        let peer = self.procs[proc].peer;
        self.procs[proc]
            .outbox
            .push_back(ToSupervisor::Hello(Hello {
                protocol: PROTOCOL_VERSION,
                program: "sim".to_owned(),
                resume,
            }));
        self.event(arenad::supervisor::Event::Connected { conn, peer });
    }

    /// Reads one message. Returns whether there was one.
    pub(crate) fn client_reads(&mut self, proc: usize) -> bool {
        let Some(message) = self.procs[proc].inbox.pop_front() else {
            return false;
        };
        match message {
            FromSupervisor::Welcome(welcome) => self.welcomed(proc, &welcome),
            FromSupervisor::Reply { id, result } => self.answered(proc, id, result),
            FromSupervisor::Refused(_) | FromSupervisor::Notice(_) => {}
            other => panic!("not for a client: {other:?}"),
        }
        true
    }

    fn welcomed(&mut self, proc: usize, welcome: &Welcome) {
        let client = self.client(proc);
        if welcome.resumed {
            client.was_welcome = false;
            let views: Vec<ObjectId> = client.views.keys().copied().collect();
            let filling = std::mem::take(&mut client.filling);
            for id in views {
                // A grant whose row was not written is no loss: nothing was told of it. All else must be there.
                assert!(self.journal.get(id).is_some(), "{id} was lost in a restart");
            }
            self.client(proc).filling = filling;
        } else {
            client.lost_connection();
        }
        self.client(proc).session = Some(welcome.session);
    }

    fn ask(&mut self, proc: usize, request: Request, asked: Asked) {
        let client = self.client(proc);
        client.next_request += 1;
        let id = client.next_request;
        client.asked.insert(id, asked);
        self.procs[proc]
            .outbox
            .push_back(ToSupervisor::Request { id, request });
    }

    fn tell(&mut self, proc: usize, request: Request) {
        self.procs[proc]
            .outbox
            .push_back(ToSupervisor::Request { id: 0, request });
    }

    fn answered(&mut self, proc: usize, id: u64, result: Result<Reply, Failure>) {
        let asked = self.client(proc).asked.remove(&id);
        let asked = asked.unwrap_or_else(|| {
            panic!("request {id} is answered twice, or was never asked: {result:?}")
        });
        match (asked, result) {
            (Asked::Create, Ok(Reply::Object(object))) => self.created(proc, *object),
            (Asked::Seal(object), Ok(Reply::Object(sealed))) => {
                assert_eq!((sealed.id, sealed.state), (object, ObjectState::Sealed));
                self.client(proc).filling.remove(&object);
            }
            (Asked::SealShared(object), result) => self.seal_answered(proc, object, result),
            (Asked::Get, Ok(Reply::Object(object))) => {
                self.check_published(&object);
                self.looks_at(proc, *object);
            }
            (Asked::OpenWindow(object), Ok(Reply::Done)) => {
                self.client(proc).windows.insert(object);
            }
            (Asked::Slot, Ok(Reply::Slot { slot, incarnation })) => {
                assert_eq!(self.locks.held.get(&slot), Some(&incarnation));
                self.client(proc).slot = Some(slot);
            }
            (Asked::Reduce { kernel, elements }, Ok(Reply::Ran(ran))) => {
                let value = ran.value.unwrap();
                assert!(
                    same_bits(&value, &expected(&kernel, elements)),
                    "{kernel} of {elements}: {value:?}"
                );
                self.jobs_ok += 1;
                self.retries += u64::from(ran.retries);
            }
            (Asked::InPlace { object, token }, Ok(Reply::Ran(_))) => {
                self.jobs_ok += 1;
                for (number, stripe) in self.contents[&object].iter().enumerate() {
                    let times = stripe.applied.get(&token).copied().unwrap_or(0);
                    assert_eq!(
                        times, 1,
                        "stripe {number} of {object} was changed {times} times"
                    );
                }
            }
            (asked, Err(Failure::System { detail } | Failure::Protocol { detail })) => {
                panic!("{asked:?} fails for no fault of anybody: {detail}")
            }
            (Asked::RollBack, Ok(Reply::Ran(_))) | (Asked::Other, Ok(_)) | (_, Err(_)) => {}
            (asked, result) => panic!("{asked:?} is answered by {result:?}"),
        }
    }

    fn created(&mut self, proc: usize, object: Object) {
        let id = object.id;
        match object.state {
            ObjectState::Filling => {
                self.client(proc).filling.insert(id);
            }
            ObjectState::Shared => {}
            state => panic!("{id} is new and {state:?}"),
        }
        self.looks_at(proc, object);
    }

    fn looks_at(&mut self, proc: usize, object: Object) {
        assert!(
            self.journal.get(object.id).is_some(),
            "{} was freed under its grant",
            object.id
        );
        let id = object.id;
        self.client(proc).views.entry(id).or_insert((object, 0)).1 += 1;
    }

    fn check_published(&self, object: &Object) {
        let is_published = matches!(object.state, ObjectState::Sealed | ObjectState::Shared);
        assert!(is_published, "{object:?} is found");
        assert!(
            self.whole.contains(&object.id),
            "half-written {} is found",
            object.id
        );
    }

    fn seal_answered(&mut self, proc: usize, id: ObjectId, result: Result<Reply, Failure>) {
        let (slot, object) = {
            let client = self.client(proc);
            client.locked = None;
            (
                client.slot.unwrap(),
                client.views.get(&id).map(|(object, _)| object.clone()),
            )
        };
        match (result, object) {
            (Ok(_), _) => {
                self.client(proc).windows.remove(&id);
            }
            (Err(_), Some(object)) => self.unlock(slot, &object),
            (Err(_), None) => {}
        }
    }

    fn unlock(&mut self, slot: SlotId, object: &Object) {
        let stripes = object.stripes.unwrap();
        for cell in stripes.first_cell..stripes.first_cell + stripes.count {
            self.locks.commit(cell, slot);
        }
    }

    /// What the supervisor says, at the moment it says it.
    pub(crate) fn check_message(&mut self, proc: usize, message: &FromSupervisor) {
        match message {
            FromSupervisor::Task(task) => {
                assert!(task.task > 0);
                if let Kind::Worker(worker) = &mut self.procs[proc].kind {
                    worker.unreported += 1;
                    assert!(
                        worker.unreported <= 2,
                        "a worker has {} tasks",
                        worker.unreported
                    );
                }
            }
            FromSupervisor::Reply {
                result: Ok(Reply::Slot { slot, incarnation }),
                ..
            } => {
                let mut rows = self.journal.processes.values();
                let row = rows.find(|row| row.slot == Some(*slot));
                assert_eq!(
                    row.map(|row| row.session.0),
                    Some(*incarnation),
                    "a slot is told before its row"
                );
            }
            FromSupervisor::Reply {
                result: Ok(Reply::Object(object)),
                ..
            } => {
                let row = self.journal.get(object.id);
                let row = row.unwrap_or_else(|| {
                    panic!("{} is granted before its row is written", object.id)
                });
                assert_eq!((row.state, row.extent), (object.state, object.extent));
                if let (ObjectState::Sealed, Some(name)) = (object.state, &object.name) {
                    self.must_stay.insert(object.id, name.to_string());
                }
            }
            _ => {}
        }
    }

    /// What the supervisor is about to read.
    pub(crate) fn note_message(&mut self, proc: usize, message: &ToSupervisor) {
        match message {
            ToSupervisor::Report(_) => {
                if let Kind::Worker(worker) = &mut self.procs[proc].kind {
                    worker.unreported -= 1;
                }
            }
            ToSupervisor::Request {
                request: Request::Remove(selector),
                ..
            } => match selector {
                Selector::Id(id) => drop(self.must_stay.remove(id)),
                Selector::Name(name) => self.must_stay.retain(|_, named| named != name.as_str()),
            },
            _ => {}
        }
    }

    /// A client does something of its own accord.
    pub(crate) fn client_acts(&mut self, proc: usize) {
        if self.procs[proc].conn.is_none() {
            self.client_connects(proc);
            return;
        }
        if !self.client(proc).is_welcome() {
            return;
        }
        match self.rng.below(20) {
            0..4 => self.asks_create(proc),
            4..6 => self.asks_seal(proc),
            6 => self.gives_up(proc),
            7..9 => self.asks_get(proc),
            9..11 => self.unpins(proc),
            11 => self.asks_remove(proc),
            12 => self.asks_slot_or_window(proc),
            13..17 => self.asks_run(proc),
            17 => self.asks_seal_shared(proc),
            18 => self.asks_table(proc),
            _ => self.cancels(proc),
        }
    }

    fn asks_create(&mut self, proc: usize) {
        let name = ["a", "b", "c", "d"][self.rng.below(4) as usize];
        let name = (!self.rng.one_in(3)).then(|| name.parse().unwrap());
        let elements = if self.rng.one_in(8) {
            self.rng.below(9 << 20)
        } else {
            SIZES[self.rng.below(4) as usize]
        };
        let sharing = self.rng.one_in(3).then(|| Sharing {
            lock_axis: 0,
            stripes: Some(1 + self.rng.below(6) as u32)
                .filter(|&stripes| u64::from(stripes) <= elements),
            before_images: self.rng.below(2) == 0,
        });
        let sharing = sharing.filter(|_| elements < 1 << 20);
        let create = Create {
            layout: ArrayLayout::c_order(Dtype::Float64, &[elements]).unwrap(),
            name,
            sharing,
        };
        self.ask(proc, Request::Create(create), Asked::Create);
    }

    fn asks_seal(&mut self, proc: usize) {
        let filling: Vec<ObjectId> = self.client(proc).filling.iter().copied().collect();
        if let Some(&id) = self.rng.pick(&filling) {
            self.seals(proc, id);
        }
    }

    /// Writes the rest, makes the window private, asks.
    fn seals(&mut self, proc: usize, id: ObjectId) {
        self.whole.insert(id);
        self.ask(proc, Request::Seal(id), Asked::Seal(id));
    }

    fn gives_up(&mut self, proc: usize) {
        let forked = self.client(proc).forked.clone();
        let filling = self.client(proc).filling.iter().copied();
        let filling: Vec<ObjectId> = filling.filter(|id| !forked.contains(id)).collect();
        if let Some(&id) = self.rng.pick(&filling)
            && !self.whole.contains(&id)
        {
            let client = self.client(proc);
            client.filling.remove(&id);
            client.views.remove(&id);
            self.ask(proc, Request::Abandon(id), Asked::Other);
        }
    }

    fn some_selector(&mut self) -> Selector {
        let known: Vec<ObjectId> = self
            .journal
            .objects
            .values()
            .map(|record| record.id)
            .collect();
        match self.rng.pick(&known) {
            Some(&id) if self.rng.below(2) == 0 => Selector::Id(id),
            _ => Selector::Name(
                ["a", "b", "c", "d"][self.rng.below(4) as usize]
                    .parse()
                    .unwrap(),
            ),
        }
    }

    fn asks_get(&mut self, proc: usize) {
        let selector = self.some_selector();
        self.ask(proc, Request::Get(selector), Asked::Get);
    }

    fn unpins(&mut self, proc: usize) {
        let client = self.client(proc);
        let may_go = |id: &&ObjectId| {
            !client.forked.contains(id)
                && !client.filling.contains(id)
                && !client.windows.contains(id)
                && client.locked != Some(**id)
        };
        let views: Vec<ObjectId> = client.views.keys().filter(may_go).copied().collect();
        let Some(&id) = self.rng.pick(&views) else {
            return;
        };
        let client = self.client(proc);
        let waits_for_window = |asked: &Asked| matches!(asked, Asked::OpenWindow(_));
        if client.asked.values().any(waits_for_window) {
            return;
        }
        if let Some((_, count)) = client.views.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                client.views.remove(&id);
            }
        }
        self.ask(proc, Request::Unpin(vec![id]), Asked::Other);
    }

    fn asks_remove(&mut self, proc: usize) {
        let selector = self.some_selector();
        self.ask(proc, Request::Remove(selector), Asked::Other);
    }

    fn asks_slot_or_window(&mut self, proc: usize) {
        let client = self.client(proc);
        if client.slot.is_none() {
            if !client
                .asked
                .values()
                .any(|asked| matches!(asked, Asked::Slot))
            {
                self.ask(proc, Request::Slot, Asked::Slot);
            }
            return;
        }
        let shared = client
            .views
            .iter()
            .filter(|(_, (object, _))| object.state == ObjectState::Shared);
        let shared: Vec<ObjectId> = shared.map(|(&id, _)| id).collect();
        if let Some(&id) = self.rng.pick(&shared) {
            if self.client(proc).windows.remove(&id) {
                self.tell(proc, Request::CloseWindow(id));
            } else {
                self.ask(proc, Request::OpenWindow(id), Asked::OpenWindow(id));
            }
        }
    }

    fn asks_run(&mut self, proc: usize) {
        let records = self.journal.objects.values();
        let ready = records
            .filter(|record| matches!(record.state, ObjectState::Sealed | ObjectState::Shared));
        let ready: Vec<_> = ready
            .map(|record| (record.id, record.state, record.layout.element_count()))
            .collect();
        let Some(&(object, state, elements)) = self.rng.pick(&ready) else {
            return;
        };
        let deadline_ms = self.rng.one_in(4).then(|| 1 + self.rng.below(20));
        let run = |kernel: &str, params| {
            Request::Run(Run {
                kernel: kernel.to_owned(),
                inputs: vec![Selector::Id(object)],
                params,
                deadline_ms,
            })
        };
        if state == ObjectState::Shared && elements > 0 && self.rng.below(3) > 0 {
            if self.rng.one_in(5) {
                self.ask(proc, Request::RollBack(object), Asked::RollBack);
                return;
            }
            let token = self.rng.below(1 << 40);
            let params = BTreeMap::from([("offset".to_owned(), Value::Int(token as i64))]);
            self.ask(
                proc,
                run("scale_add", params),
                Asked::InPlace { object, token },
            );
        } else if SIZES.contains(&elements) {
            let kernel = REDUCTIONS[self.rng.below(4) as usize];
            let asked = Asked::Reduce {
                kernel: kernel.to_owned(),
                elements,
            };
            self.ask(proc, run(kernel, BTreeMap::new()), asked);
        }
    }

    /// Locks every stripe of a shared object, if they are free, and asks for its seal.
    fn asks_seal_shared(&mut self, proc: usize) {
        let client = self.client(proc);
        let (Some(slot), None) = (client.slot, client.locked) else {
            return;
        };
        let of_window = |id: &ObjectId| client.views.get(id).map(|(object, _)| object.clone());
        let objects: Vec<Object> = client.windows.iter().filter_map(of_window).collect();
        let Some(object) = self.rng.pick(&objects).cloned() else {
            return;
        };
        let stripes = object.stripes.unwrap();
        let cells = stripes.first_cell..stripes.first_cell + stripes.count;
        let taken: Vec<u32> = cells
            .clone()
            .take_while(|&cell| {
                self.locks
                    .acquire(cell, cell_generation(object.id), slot, false)
            })
            .collect();
        let has_all = taken.len() == cells.len();
        if has_all || self.rng.one_in(3) {
            self.client(proc).locked = Some(object.id);
            self.ask(proc, Request::Seal(object.id), Asked::SealShared(object.id));
        } else {
            for cell in taken {
                self.locks.commit(cell, slot);
            }
        }
    }

    fn asks_table(&mut self, proc: usize) {
        let request = match self.rng.below(6) {
            0 => Request::Stats,
            1 => Request::Locks,
            2 => Request::Workers,
            3 => Request::Sessions,
            4 => Request::Kernels,
            _ => Request::List { from: 0 },
        };
        self.ask(proc, request, Asked::Other);
    }

    fn cancels(&mut self, proc: usize) {
        let asked: Vec<u64> = self.client(proc).asked.keys().copied().collect();
        if let Some(&id) = self.rng.pick(&asked) {
            self.ask(proc, Request::Cancel(id), Asked::Other);
        }
    }

    /// Forks a client. What it fills becomes private and is asked to be sealed; what it looks at, the child looks at.
    pub(crate) fn client_forks(&mut self, proc: usize) {
        let client = self.client(proc);
        if !client.is_welcome() {
            return;
        }
        let session = client.session.unwrap();
        client.forked.extend(client.views.keys().copied());
        let sees: BTreeMap<ObjectId, Extent> = client.sees().into_iter().collect();
        let filling: Vec<ObjectId> = client.filling.iter().copied().collect();
        for id in filling {
            self.seals(proc, id);
        }
        let child = self.add_proc(Kind::Fork { sees });
        let inherited: Vec<SessionId> = self
            .lifelines
            .iter()
            .filter(|(id, holders)| **id == session || holders.contains(&proc))
            .map(|(&id, _)| id)
            .collect();
        for id in inherited {
            if let Some(holders) = self.lifelines.get_mut(&id) {
                holders.insert(child);
            }
        }
    }

    /// Sends what no client may send.
    pub(crate) fn client_misbehaves(&mut self, proc: usize) {
        if self.procs[proc].conn.is_none() {
            return;
        }
        let message = match self.rng.below(3) {
            0 => ToSupervisor::Report(TaskReport {
                task: self.rng.below(100),
                outcome: Err(Failure::Cancelled),
                busy_ns: 0,
            }),
            1 => crate::world::hello(),
            _ => ToSupervisor::Request {
                id: 0,
                request: Request::Unpin(vec![ObjectId {
                    index: self.rng.below(1 << 32) as u32,
                    generation: self.rng.next(),
                }]),
            },
        };
        self.procs[proc].outbox.push_back(message);
    }
}
