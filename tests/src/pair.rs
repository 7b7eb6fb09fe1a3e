//! The two pairs of database and cache that are promised to behave alike.

use anyhow::{Context, Result};

/// A database and a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// SQLite in the data folder and a cache in memory: the defaults.
    Embedded,
    /// PostgreSQL and Redis.
    Servers,
}

/// The address of a server that the tests were given.
///
/// # Errors
/// When it was not, with the command that gives it.
pub(crate) fn given(variable: &str) -> Result<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
        .with_context(|| format!("{variable} is not set; `bash tests/run rust` starts the server that it names"))
}
