//! The configuration: one strict TOML file whose keys and defaults are told here, once. `config/arenad.toml` shows every key
//! with its default, and a test compares the two.
//!
//! Flags win over environment variables, those over the file, the file over the defaults.

mod policy;
mod quantity;
mod sections;
mod units;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use quantity::Flaw;
pub use sections::{
    ArenaSection, JobsSection, ListenSection, LogFormat, LogLevel, LogSection, MemorySection,
    SessionsSection, WorkersSection,
};
pub use units::{Bytes, Size, Time, UnitError, Workers};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the variants mean")]
pub enum ConfigError {
    #[error("the configuration file can't be read: {path:?}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the configuration file has an error: {path:?}\n{source}")]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("a value of the configuration is out of bounds (it may be from {min} to {max}): {key}")]
    OutOfBounds {
        key: &'static str,
        min: u64,
        max: u64,
    },
}

/// Everything that can be set.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is served.
    pub arena: ArenaSection,
    /// Where it is served.
    pub listen: ListenSection,
    /// What is told of it.
    pub log: LogSection,
    /// The native workers.
    pub workers: WorkersSection,
    /// What one session may hold.
    pub sessions: SessionsSection,
    /// How jobs are run.
    pub jobs: JobsSection,
    /// The arena's pages.
    pub memory: MemorySection,
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError`], with line and column, for a file that can't be read, unknown keys, wrong types and bad values.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bounds = [
            ("workers.spares", u64::from(self.workers.spares), 0, 32),
            ("sessions.max", u64::from(self.sessions.max), 1, 960),
            (
                "sessions.requests_max",
                u64::from(self.sessions.requests_max),
                1,
                1 << 20,
            ),
            (
                "sessions.jobs_max",
                u64::from(self.sessions.jobs_max),
                1,
                1 << 20,
            ),
            (
                "sessions.pins_max",
                u64::from(self.sessions.pins_max),
                1,
                u64::from(u32::MAX),
            ),
            (
                "sessions.objects_max",
                u64::from(self.sessions.objects_max),
                1,
                u64::from(u32::MAX),
            ),
            (
                "sessions.unread_max",
                self.sessions.unread_max.0,
                2 << 20,
                1 << 30,
            ),
            ("jobs.max", u64::from(self.jobs.max), 1, 1 << 20),
            (
                "jobs.attempts_max",
                u64::from(self.jobs.attempts_max),
                1,
                100,
            ),
            (
                "jobs.quarantine_deaths",
                u64::from(self.jobs.quarantine_deaths),
                1,
                1 << 20,
            ),
            (
                "memory.populate_step",
                self.memory.populate_step.0,
                2 << 20,
                1 << 40,
            ),
        ];
        for (key, value, min, max) in bounds {
            if !(min..=max).contains(&value) {
                return Err(ConfigError::OutOfBounds { key, min, max });
            }
        }
        Ok(())
    }

    /// The keys that differ from `newer` and take effect only at a start.
    #[must_use]
    pub(crate) fn fixed_keys_changed(&self, newer: &Self) -> Vec<&'static str> {
        let pairs = [
            ("arena.name", self.arena.name != newer.arena.name),
            ("arena.size", self.arena.size != newer.arena.size),
            ("arena.dir", self.arena.dir != newer.arena.dir),
            ("listen.socket", self.listen.socket != newer.listen.socket),
            ("log.format", self.log.format != newer.log.format),
        ];
        pairs
            .into_iter()
            .filter(|(_, changed)| *changed)
            .map(|(key, _)| key)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = include_str!("../../../config/arenad.toml");

    /// Every key stands in the shown file with its default; those without a default stand there commented out.
    #[test]
    fn the_shown_file_equals_the_defaults() {
        let shown: toml::Table = toml::from_str(SHOWN).unwrap();
        let defaults = toml::Table::try_from(Config::default()).unwrap();
        assert_eq!(shown, defaults);
        let uncommented: String = SHOWN
            .lines()
            .map(|line| {
                line.strip_prefix("#")
                    .filter(|rest| !rest.starts_with(' '))
                    .unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let config: Config = toml::from_str(&uncommented).unwrap();
        assert!(config.arena.dir.is_some() && config.listen.socket.is_some());
        config.check().unwrap();
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused_with_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("arenad.toml");
        for (text, place, word) in [
            ("[arena]\nsise = \"1GiB\"\n", "line 2", "sise"),
            ("[jobs]\n\nslice_time_min = 5\n", "line 3", "slice_time_min"),
            ("[arena]\nsize = \"1Gob\"\n", "line 2", "8GiB"),
            ("[arena]\nsize = 4096\n", "line 2", "4096"),
            ("[jobs]\nslice_time_max = \"-1s\"\n", "line 2", "250ms"),
            ("[nonsense]\n", "line 1", "nonsense"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Config::load(&path).unwrap_err().to_string();
            assert!(error.contains(place) && error.contains(word), "{error}");
        }
        std::fs::write(&path, "[jobs]\nattempts_max = 0\n").unwrap();
        let error = Config::load(&path).unwrap_err().to_string();
        assert!(error.contains("jobs.attempts_max"), "{error}");
    }
}
