//! From settings to a running event loop, and from its end to an exit code.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use arena_core::files::{ArenaSpec, Backing, OpenArena};
use arena_core::lock::{CELL_COUNT, LockArea, SlotSet};
use arena_core::protocol::{self, ArenaInfo};
use arena_core::{ArenaName, BLOCK_BYTES, layout, memory, process, scope, table};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid};

use super::arena::ServedArena;
use super::error::ServeError;
use super::event_loop::{EventLoop, Tunables, Wiring};
use super::listener::{ListenError, Listener};
use super::locks::Locks;
use super::recover;
use crate::config::{ArenaSection, Config, ConfigError, Size};
use crate::exit::Exit;
use crate::log::Log;
use crate::sigbus;
use crate::supervisor::{ExitReason, Geometry, Identity, Recovered, Supervisor};

/// Rows of a new arena's object table. They are sparse: 64 MiB of addresses, and memory for the used ones.
const OBJECT_ROWS: u32 = 131_072;

/// What a private arena is called where a name is needed.
const PRIVATE_NAME: &str = "private";

/// What a daemon is started with.
pub(crate) struct Settings {
    /// Options over environment over file over defaults.
    pub(crate) config: Config,
    /// The socket of a private arena's first client.
    pub(crate) embedded: Option<OwnedFd>,
    /// Makes `config` anew.
    pub(crate) reload: Box<dyn Fn() -> Result<Config, ConfigError>>,
}

/// Serves an arena until the supervisor ends.
pub(crate) fn run(settings: Settings, log: &Log) -> Result<Exit, ServeError> {
    let started = Instant::now();
    let Settings {
        config,
        embedded,
        reload,
    } = settings;
    let is_private = embedded.is_some();
    let bell = prepare_process(is_private)?;
    let descriptors_max = raised_descriptor_limit();
    // Before the arena, so that a daemon which is refused here makes none. Who connects meanwhile waits in the backlog.
    let listener = listen(&config, is_private)?;
    let Opened {
        arena,
        found,
        identity,
    } = open(&config, is_private, &listener)?;
    let arena_bytes = identity.arena.bytes;
    let mut reload = reloader(config.clone(), reload, log, arena_bytes);
    let tunables = Tunables::of(&config, arena_bytes);
    let policy = tunables.policy.clone();
    let wiring = Wiring {
        listener,
        bell,
        tunables,
        descriptors_max,
        reload: &mut reload,
        heeds_interrupt: !is_private,
        shown_name: shown_name(&config, is_private).to_owned(),
    };
    let mut event_loop = EventLoop::new(wiring, arena, started)?;
    let recovered = match found {
        Some(found) => event_loop.recover(found)?,
        None => Recovered::fresh(),
    };
    announce(&identity, &recovered);
    let mut effects = Vec::new();
    let moment = event_loop.moment();
    let supervisor = Supervisor::new(policy, identity, recovered, moment, &mut effects)?;
    event_loop.start(supervisor, effects);
    if let Some(socket) = embedded {
        rustix::io::ioctl_fionbio(&socket, true)?;
        event_loop.connected(socket);
    }
    let reason = event_loop.run()?;
    tracing::info!(?reason, "ended");
    Ok(exit_of(reason))
}

const fn exit_of(reason: ExitReason) -> Exit {
    match reason {
        ExitReason::Drained | ExitReason::DrainTimedOut | ExitReason::LastClientGone => Exit::Ok,
        ExitReason::Damaged => Exit::Damaged,
    }
}

fn prepare_process(is_private: bool) -> io::Result<BorrowedFd<'static>> {
    if is_private {
        // So that the signals and the end of a terminal are its client's alone. Fails for the leader of a process group, which
        // was put there by somebody who has seen to that.
        let _ = setsid();
    }
    sigbus::install()
}

/// Raises the limit of open descriptors as far as it goes, and gives it.
fn raised_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
    .unwrap_or(u64::MAX)
}

fn listen(config: &Config, is_private: bool) -> Result<Listener, ListenError> {
    if is_private {
        return Listener::abstract_address();
    }
    match &config.listen.socket {
        Some(path) => Listener::at_path(path),
        None => Listener::at_path(&scope::user_socket()),
    }
}

/// The arena, what was found in it, and who this supervisor is.
struct Opened {
    arena: ServedArena,
    found: Option<table::Recovered>,
    identity: Identity,
}

fn open(config: &Config, is_private: bool, listener: &Listener) -> Result<Opened, ServeError> {
    let spec = arena_spec(config, is_private)?;
    let OpenArena {
        files,
        table,
        identity,
        recovered: found,
    } = OpenArena::open_or_create(&spec)?;
    let area = LockArea::map(files.locks())?;
    sigbus::register(table.addresses());
    sigbus::register(area.addresses());
    let geometry = table.geometry();
    // The default is a share of the memory, which nobody asked for and which changes with the machine.
    let is_asked = config.arena.size != ArenaSection::default().size;
    if is_asked && geometry.arena_bytes() != spec.geometry.arena_bytes() && found.is_some() {
        tracing::warn!(
            bytes = geometry.arena_bytes(),
            asked_bytes = spec.geometry.arena_bytes(),
            "the arena exists and keeps its size"
        );
    }
    let identity = Identity {
        arena: ArenaInfo {
            id: identity.arena_id,
            name: (!is_private).then(|| config.arena.name.clone()),
            bytes: geometry.arena_bytes(),
            backing: backing_in_protocol(&spec.backing),
        },
        geometry: Geometry {
            object_rows: geometry.object_rows(),
            process_rows: geometry.process_rows(),
            cells: CELL_COUNT,
        },
        pid: std::process::id(),
        uid: rustix::process::geteuid().as_raw(),
        address: listener.address().to_owned(),
        embedded: is_private,
    };
    let issued = found.as_ref().map_or(SlotSet::EMPTY, recover::issued_slots);
    let floor = found.as_ref().map_or(0, |found| found.session_floor);
    let namespace = process::identity(identity.pid)?.pid_namespace;
    let arena = ServedArena::new(files, table, Locks::new(area, issued), floor, namespace);
    Ok(Opened {
        arena,
        found,
        identity,
    })
}

fn arena_spec(config: &Config, is_private: bool) -> Result<ArenaSpec, ServeError> {
    let bytes = match config.arena.size {
        Size::Bytes(bytes) => bytes,
        Size::Percent(percent) => memory::effective_bytes()? / 100 * u64::from(percent),
    };
    let backing = match &config.arena.dir {
        _ if is_private => Backing::Memfd,
        Some(dir) => Backing::Directory(dir.clone()),
        None => Backing::Named,
    };
    // Whole blocks; what is out of bounds, on either side, is refused as it is.
    let bytes = match bytes.checked_next_multiple_of(BLOCK_BYTES) {
        Some(rounded) if bytes >= BLOCK_BYTES => rounded,
        _ => bytes,
    };
    Ok(ArenaSpec {
        name: shown_name(config, is_private)
            .parse()
            .map_err(io::Error::other)?,
        backing,
        geometry: layout::Geometry::new(bytes, OBJECT_ROWS)?,
    })
}

fn shown_name(config: &Config, is_private: bool) -> &str {
    if is_private {
        PRIVATE_NAME
    } else {
        config.arena.name.as_str()
    }
}

const fn backing_in_protocol(backing: &Backing) -> protocol::Backing {
    match backing {
        Backing::Memfd => protocol::Backing::Memfd,
        Backing::Named => protocol::Backing::Named,
        Backing::Directory(_) => protocol::Backing::Directory,
    }
}

fn announce(identity: &Identity, recovered: &Recovered) {
    tracing::info!(
        address = identity.address,
        arena = identity
            .arena
            .name
            .as_ref()
            .map_or(PRIVATE_NAME, ArenaName::as_str),
        bytes = identity.arena.bytes,
        objects = recovered.objects.len(),
        processes = recovered.processes.len(),
        "listening"
    );
}

impl Tunables {
    fn of(config: &Config, arena_bytes: u64) -> Self {
        let mut policy = config.policy();
        policy.warm_floor_bytes = policy.warm_floor_bytes.min(arena_bytes / 8);
        Self {
            policy,
            unread_max: usize::try_from(config.sessions.unread_max.0).unwrap_or(usize::MAX),
        }
    }
}

/// What SIGHUP does: reads the configuration, applies what can change, says what can't.
fn reloader(
    started_with: Config,
    load: Box<dyn Fn() -> Result<Config, ConfigError>>,
    log: &Log,
    arena_bytes: u64,
) -> impl FnMut() -> Option<Tunables> {
    move || match load() {
        Ok(config) => {
            for key in started_with.fixed_keys_changed(&config) {
                tracing::warn!(key, "this key takes effect at the next start");
            }
            log.set_level(config.log.level);
            Some(Tunables::of(&config, arena_bytes))
        }
        Err(error) => {
            let error = crate::entry::chain(&error);
            tracing::error!(error, "the configuration is kept as it was");
            None
        }
    }
}
