//! Clients with settings of their own.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::handshake::greet;
use crate::launch::Launch;
use crate::session::{Home, Session};
use crate::settings::{Settings, shortened};

/// Settings of a client. Made by [`Client::builder`].
///
/// ```
/// use arena_client::Client;
///
/// let client = Client::builder().size(64 << 20).workers(1).embedded()?;
/// assert_eq!(client.arena()?.bytes, 64 << 20);
/// # Ok::<(), arena_client::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it connects"]
pub struct Builder {
    settings: Settings,
    launch: Launch,
}

impl Builder {
    /// What the supervisor shows people as this program's name, instead of the name it was called by.
    pub fn program(mut self, name: &str) -> Self {
        self.settings.program = shortened(name);
        self
    }

    /// How long the supervisor may be silent while a reply is waited for, instead of 10 s. A request may take longer: what counts
    /// is any sign of life.
    pub fn reply_timeout(mut self, timeout: Duration) -> Self {
        self.settings.reply_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How long to try to reach a daemon that went, instead of 10 s.
    pub fn reconnect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.reconnect_timeout = timeout;
        self
    }

    /// How long to wait for slice locks unless a call says otherwise, instead of 10 s.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.settings.lock_timeout = timeout;
        self
    }

    /// The size of a private arena, instead of half of the memory.
    pub fn size(mut self, bytes: u64) -> Self {
        self.launch.size_bytes = Some(bytes);
        self
    }

    /// The native workers of a private arena, instead of one for each core.
    pub fn workers(mut self, workers: u32) -> Self {
        self.launch.workers = Some(workers);
        self
    }

    /// The `arenad` program of a private arena, instead of the one that is found: `ARENAD_BIN`, this program if it is arenactl,
    /// beside this program, in `PATH`.
    pub fn executable(mut self, program: impl Into<PathBuf>) -> Self {
        self.launch.executable = Some(program.into());
        self
    }

    /// Connects to a daemon.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect(self, endpoint: &Endpoint) -> Result<Client> {
        Session::connect(endpoint, self.settings).map(Client::new)
    }

    /// Starts a private supervisor.
    ///
    /// # Errors
    /// As [`Client::embedded`].
    pub fn embedded(self) -> Result<Client> {
        let (socket, launched) = self.launch.start()?;
        let timeout = self.settings.reply_timeout;
        let greeted = greet(socket, &self.settings.program, None, None, timeout)
            .map_err(|error| launched.explain(error))?;
        let home = Home {
            endpoint: Endpoint::from_address(&greeted.address),
            private: true,
        };
        Ok(Client::new(Session::new(greeted, home, self.settings)))
    }
}
