//! Short-lived things: tickets, taken once, and counters.
//!
//! Both live in the cache. When it cannot be reached they fall through to SQL. A ticket has one
//! home, chosen when it is made and written into its token by the caller, so that a cache that
//! comes back never holds a second copy that could be taken again.

use ostiary_model::{Span, Timestamp, TokenHash};

use crate::cache::Key;
use crate::db::{Store, within};
use crate::error::Error;

/// Where a ticket lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketHome {
    /// In the cache.
    Cache,
    /// In the database.
    Database,
}

impl Store {
    /// Keeps `value` under `token` until it is taken or `ttl` is over. Make the token anew for
    /// another home when this one fails: the failed one may hold it after all.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ticket_put(
        &self,
        home: TicketHome,
        token: &TokenHash,
        value: Vec<u8>,
        now: Timestamp,
        ttl: Span,
    ) -> Result<(), Error> {
        if home == TicketHome::Cache {
            return match self.cache.put(&Key::ticket(token), value, now, ttl).await {
                true => Ok(()),
                false => Err(Error::Unavailable { what: "cache", cause: "the ticket was not stored".into() }),
            };
        }
        let mut tx = self.begin().await?;
        within!(tx, db => sqlx::query("INSERT INTO fallback_ticket (token_hash, value, expires_at) VALUES ($1, $2, $3)")
            .bind(&token.as_bytes()[..]).bind(value).bind((now + ttl).as_micros()).execute(db).await.map(drop))?;
        tx.commit(now).await?;
        Ok(())
    }

    /// The value under `token`, left where it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ticket_peek(
        &self,
        home: TicketHome,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, Error> {
        match home {
            TicketHome::Cache => Ok(self.cache.get(&Key::ticket(token), now).await),
            TicketHome::Database => Ok(crate::db::read!(self, db => sqlx::query_scalar(
                "SELECT value FROM fallback_ticket WHERE token_hash = $1 AND expires_at > $2",
            ).bind(&token.as_bytes()[..]).bind(now.as_micros()).fetch_optional(db).await)?),
        }
    }

    /// Takes the value under `token`: of all who ask at the same time one gets it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ticket_take(
        &self,
        home: TicketHome,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, Error> {
        if home == TicketHome::Cache {
            return self.cache.take(&Key::ticket(token), now).await;
        }
        let mut tx = self.begin().await?;
        let value: Option<Vec<u8>> = within!(tx, db => sqlx::query_scalar(
            "DELETE FROM fallback_ticket WHERE token_hash = $1 AND expires_at > $2 RETURNING value",
        ).bind(&token.as_bytes()[..]).bind(now.as_micros()).fetch_optional(db).await)?;
        tx.commit(now).await?;
        Ok(value)
    }

    /// Adds `by` to the counter `name` and gives its new value. A counter begins at zero and is
    /// forgotten `window` after its first count.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn counter_add(&self, name: &str, by: i64, now: Timestamp, window: Span) -> Result<i64, Error> {
        if let Some(value) = self.cache.add(&Key::counter(name), by, now, window).await {
            return Ok(value);
        }
        let mut tx = self.begin().await?;
        let value: i64 = within!(tx, db => sqlx::query_scalar(
            "INSERT INTO fallback_counter (name, value, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET \
             value = CASE WHEN fallback_counter.expires_at <= $4 THEN excluded.value ELSE fallback_counter.value + excluded.value END, \
             expires_at = CASE WHEN fallback_counter.expires_at <= $4 THEN excluded.expires_at ELSE fallback_counter.expires_at END \
             RETURNING value",
        ).bind(name).bind(by).bind((now + window).as_micros()).bind(now.as_micros()).fetch_one(db).await)?;
        tx.commit(now).await?;
        Ok(value)
    }

    /// Sets the counter `name` to `value` and begins its window anew.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn counter_set(&self, name: &str, value: i64, now: Timestamp, window: Span) -> Result<(), Error> {
        if self.cache.set(&Key::counter(name), value, now, window).await {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        within!(tx, db => sqlx::query(
            "INSERT INTO fallback_counter (name, value, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
        ).bind(name).bind(value).bind((now + window).as_micros()).execute(db).await.map(drop))?;
        tx.commit(now).await?;
        Ok(())
    }

    /// Forgets the counter `name`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn counter_clear(&self, name: &str, now: Timestamp) -> Result<(), Error> {
        if self.cache.delete(&Key::counter(name), now).await {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        within!(tx, db => sqlx::query("DELETE FROM fallback_counter WHERE name = $1").bind(name).execute(db).await.map(drop))?;
        tx.commit(now).await?;
        Ok(())
    }

    /// Deletes what the fallback tables, and the cache in memory, hold beyond its time.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn fallback_prune(&self, now: Timestamp) -> Result<(), Error> {
        self.cache.sweep(now);
        let mut tx = self.begin().await?;
        for sql in [
            "DELETE FROM fallback_ticket WHERE expires_at <= $1",
            "DELETE FROM fallback_counter WHERE expires_at <= $1",
            "DELETE FROM invitation WHERE expires_at <= $1",
        ] {
            within!(tx, db => sqlx::query(sql).bind(now.as_micros()).execute(db).await.map(drop))?;
        }
        tx.commit(now).await?;
        Ok(())
    }
}
