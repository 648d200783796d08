//! Requests of clients: bounds, then one place for each.

use arena_core::protocol::{Failure, Object, Reply, Request, Selector};
use arena_core::{ObjectId, SessionId};

use super::machine::{Phase, Supervisor};
use super::objects;
use super::session::Deferred;

/// Estimated bytes of an object in a frame, without its name: names of fields, eight dimensions, all numbers at their longest.
const OBJECT_BYTES: usize = 700;

/// Bytes of one page of a listing; well below a frame's bound.
const PAGE_BYTES: usize = 512 << 10;

/// Rows that one listing looks at.
const PAGE_ROWS: u32 = 4096;

/// What a request came to: its reply, or nothing yet.
pub(super) type Handled = Result<Option<Reply>, Failure>;

impl Supervisor {
    pub(super) fn request(&mut self, id: SessionId, request_id: u64, request: Request) {
        self.counters.requests += 1;
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if request_id != 0 && session.deferred(request_id).is_some() {
            let conn = session.conn;
            self.violation(conn, format!("request {request_id} is in flight already"));
            return;
        }
        let limit = self.policy.requests_per_session_max;
        let is_over = session.in_flight.len() >= limit as usize;
        let handled = if is_over && may_wait(&request) {
            Err(busy("requests in flight per session", u64::from(limit)))
        } else {
            self.serve(id, request_id, request)
        };
        match handled {
            Ok(None) => {}
            Ok(Some(reply)) => self.reply(id, request_id, Ok(reply)),
            Err(failure) => self.reply(id, request_id, Err(failure)),
        }
    }

    fn serve(&mut self, session: SessionId, request: u64, asked: Request) -> Handled {
        let is_new_work = matches!(
            asked,
            Request::Create(_) | Request::Run(_) | Request::RollBack(_)
        );
        if is_new_work && self.phase != Phase::Serving {
            return Err(Failure::Draining);
        }
        match asked {
            Request::Create(create) => self.create(session, request, Box::new(create)),
            Request::Seal(object) => self.seal(session, request, object),
            Request::Abandon(object) => self.abandon(session, object),
            Request::Get(selector) => self.get(session, &selector),
            Request::Unpin(objects) => self.unpin(session, &objects),
            Request::Remove(selector) => self.remove(&selector),
            Request::List { from } => Ok(Some(self.list(from))),
            Request::Slot => self.slot(session),
            Request::OpenWindow(object) => self.open_window(session, object),
            Request::CloseWindow(object) => self.close_window(session, object),
            Request::RollBack(object) => self.roll_back(session, request, object),
            Request::Run(run) => self.run(session, request, &run),
            Request::Cancel(other) => Ok(Some(self.cancel(session, other))),
            Request::Kernels => Ok(Some(Reply::Kernels(super::catalogue::kernels()))),
            Request::Stats => Ok(self.stats(session, request)),
            Request::Workers => Ok(Some(Reply::Workers(self.worker_rows()))),
            Request::Locks => Ok(self.locks(session, request)),
            Request::Sessions => Ok(Some(Reply::Sessions(self.session_rows()))),
        }
    }

    fn cancel(&mut self, session: SessionId, request: u64) -> Reply {
        let deferred = self
            .sessions
            .get(&session)
            .filter(|_| request != 0)
            .and_then(|session| session.deferred(request));
        match deferred {
            Some(Deferred::Allocation(allocation)) => {
                self.fail_allocation(allocation, Failure::Cancelled);
            }
            Some(Deferred::Job(job)) => {
                self.answer_job(job, Err(Failure::Cancelled));
                self.dispatch();
            }
            None => {}
        }
        Reply::Done
    }

    fn list(&self, from: u32) -> Reply {
        let mut objects: Vec<Object> = Vec::new();
        let mut bytes = 0;
        let end = from.saturating_add(PAGE_ROWS);
        let mut next = None;
        for object in self.objects.rows_from(from) {
            let row = object.record.id.index;
            if bytes >= PAGE_BYTES || row >= end {
                next = Some(row);
                break;
            }
            if !object.is_waiting {
                bytes += OBJECT_BYTES
                    + object
                        .record
                        .name
                        .as_ref()
                        .map_or(0, |name| name.as_str().len());
                objects.push(object.info());
            }
        }
        Reply::Objects { objects, next }
    }

    /// The object that a request names, sealed or shared.
    pub(super) fn find(
        &self,
        selector: &Selector,
        operation: &str,
    ) -> Result<&objects::Object, Failure> {
        let found = match selector {
            Selector::Name(name) => self
                .objects
                .named(name)
                .filter(|object| object.is_published()),
            Selector::Id(id) => self.objects.get(*id).filter(|object| !object.is_waiting),
        };
        let object = found.ok_or_else(|| no_such_object(selector))?;
        if object.is_published() {
            Ok(object)
        } else {
            Err(wrong_state(object, operation))
        }
    }
}

/// Whether a request may stay in flight after its message was handled.
const fn may_wait(request: &Request) -> bool {
    matches!(
        request,
        Request::Create(_) | Request::Run(_) | Request::RollBack(_)
    )
}

pub(super) fn busy(bound: &str, limit: u64) -> Failure {
    Failure::Busy {
        bound: bound.to_owned(),
        limit,
    }
}

pub(super) fn no_such_object(selector: &Selector) -> Failure {
    Failure::NoSuchObject {
        object: match selector {
            Selector::Name(name) => name.to_string(),
            Selector::Id(id) => id.to_string(),
        },
    }
}

pub(super) fn no_such_id(id: ObjectId) -> Failure {
    no_such_object(&Selector::Id(id))
}

pub(super) fn wrong_state(object: &objects::Object, operation: &str) -> Failure {
    Failure::WrongState {
        object: object.record.id,
        state: object.record.state,
        operation: operation.to_owned(),
    }
}
