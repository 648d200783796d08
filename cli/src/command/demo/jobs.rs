//! Jobs that end well however many workers are killed meanwhile.
//!
//! The daemon runs a task again whose worker died, but not for ever: a kernel that kills three workers is quarantined for its
//! session. Whoever kills workers to see what happens is no such kernel, so the demo goes on with a session of its own, which
//! starts without blame.

use arena_client::{Client, Error, Failure, Ran, Result};

/// How many sessions are tried for one job.
const SESSIONS_MAX: usize = 50;

/// Runs jobs on the arena of a client.
pub(super) struct Jobs {
    home: Client,
    current: Client,
}

impl Jobs {
    pub(super) fn new(home: &Client) -> Self {
        Self {
            home: home.clone(),
            current: home.clone(),
        }
    }

    /// What `attempt` gives, tried again on another session as long as it fails because workers died.
    pub(super) fn run(&mut self, mut attempt: impl FnMut(&Client) -> Result<Ran>) -> Result<Ran> {
        for _ in 1..SESSIONS_MAX {
            match attempt(&self.current) {
                Err(error) if is_of_deaths(&error) => {
                    self.current = Client::connect(&self.home.address()?)?;
                }
                outcome => return outcome,
            }
        }
        attempt(&self.current)
    }
}

fn is_of_deaths(error: &Error) -> bool {
    matches!(
        error.failure(),
        Some(Failure::WorkerDied { .. } | Failure::Quarantined { .. })
    )
}
