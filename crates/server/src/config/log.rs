//! The values of `[log]`.

use tracing::Level;

use super::raw::Raw;
use super::setting::{Allowed, Setting};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// The value whose name was found.
pub(crate) fn choice<T: Copy>(raw: &Raw, choices: &[(&str, T)]) -> Result<T, Allowed> {
    let found = match raw {
        Raw::Text(text) | Raw::Untyped(text) => choices.iter().find(|(name, _)| name == text),
        _ => None,
    };
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.concat(),
        }
    })
}

/// The name of `value`, as TOML.
pub(crate) fn write_choice<T: PartialEq>(value: &T, choices: &[(&str, T)]) -> String {
    choices.iter().find(|(_, choice)| choice == value).map_or_else(String::new, |(name, _)| format!("{name:?}"))
}

const LEVELS: &[(&str, LogLevel)] = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

impl Setting for LogLevel {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        choice(raw, LEVELS)
    }

    fn write(&self) -> String {
        write_choice(self, LEVELS)
    }
}

impl Setting for LogFormat {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        choice(raw, FORMATS)
    }

    fn write(&self) -> String {
        write_choice(self, FORMATS)
    }
}
