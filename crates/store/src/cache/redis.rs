//! The cache on Redis. Every call has a short limit of time and an answer for the case that
//! Redis is away, so that a broken cache slows the house and never closes it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ostiary_model::Span;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, RedisError, Script};

use crate::error::Error;

/// Deletions that wait for Redis to come back, at most. Beyond it copies end by their own time.
const PENDING_MAX: usize = 10_000;

pub(crate) struct Redis {
    connection: ConnectionManager,
    add: Script,
    /// Keys that were to be deleted while Redis was away: deleted before anything is read again,
    /// so that a session that was ended meanwhile does not come back.
    pending: Mutex<Vec<String>>,
}

impl Redis {
    pub(super) fn open(client: &redis::Client) -> Result<Self, Error> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_millis(500)))
            .set_response_timeout(Some(Duration::from_millis(500)))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(200));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)
            .map_err(|error| Error::Unavailable { what: "cache", cause: error.to_string() })?;
        let add = Script::new(
            "if ARGV[1] == '0' then return tonumber(redis.call('GET', KEYS[1]) or '0') end \
             local value = redis.call('INCRBY', KEYS[1], ARGV[1]) \
             if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
             return value",
        );
        Ok(Self { connection, add, pending: Mutex::default() })
    }

    pub(super) async fn ping(&self) -> bool {
        let mut connection = self.connection.clone();
        quiet(redis::cmd("PING").query_async::<String>(&mut connection).await).is_some()
    }

    pub(super) async fn get(&self, key: &str) -> Option<Vec<u8>> {
        if !self.settle().await {
            return None;
        }
        let mut connection = self.connection.clone();
        quiet(connection.get::<_, Option<Vec<u8>>>(key).await).flatten()
    }

    pub(super) async fn put(&self, key: &str, value: Vec<u8>, ttl: Span) -> bool {
        let mut connection = self.connection.clone();
        quiet(connection.pset_ex::<_, _, ()>(key, value, millis(ttl)).await).is_some()
    }

    pub(super) async fn put_new(&self, key: &str, value: Vec<u8>, ttl: Span) {
        let mut connection = self.connection.clone();
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("NX").arg("PX").arg(millis(ttl));
        quiet(command.query_async::<Option<String>>(&mut connection).await);
    }

    pub(super) async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut connection = self.connection.clone();
        connection
            .get_del::<_, Option<Vec<u8>>>(key)
            .await
            .map_err(|error| Error::Unavailable { what: "cache", cause: error.to_string() })
    }

    pub(super) async fn delete(&self, key: &str) -> bool {
        let mut connection = self.connection.clone();
        if quiet(connection.del::<_, ()>(key).await).is_some() {
            return true;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() < PENDING_MAX {
            pending.push(key.to_owned());
        }
        false
    }

    pub(super) async fn add(&self, key: &str, by: i64, window: Span) -> Option<i64> {
        if !self.settle().await {
            return None;
        }
        let mut connection = self.connection.clone();
        quiet(self.add.key(key).arg(by).arg(millis(window)).invoke_async(&mut connection).await)
    }

    /// Makes up for deletions that Redis missed. False while it is still away.
    async fn settle(&self) -> bool {
        let keys = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if keys.is_empty() {
            return true;
        }
        let mut connection = self.connection.clone();
        if quiet(connection.del::<_, ()>(&keys).await).is_some() {
            return true;
        }
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
        false
    }
}

fn millis(span: Span) -> u64 {
    u64::try_from(span.as_micros() / 1000).unwrap_or(1).max(1)
}

/// The value, or a line in the log and nothing.
fn quiet<T>(result: Result<T, RedisError>) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(%error, "the cache did not answer, the database steps in")).ok()
}
