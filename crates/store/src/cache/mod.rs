//! The cache: memory or Redis, with the same behaviour. Holds copies of sessions, tickets and
//! counters; none of it is needed to know who is signed in.

mod memory;
mod redis;

use std::fmt;

use ostiary_model::{Span, Timestamp, TokenHash};

use self::memory::Memory;
use self::redis::Redis;
use crate::error::{Error, InvalidUrl};

/// Where the cache is.
#[derive(Clone)]
pub enum CacheUrl {
    /// In the process itself: `memory:`.
    Memory,
    /// `redis://host:port/database` or `rediss://…`.
    Redis(Box<::redis::Client>),
}

impl CacheUrl {
    /// Reads `text`.
    ///
    /// # Errors
    /// Says what was found and what is allowed, without the password in it.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if text == "memory:" || text == "memory" {
            return Ok(Self::Memory);
        }
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            return ::redis::Client::open(text)
                .map(|client| Self::Redis(Box::new(client)))
                .map_err(|error| InvalidUrl(format!("not an address of a Redis server: {error}")));
        }
        let scheme = text.split(':').next().unwrap_or_default();
        Err(InvalidUrl(format!("found {scheme:?}; allowed are memory: and redis://HOST:PORT/DATABASE")))
    }
}

/// The name of an entry. Made only here, so that kinds never collide.
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn session(token: &TokenHash) -> Self {
        Self(format!("ostiary:session:{}", Hex(token.as_bytes())))
    }

    pub(crate) fn seen(token: &TokenHash) -> Self {
        Self(format!("ostiary:seen:{}", Hex(token.as_bytes())))
    }

    pub(crate) fn ticket(token: &TokenHash) -> Self {
        Self(format!("ostiary:ticket:{}", Hex(token.as_bytes())))
    }

    pub(crate) fn counter(name: &str) -> Self {
        Self(format!("ostiary:counter:{name}"))
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

pub(crate) enum Cache {
    Memory(Memory),
    Redis(Redis),
}

impl Cache {
    pub(crate) fn open(url: &CacheUrl) -> Result<Self, Error> {
        Ok(match url {
            CacheUrl::Memory => Self::Memory(Memory::default()),
            CacheUrl::Redis(client) => Self::Redis(Redis::open(client)?),
        })
    }

    pub(crate) async fn ping(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Redis(redis) => redis.ping().await,
        }
    }

    /// The value, or `None` when it is not there or the cache is away.
    pub(crate) async fn get(&self, key: &Key, now: Timestamp) -> Option<Vec<u8>> {
        match self {
            Self::Memory(memory) => memory.get(&key.0, now),
            Self::Redis(redis) => redis.get(&key.0).await,
        }
    }

    /// False when it was not stored, or may not have been.
    pub(crate) async fn put(&self, key: &Key, value: Vec<u8>, now: Timestamp, ttl: Span) -> bool {
        match self {
            Self::Memory(memory) => {
                memory.put(&key.0, value, now, ttl);
                true
            }
            Self::Redis(redis) => redis.put(&key.0, value, ttl).await,
        }
    }

    /// Stores the value unless something stands there.
    pub(crate) async fn put_new(&self, key: &Key, value: Vec<u8>, now: Timestamp, ttl: Span) {
        match self {
            Self::Memory(memory) => memory.put_new(&key.0, value, now, ttl),
            Self::Redis(redis) => redis.put_new(&key.0, value, ttl).await,
        }
    }

    /// Drops what is over, where that does not happen by itself.
    pub(crate) fn sweep(&self, now: Timestamp) {
        if let Self::Memory(memory) = self {
            memory.sweep(now);
        }
    }

    /// Takes the value out: of all who ask at the same time one gets it.
    pub(crate) async fn take(&self, key: &Key, now: Timestamp) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Memory(memory) => Ok(memory.take(&key.0, now)),
            Self::Redis(redis) => redis.take(&key.0).await,
        }
    }

    /// False when the cache is away; then the deletion is made up for before its next read.
    pub(crate) async fn delete(&self, key: &Key, now: Timestamp) -> bool {
        match self {
            Self::Memory(memory) => {
                memory.take(&key.0, now);
                true
            }
            Self::Redis(redis) => redis.delete(&key.0).await,
        }
    }

    /// The new value, or `None` when the cache is away.
    pub(crate) async fn add(&self, key: &Key, by: i64, now: Timestamp, window: Span) -> Option<i64> {
        match self {
            Self::Memory(memory) => Some(memory.add(&key.0, by, now, window)),
            Self::Redis(redis) => redis.add(&key.0, by, window).await,
        }
    }

    /// Sets a counter, for a window that begins now. False when the cache is away.
    pub(crate) async fn set(&self, key: &Key, value: i64, now: Timestamp, window: Span) -> bool {
        match self {
            Self::Memory(memory) => {
                memory.set(&key.0, value, now, window);
                true
            }
            // What Redis counts is text.
            Self::Redis(redis) => redis.put(&key.0, value.to_string().into_bytes(), window).await,
        }
    }
}
