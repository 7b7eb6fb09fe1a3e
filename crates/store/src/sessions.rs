//! Sessions: rows, with a copy in the cache for speed. The row is the truth; when the cache is
//! away nobody is signed out.
//!
//! A session on the directory host hangs from its parent on the accounts host and ends with it.

use std::str::FromStr;

use aws_lc_rs::hmac;
use ostiary_model::{AuthMethods, Generation, Session, SessionId, Span, Timestamp, TokenHash, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::cache::Key;
use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

/// How long a copy may stand in the cache. Bounds how stale one can be after the cache was away
/// while its row was deleted.
const COPY_TTL: Span = Span::from_secs(60);

/// Bytes of the code in front of a copy (HMAC-SHA-256).
const CODE_BYTES: usize = 32;

/// How exact `seen_at` is: it is written at most this often.
const SEEN_STEP: Span = Span::from_secs(60);

macro_rules! session_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "id, parent_id, user_id, generation, methods, authenticated_at, created_at, seen_at, expires_at, ",
            "remembered, address, agent",
            $after
        )
    };
}

row! {
    #[derive(Serialize, Deserialize)]
    struct SessionRow {
        id: Uuid,
        parent_id: Option<Uuid>,
        user_id: Uuid,
        generation: i64,
        methods: String,
        authenticated_at: i64,
        created_at: i64,
        seen_at: i64,
        expires_at: i64,
        remembered: bool,
        address: Option<String>,
        agent: Option<String>,
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id.into(),
            parent: row.parent_id.map(SessionId::from),
            user: row.user_id.into(),
            generation: Generation(row.generation),
            methods: AuthMethods::from_str(&row.methods).unwrap_or_default(),
            authenticated_at: Timestamp::from_micros(row.authenticated_at),
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            seen_at: Timestamp::from_micros(row.seen_at),
            remembered: row.remembered,
            address: row.address.and_then(|text| text.parse().ok()),
            agent: row.agent,
        }
    }
}

/// A session about to be stored, with the fingerprint of its cookie.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// What the cookie's value hashes to.
    pub token: TokenHash,
    /// The session.
    pub session: &'a Session,
}

impl Store {
    /// The session whose cookie hashes to `token` and whose time is not over. Says nothing of
    /// the person's state: that is asked where access is decided.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn session_by_token(&self, token: &TokenHash, now: Timestamp) -> Result<Option<Session>, Error> {
        if let Some(row) = self.copy(token, now).await {
            return Ok((row.expires_at > now.as_micros()).then(|| row.into()));
        }
        let row: Option<SessionRow> = read!(self, db => sqlx::query_as(
            session_columns!("SELECT ", " FROM session WHERE token_hash = $1 AND expires_at > $2"),
        ).bind(&token.as_bytes()[..]).bind(now.as_micros()).fetch_optional(db).await)?;
        let Some(row) = row else { return Ok(None) };
        self.copy_make(token, &row, now).await;
        Ok(Some(row.into()))
    }

    /// The cache's copy, if the code on it is ours: made for this token, and altered by nobody.
    async fn copy(&self, token: &TokenHash, now: Timestamp) -> Option<SessionRow> {
        let key = self.cache_key.as_ref()?;
        let copy = self.cache.get(&Key::session(token), now).await?;
        let (code, json) = copy.split_at_checked(CODE_BYTES)?;
        hmac::verify(key, &vouched(token, json), code).ok()?;
        serde_json::from_slice(json).ok()
    }

    /// Makes a copy, unless one stands there or the session ended a moment ago.
    async fn copy_make(&self, token: &TokenHash, row: &SessionRow, now: Timestamp) {
        let (Some(key), Ok(json)) = (&self.cache_key, serde_json::to_vec(row)) else { return };
        let mut copy = hmac::sign(key, &vouched(token, &json)).as_ref().to_vec();
        copy.extend_from_slice(&json);
        self.cache.put_new(&Key::session(token), copy, now, COPY_TTL).await;
    }

    /// The sessions of `user` on the accounts host that are not over, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, Error> {
        let rows: Vec<SessionRow> = read!(self, db => sqlx::query_as(
            session_columns!("SELECT ", " FROM session WHERE user_id = $1 AND parent_id IS NULL AND expires_at > $2 ORDER BY created_at DESC"),
        ).bind(user.uuid()).bind(now.as_micros()).fetch_all(db).await)?;
        Ok(rows.into_iter().map(Session::from).collect())
    }

    /// Notes that the session whose cookie hashes to `token` was used, at most once a minute.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn session_seen(&self, token: &TokenHash, session: &Session, now: Timestamp) -> Result<(), Error> {
        if now.since(session.seen_at) < SEEN_STEP {
            return Ok(());
        }
        // The copy in the cache goes on telling the old time for a while: the first one writes.
        if self.cache.add(&Key::seen(token), 1, now, COPY_TTL).await.is_some_and(|count| count > 1) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        within!(tx, db => sqlx::query("UPDATE session SET seen_at = $2 WHERE id = $1 AND seen_at < $3")
            .bind(session.id.uuid()).bind(now.as_micros()).bind((now - SEEN_STEP).as_micros())
            .execute(db).await.map(drop))?;
        tx.commit(now).await?;
        Ok(())
    }

    /// Ends a session and those that hang from it. False when it is over already.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn session_end(&self, id: SessionId, now: Timestamp) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let ended = tx.session_delete(id).await?;
        // Before and after: who hangs up in between, or reads the row in between, changes nothing.
        self.sessions_forget(&ended, now).await;
        tx.commit(now).await?;
        self.sessions_forget(&ended, now).await;
        Ok(!ended.is_empty())
    }

    /// Puts a mark in the place of the copies of ended sessions, so that nobody who has just read
    /// a row makes a copy of it again.
    pub async fn sessions_forget(&self, tokens: &[TokenHash], now: Timestamp) {
        for token in tokens {
            let key = Key::session(token);
            if !self.cache.put(&key, Vec::new(), now, COPY_TTL).await {
                // Made up for by a deletion as soon as the cache is back.
                self.cache.delete(&key, now).await;
            }
        }
    }
}

/// What the code on a copy covers.
fn vouched(token: &TokenHash, json: &[u8]) -> Vec<u8> {
    [token.as_bytes().as_slice(), json].concat()
}

impl Tx {
    /// Stores a session.
    ///
    /// # Errors
    /// [`Error::Orphan`] when the person or the parent session is gone.
    pub async fn session_insert(&mut self, new: &NewSession<'_>) -> Result<(), Error> {
        let session = new.session;
        within!(self, db => sqlx::query(
            "INSERT INTO session (id, parent_id, token_hash, user_id, generation, methods, authenticated_at, created_at, \
             seen_at, expires_at, remembered, address, agent) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(session.id.uuid())
        .bind(session.parent.map(SessionId::uuid))
        .bind(&new.token.as_bytes()[..])
        .bind(session.user.uuid())
        .bind(session.generation.0)
        .bind(session.methods.to_stored())
        .bind(session.authenticated_at.as_micros())
        .bind(session.created_at.as_micros())
        .bind(session.seen_at.as_micros())
        .bind(session.expires_at.as_micros())
        .bind(session.remembered)
        .bind(session.address.map(|address| address.to_string()))
        .bind(session.agent.as_deref())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Whether a session's row is there, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn session_exists(&mut self, id: SessionId) -> Result<bool, Error> {
        let found: Option<i64> = within!(self, db => sqlx::query_scalar("SELECT created_at FROM session WHERE id = $1")
            .bind(id.uuid()).fetch_optional(db).await)?;
        Ok(found.is_some())
    }

    /// Deletes a session and those that hang from it, and gives the fingerprints of their
    /// cookies for [`Store::sessions_forget`] after the commit. Empty when it is over already.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn session_delete(&mut self, id: SessionId) -> Result<Vec<TokenHash>, Error> {
        let mut hashes: Vec<Vec<u8>> = within!(self, db => sqlx::query_scalar(
            "DELETE FROM session WHERE parent_id = $1 RETURNING token_hash",
        ).bind(id.uuid()).fetch_all(db).await)?;
        let own: Option<Vec<u8>> = within!(self, db => sqlx::query_scalar(
            "DELETE FROM session WHERE id = $1 RETURNING token_hash",
        ).bind(id.uuid()).fetch_optional(db).await)?;
        hashes.extend(own);
        hashes
            .into_iter()
            .map(|hash| hash.try_into().map(TokenHash::new).map_err(|_| Error::Corrupt("session.token_hash")))
            .collect()
    }

    /// Deletes sessions whose time is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sessions_prune(&mut self, now: Timestamp) -> Result<(), Error> {
        within!(self, db => sqlx::query("DELETE FROM session WHERE expires_at <= $1")
            .bind(now.as_micros()).execute(db).await.map(drop))?;
        Ok(())
    }
}
