//! What every command needs: the daemon, and where to print.

use arena_client::{Client, Endpoint};

use crate::arguments::Global;
use crate::error::CliError;
use crate::screen::Screen;

/// The choices that the global options make.
pub(crate) struct Context {
    endpoint: Endpoint,
    pub(crate) screen: Screen,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        let endpoint = match (global.socket, global.system) {
            (Some(path), _) => Endpoint::Path(path),
            (None, Some(name)) => Endpoint::System(name),
            (None, None) => Endpoint::Default,
        };
        Self {
            endpoint,
            screen: Screen::new(global.json),
        }
    }

    /// A session with the daemon, for this command.
    pub(crate) fn client(&self) -> Result<Client, CliError> {
        Ok(Client::connect(&self.endpoint)?)
    }
}
