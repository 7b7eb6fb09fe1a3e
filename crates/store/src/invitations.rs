//! One-time links that must outlive a restart of the cache.

use ostiary_model::{Timestamp, TokenHash};

use crate::db::{Store, Tx, read, within};
use crate::error::Error;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationKind {
    /// Makes the first administrator.
    FirstAdministrator,
}

impl InvitationKind {
    const fn stored(self) -> &'static str {
        match self {
            Self::FirstAdministrator => "first_administrator",
        }
    }
}

impl Store {
    /// Whether the link is there and in force, without using it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn invitation_valid(
        &self,
        token: &TokenHash,
        kind: InvitationKind,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let found: Option<i64> = read!(self, db => sqlx::query_scalar(
            "SELECT expires_at FROM invitation WHERE token_hash = $1 AND kind = $2 AND expires_at > $3",
        ).bind(&token.as_bytes()[..]).bind(kind.stored()).bind(now.as_micros()).fetch_optional(db).await)?;
        Ok(found.is_some())
    }
}

impl Tx {
    /// Makes a link in place of all earlier ones of its kind.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn invitation_replace(
        &mut self,
        token: &TokenHash,
        kind: InvitationKind,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        within!(self, db => sqlx::query("DELETE FROM invitation WHERE kind = $1")
            .bind(kind.stored()).execute(db).await.map(drop))?;
        within!(self, db => sqlx::query(
            "INSERT INTO invitation (token_hash, kind, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        ).bind(&token.as_bytes()[..]).bind(kind.stored()).bind(now.as_micros()).bind(expires_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Uses a link up. False when it is not there or its time is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn invitation_take(
        &mut self,
        token: &TokenHash,
        kind: InvitationKind,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "DELETE FROM invitation WHERE token_hash = $1 AND kind = $2 AND expires_at > $3",
        ).bind(&token.as_bytes()[..]).bind(kind.stored()).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Withdraws every link of a kind.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn invitations_withdraw(&mut self, kind: InvitationKind) -> Result<(), Error> {
        within!(self, db => sqlx::query("DELETE FROM invitation WHERE kind = $1")
            .bind(kind.stored()).execute(db).await.map(drop))?;
        Ok(())
    }
}
