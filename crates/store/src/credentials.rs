//! What people prove themselves by: password hashes and sealed authenticator secrets. Never in
//! the directory in memory, always fetched by key.

use ostiary_model::{Timestamp, UserId};

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

/// An authenticator app as it is stored.
#[derive(Debug, Clone)]
pub struct TotpRecord {
    /// The shared secret, sealed for this account.
    pub secret_sealed: Vec<u8>,
    /// The last time step that was used; this and earlier ones are spent (RFC 6238 section 5.2).
    pub last_step: i64,
    /// When it was set up.
    pub created_at: Timestamp,
    /// When it was last used to sign in.
    pub used_at: Option<Timestamp>,
}

row! {
    struct TotpRow {
        secret_sealed: Vec<u8>,
        last_step: i64,
        created_at: i64,
        used_at: Option<i64>,
    }
}

impl Store {
    /// The password hash of `user` as a PHC string.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn password_hash(&self, user: UserId) -> Result<Option<String>, Error> {
        Ok(read!(self, db => sqlx::query_scalar("SELECT phc FROM password WHERE user_id = $1")
            .bind(user.uuid()).fetch_optional(db).await)?)
    }

    /// The authenticator app of `user`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn totp(&self, user: UserId) -> Result<Option<TotpRecord>, Error> {
        let row: Option<TotpRow> = read!(self, db => sqlx::query_as(
            "SELECT secret_sealed, last_step, created_at, used_at FROM totp WHERE user_id = $1",
        ).bind(user.uuid()).fetch_optional(db).await)?;
        Ok(row.map(|row| TotpRecord {
            secret_sealed: row.secret_sealed,
            last_step: row.last_step,
            created_at: Timestamp::from_micros(row.created_at),
            used_at: row.used_at.map(Timestamp::from_micros),
        }))
    }
}

impl Tx {
    /// Sets the password hash of `user`.
    ///
    /// # Errors
    /// [`Error::Orphan`] when the account is gone.
    pub async fn password_set(&mut self, user: UserId, phc: &str, now: Timestamp) -> Result<(), Error> {
        within!(self, db => sqlx::query(
            "INSERT INTO password (user_id, phc, changed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id) DO UPDATE SET phc = excluded.phc, changed_at = excluded.changed_at",
        ).bind(user.uuid()).bind(phc).bind(now.as_micros()).execute(db).await.map(drop))?;
        self.noted(user, 1);
        Ok(())
    }

    /// Replaces the hash `old` of the same password by one with today's parameters. False when
    /// the password was changed in between: then nothing is written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn password_upgrade(&mut self, user: UserId, old: &str, new: &str) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("UPDATE password SET phc = $3 WHERE user_id = $1 AND phc = $2")
            .bind(user.uuid()).bind(old).bind(new).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Sets up an authenticator app whose time step `step` proved it. False when the account has
    /// one already: it is not replaced.
    ///
    /// # Errors
    /// [`Error::Orphan`] when the account is gone.
    pub async fn totp_insert(&mut self, user: UserId, sealed: &[u8], step: i64, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "INSERT INTO totp (user_id, secret_sealed, last_step, created_at, used_at) VALUES ($1, $2, $3, $4, $4) \
             ON CONFLICT (user_id) DO NOTHING",
        ).bind(user.uuid()).bind(sealed).bind(step).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.noted(user, found))
    }

    /// Spends the time step `step`. False when it or a later one is spent already.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn totp_spend(&mut self, user: UserId, step: i64, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE totp SET last_step = $2, used_at = $3 WHERE user_id = $1 AND last_step < $2",
        ).bind(user.uuid()).bind(step).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Removes the authenticator app. False when there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn totp_delete(&mut self, user: UserId) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM totp WHERE user_id = $1")
            .bind(user.uuid()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.noted(user, found))
    }
}
