//! Every tunable of the supervisor with its default. The daemon's configuration maps onto it.

use std::time::Duration;

/// The tunables. All may change while the supervisor runs ([`super::Event::Reload`]).
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Native workers that get tasks.
    pub workers: u32,
    /// Native workers kept warm beside them, for the next death.
    pub spare_workers: u32,
    /// How long a peer may take from its connection to its hello.
    pub hello_timeout: Duration,
    /// Sessions that may be open or lingering at once. The process table has 1024 rows for them, the workers and the groomer.
    pub sessions_max: u32,
    /// Requests that one session may have in flight.
    pub requests_per_session_max: u32,
    /// Jobs that one session may have queued or running.
    pub jobs_per_session_max: u32,
    /// Jobs of all sessions that may be queued or running.
    pub jobs_max: u32,
    /// Objects that one session may look at.
    pub pins_per_session_max: u32,
    /// Objects that one session may have created.
    pub objects_per_session_max: u32,
    /// Free and used bytes together that are kept populated.
    pub warm_floor_bytes: u64,
    /// The most blocks in one order to the groomer.
    pub groom_blocks_max: u64,
    /// How long nothing must have been allocated before free pages are given back.
    pub release_after: Duration,
    /// How long a request may wait for pages.
    pub allocation_timeout: Duration,
    /// How long a task waits for a slice lock.
    pub lock_timeout: Duration,
    /// The least time that one slice of a job is meant to take.
    pub slice_time_min: Duration,
    /// The most time that one slice of a job is meant to take.
    pub slice_time_max: Duration,
    /// How long a worker may go on with a task that nobody waits for before it is killed.
    pub kill_grace: Duration,
    /// How often a task may be tried; a worker's death ends a try.
    pub attempts_max: u32,
    /// Deaths after which a session's kernel is not run again.
    pub quarantine_deaths: u32,
    /// How long a child may take from its start to its hello.
    pub start_timeout: Duration,
    /// The pause after a child's first failure to start; doubles with each further one.
    pub backoff_first: Duration,
    /// The longest such pause.
    pub backoff_max: Duration,
    /// How long running work may go on after the supervisor was told to end.
    pub drain_timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            workers: 2,
            spare_workers: 1,
            hello_timeout: Duration::from_secs(5),
            sessions_max: 960,
            requests_per_session_max: 4096,
            jobs_per_session_max: 1024,
            jobs_max: 16_384,
            pins_per_session_max: 1 << 17,
            objects_per_session_max: 1 << 17,
            warm_floor_bytes: 1 << 30,
            groom_blocks_max: 64,
            release_after: Duration::from_secs(30),
            allocation_timeout: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(10),
            slice_time_min: Duration::from_micros(250),
            slice_time_max: Duration::from_millis(20),
            kill_grace: Duration::from_secs(5),
            attempts_max: 2,
            quarantine_deaths: 3,
            start_timeout: Duration::from_secs(10),
            backoff_first: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
