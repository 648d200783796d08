//! The sections of the configuration file. config/arenad.toml says what each key means.

use std::path::PathBuf;

use arena_core::ArenaName;
use serde::{Deserialize, Serialize};

use super::units::{Bytes, Size, Time, Workers};

/// `[arena]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "config/arenad.toml describes the keys")]
pub struct ArenaSection {
    pub name: ArenaName,
    pub size: Size,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
}

/// `[listen]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "config/arenad.toml describes the keys")]
pub struct ListenSection {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    pub hello_timeout: Time,
    pub drain_timeout: Time,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "config/arenad.toml describes the keys")]
pub struct LogSection {
    pub format: LogFormat,
    pub level: LogLevel,
}

/// The least important lines that are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// `[workers]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "config/arenad.toml describes the keys")]
pub struct WorkersSection {
    pub count: Workers,
    pub spares: u32,
    pub start_timeout: Time,
    pub backoff_first: Time,
    pub backoff_max: Time,
    pub kill_grace: Time,
}

/// `[sessions]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "config/arenad.toml describes the keys")]
pub struct SessionsSection {
    pub max: u32,
    pub requests_max: u32,
    pub jobs_max: u32,
    pub pins_max: u32,
    pub objects_max: u32,
    pub unread_max: Bytes,
}

/// `[jobs]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "config/arenad.toml describes the keys")]
pub struct JobsSection {
    pub max: u32,
    pub slice_time_min: Time,
    pub slice_time_max: Time,
    pub lock_timeout: Time,
    pub attempts_max: u32,
    pub quarantine_deaths: u32,
}

/// `[memory]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "config/arenad.toml describes the keys")]
pub struct MemorySection {
    pub warm_floor: Bytes,
    pub populate_step: Bytes,
    pub release_after: Time,
    pub allocation_timeout: Time,
}

impl Default for ArenaSection {
    fn default() -> Self {
        Self {
            name: "default".parse().expect("a valid arena name"),
            size: Size::Percent(50),
            dir: None,
        }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: LogLevel::Info,
        }
    }
}
