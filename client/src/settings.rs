//! What can be set about a client.

use std::env;
use std::path::Path;
use std::time::Duration;

/// Times and names that hold for all of a client's life.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What the supervisor shows people as this program's name.
    pub(crate) program: String,
    /// How long the supervisor may be silent while somebody waits.
    pub(crate) reply_timeout: Duration,
    /// How long to try to reach a supervisor that went.
    pub(crate) reconnect_timeout: Duration,
    /// How long to wait for a slice lock unless told.
    pub(crate) lock_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            program: own_name(),
            reply_timeout: Duration::from_secs(10),
            reconnect_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(10),
        }
    }
}

/// The program's name as far as the protocol takes it: 64 bytes.
fn own_name() -> String {
    let name = env::args_os()
        .next()
        .and_then(|path| Some(Path::new(&path).file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "unnamed".to_owned());
    shortened(&name)
}

pub(crate) fn shortened(name: &str) -> String {
    name[..name.floor_char_boundary(64)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shortened("pytest"), "pytest");
        assert_eq!(shortened(&"é".repeat(40)).len(), 64);
        assert_eq!(shortened(&format!("x{}", "é".repeat(40))).len(), 63);
    }
}
