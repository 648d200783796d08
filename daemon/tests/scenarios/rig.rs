//! A loop without a world: it answers the state machine's questions, and keeps what it says.

use arena_core::protocol::{
    ArenaInfo, Backing, Create, FromSupervisor, GroomDone, GroomOrder, Groomed, Hello, Object,
    PROTOCOL_VERSION, Partial, Reply, Request, Run, Selector, Task, TaskReport, ToSupervisor, Work,
};
use arena_core::{ArenaId, ArrayLayout, Dtype, SlotId};
use arenad::supervisor::{
    CellSeen, Child, ConnId, Effect, Event, Geometry, Identity, Moment, Peer, Policy, Recovered,
    Supervisor, Swept,
};

pub(crate) struct Rig {
    pub(crate) supervisor: Supervisor,
    pub(crate) now: u64,
    /// Every effect since the last `take`, questions too.
    pub(crate) effects: Vec<Effect>,
    /// The conns of workers, by slot, and of the groomer.
    pub(crate) workers: Vec<(SlotId, ConnId)>,
    pub(crate) groomer: Option<ConnId>,
    pub(crate) spawns_fail: bool,
    /// Whether the groomer works; else its orders stay in its hands.
    pub(crate) grooms: bool,
    /// What the next sweep finds.
    pub(crate) next_sweep: Option<Swept>,
    /// What the next inspection finds.
    pub(crate) cells_seen: Vec<CellSeen>,
    next_conn: u64,
    next_request: u64,
}

pub(crate) fn policy(workers: u32) -> Policy {
    Policy {
        workers,
        spare_workers: 0,
        warm_floor_bytes: 64 << 20,
        ..Policy::default()
    }
}

pub(crate) fn identity(embedded: bool) -> Identity {
    Identity {
        arena: ArenaInfo {
            id: ArenaId(1),
            name: None,
            bytes: 64 << 20,
            backing: Backing::Memfd,
        },
        geometry: Geometry {
            object_rows: 100_000,
            process_rows: 1024,
            cells: 65_536,
        },
        pid: 1,
        uid: 1000,
        address: "@x".to_owned(),
        embedded,
    }
}

pub(crate) fn peer(pid: u32) -> Peer {
    Peer {
        pid,
        uid: 1000,
        start_time: u64::from(pid),
    }
}

pub(crate) fn floats(elements: u64) -> ArrayLayout {
    ArrayLayout::c_order(Dtype::Float64, &[elements]).unwrap()
}

impl Rig {
    pub(crate) fn new(policy: Policy, embedded: bool) -> Self {
        Self::recovered(policy, embedded, Recovered::fresh())
    }

    pub(crate) fn recovered(policy: Policy, embedded: bool, recovered: Recovered) -> Self {
        let mut effects = Vec::new();
        let supervisor = Supervisor::new(
            policy,
            identity(embedded),
            recovered,
            Moment(0),
            &mut effects,
        )
        .unwrap();
        let mut rig = Self {
            supervisor,
            now: 0,
            effects: Vec::new(),
            workers: Vec::new(),
            groomer: None,
            spawns_fail: false,
            grooms: true,
            next_sweep: None,
            cells_seen: Vec::new(),
            next_conn: 1,
            next_request: 1,
        };
        rig.execute(effects);
        rig
    }

    pub(crate) fn event(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.supervisor
            .handle(Moment(self.now), event, &mut effects);
        self.execute(effects);
    }

    pub(crate) fn message(&mut self, conn: ConnId, message: ToSupervisor) {
        self.event(Event::Message { conn, message });
    }

    fn execute(&mut self, effects: Vec<Effect>) {
        let answers: Vec<Event> = effects
            .iter()
            .filter_map(|effect| self.answer(effect))
            .collect();
        let mut children = Vec::new();
        for effect in &effects {
            if let Effect::Send {
                conn,
                message: FromSupervisor::Groom(order),
            } = effect
                && self.grooms
            {
                children.push((*conn, groomed(*order)));
            }
        }
        self.effects.extend(effects);
        for answer in answers {
            let hello = match &answer {
                Event::Spawned { conn, .. } => Some(*conn),
                _ => None,
            };
            self.event(answer);
            if let Some(conn) = hello {
                self.message(conn, hello_message());
            }
        }
        for (conn, message) in children {
            self.message(conn, message);
        }
    }

    fn answer(&mut self, effect: &Effect) -> Option<Event> {
        match effect {
            Effect::Spawn(child) if self.spawns_fail => Some(Event::SpawnFailed {
                child: *child,
                detail: "no".to_owned(),
            }),
            Effect::Spawn(child) => {
                let conn = self.conn();
                match child {
                    Child::Worker(slot) => self.workers.push((*slot, conn)),
                    Child::Groomer => self.groomer = Some(conn),
                }
                Some(Event::Spawned {
                    child: *child,
                    conn,
                    peer: peer(10_000 + conn.0 as u32),
                })
            }
            Effect::ReserveRows { rows } => Some(Event::RowsReserved { rows: *rows }),
            Effect::Sweep { slot, .. } => {
                let nothing = Swept {
                    slot: *slot,
                    poisoned: Vec::new(),
                    corrupt: Vec::new(),
                    progress: None,
                };
                Some(Event::Swept(self.next_sweep.take().unwrap_or(nothing)))
            }
            Effect::InspectCells { .. } => {
                Some(Event::CellsSeen(std::mem::take(&mut self.cells_seen)))
            }
            Effect::CheckLocked { .. } => Some(Event::LockedBy { missing: None }),
            _ => None,
        }
    }

    pub(crate) fn conn(&mut self) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        conn
    }

    /// A client that has its welcome.
    pub(crate) fn client(&mut self, pid: u32) -> ConnId {
        let conn = self.conn();
        self.event(Event::Connected {
            conn,
            peer: peer(pid),
        });
        self.message(conn, hello_message());
        conn
    }

    pub(crate) fn ask(&mut self, conn: ConnId, request: Request) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        self.message(conn, ToSupervisor::Request { id, request });
        id
    }

    /// Asks and expects the answer at once.
    pub(crate) fn call(
        &mut self,
        conn: ConnId,
        request: Request,
    ) -> Result<Reply, arena_core::protocol::Failure> {
        let id = self.ask(conn, request);
        self.reply_to(id).unwrap()
    }

    pub(crate) fn reply_to(
        &self,
        wanted: u64,
    ) -> Option<Result<Reply, arena_core::protocol::Failure>> {
        self.sent()
            .into_iter()
            .find_map(|(_, message)| match message {
                FromSupervisor::Reply { id, result } if id == wanted => Some(result),
                _ => None,
            })
    }

    pub(crate) fn sent(&self) -> Vec<(ConnId, FromSupervisor)> {
        let sends = self.effects.iter().filter_map(|effect| match effect {
            Effect::Send { conn, message } => Some((*conn, message.clone())),
            _ => None,
        });
        sends.collect()
    }

    /// The tasks that were handed out, with their workers.
    pub(crate) fn tasks(&self) -> Vec<(ConnId, Task)> {
        let tasks = self
            .sent()
            .into_iter()
            .filter_map(|(conn, message)| match message {
                FromSupervisor::Task(task) => Some((conn, *task)),
                _ => None,
            });
        tasks.collect()
    }

    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// A sealed array of that many elements.
    pub(crate) fn sealed(&mut self, conn: ConnId, elements: u64, name: Option<&str>) -> Object {
        let object = self.created(conn, elements, name);
        match self.call(conn, Request::Seal(object.id)) {
            Ok(Reply::Object(sealed)) => *sealed,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn created(&mut self, conn: ConnId, elements: u64, name: Option<&str>) -> Object {
        let create = Create {
            layout: floats(elements),
            name: name.map(|name| name.parse().unwrap()),
            sharing: None,
        };
        match self.call(conn, Request::Create(create)) {
            Ok(Reply::Object(object)) => *object,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn run(&mut self, conn: ConnId, kernel: &str, object: &Object) -> u64 {
        self.ask(
            conn,
            Request::Run(Run {
                kernel: kernel.to_owned(),
                inputs: vec![Selector::Id(object.id)],
                params: std::collections::BTreeMap::new(),
                deadline_ms: None,
            }),
        )
    }

    /// Reports a task as a worker would that found zeros.
    pub(crate) fn report(&mut self, conn: ConnId, task: &Task) {
        let partial = match &task.work {
            Work::Run {
                kernel,
                inputs,
                state,
                span: arena_core::protocol::Span::Leaves { start, end },
                ..
            } => zeros(
                kernel,
                inputs[0].layout.element_count(),
                state,
                *start..*end,
            ),
            _ => Vec::new(),
        };
        self.message(
            conn,
            ToSupervisor::Report(TaskReport {
                task: task.task,
                outcome: Ok(Partial::from(partial)),
                busy_ns: 1000,
            }),
        );
    }

    /// The worker of that conn dies.
    pub(crate) fn dies(&mut self, conn: ConnId) {
        self.event(Event::Closed { conn });
        self.event(Event::Gone {
            conn,
            cause: Some("signal 9".to_owned()),
        });
    }

    pub(crate) fn tick_at(&mut self, now: u64) {
        self.now = now;
        self.event(Event::Tick);
    }
}

fn zeros(kernel: &str, elements: u64, state: &[u8], leaves: std::ops::Range<u64>) -> Vec<u8> {
    use arena_kernels::{Dense, ElementType, Elements, InputSpec, Operands};
    let shape = [elements];
    let input = InputSpec {
        element: ElementType::Float64,
        shape: &shape,
    };
    let plan = arena_kernels::find(kernel).unwrap();
    let plan = plan
        .plan(&[input], &std::collections::BTreeMap::new())
        .unwrap();
    let data = vec![0.0; elements as usize];
    let mut source = Dense {
        first: 0,
        operands: Operands::One(Elements::F64(&data)),
    };
    plan.reduce(state, leaves, &mut source)
        .unwrap()
        .into_bytes()
}

pub(crate) fn hello_message() -> ToSupervisor {
    ToSupervisor::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        program: "test".to_owned(),
        resume: None,
    })
}

fn groomed(order: GroomOrder) -> ToSupervisor {
    let huge = match order {
        GroomOrder::Populate { blocks, .. } => vec![true; blocks as usize],
        GroomOrder::Release { .. } => Vec::new(),
    };
    ToSupervisor::Groomed(Groomed {
        order,
        done: GroomDone {
            huge,
            shortage: None,
        },
    })
}
