//! The configuration as the supervisor's tunables, and the defaults, which are the supervisor's.

use std::num::NonZero;

use arena_core::BLOCK_BYTES;

use super::{
    Bytes, Config, JobsSection, ListenSection, MemorySection, SessionsSection, Time, Workers,
    WorkersSection,
};
use crate::supervisor::Policy;

impl Workers {
    /// How many that is here.
    #[must_use]
    pub fn resolve(self) -> u32 {
        match self {
            Self::Count(count) => count,
            // Affinity and cgroup quota count, not the machine's cores.
            Self::Auto => std::thread::available_parallelism()
                .map_or(1, NonZero::get)
                .min(Self::MAX as usize) as u32,
        }
    }
}

impl Config {
    /// The supervisor's tunables.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            workers: self.workers.count.resolve(),
            spare_workers: self.workers.spares,
            start_timeout: self.workers.start_timeout.0,
            backoff_first: self.workers.backoff_first.0,
            backoff_max: self.workers.backoff_max.0,
            kill_grace: self.workers.kill_grace.0,
            sessions_max: self.sessions.max,
            requests_per_session_max: self.sessions.requests_max,
            jobs_per_session_max: self.sessions.jobs_max,
            pins_per_session_max: self.sessions.pins_max,
            objects_per_session_max: self.sessions.objects_max,
            jobs_max: self.jobs.max,
            slice_time_min: self.jobs.slice_time_min.0,
            slice_time_max: self.jobs.slice_time_max.0,
            lock_timeout: self.jobs.lock_timeout.0,
            attempts_max: self.jobs.attempts_max,
            quarantine_deaths: self.jobs.quarantine_deaths,
            warm_floor_bytes: self.memory.warm_floor.0,
            groom_blocks_max: self.memory.populate_step.0.div_ceil(BLOCK_BYTES),
            release_after: self.memory.release_after.0,
            allocation_timeout: self.memory.allocation_timeout.0,
            hello_timeout: self.listen.hello_timeout.0,
            drain_timeout: self.listen.drain_timeout.0,
        }
    }
}

impl Default for ListenSection {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            socket: None,
            hello_timeout: Time(policy.hello_timeout),
            drain_timeout: Time(policy.drain_timeout),
        }
    }
}

impl Default for WorkersSection {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            count: Workers::Auto,
            spares: policy.spare_workers,
            start_timeout: Time(policy.start_timeout),
            backoff_first: Time(policy.backoff_first),
            backoff_max: Time(policy.backoff_max),
            kill_grace: Time(policy.kill_grace),
        }
    }
}

impl Default for SessionsSection {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            max: policy.sessions_max,
            requests_max: policy.requests_per_session_max,
            jobs_max: policy.jobs_per_session_max,
            pins_max: policy.pins_per_session_max,
            objects_max: policy.objects_per_session_max,
            unread_max: Bytes(8 << 20),
        }
    }
}

impl Default for JobsSection {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            max: policy.jobs_max,
            slice_time_min: Time(policy.slice_time_min),
            slice_time_max: Time(policy.slice_time_max),
            lock_timeout: Time(policy.lock_timeout),
            attempts_max: policy.attempts_max,
            quarantine_deaths: policy.quarantine_deaths,
        }
    }
}

impl Default for MemorySection {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            warm_floor: Bytes(policy.warm_floor_bytes),
            populate_step: Bytes(policy.groom_blocks_max * BLOCK_BYTES),
            release_after: Time(policy.release_after),
            allocation_timeout: Time(policy.allocation_timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_the_default_policy() {
        let policy = Config::default().policy();
        let workers = policy.workers;
        assert_eq!(
            policy,
            Policy {
                workers,
                ..Policy::default()
            }
        );
    }
}
