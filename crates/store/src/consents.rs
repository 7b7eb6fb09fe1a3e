//! What people agreed to, remembered for a while: one row for each person and client.

use ostiary_model::{ClientId, Consent, Scopes, Timestamp, UserId};
use uuid::Uuid;

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

row! {
    struct ConsentRow {
        user_id: Uuid,
        client_id: String,
        scopes: String,
        granted_at: i64,
        expires_at: i64,
    }
}

impl TryFrom<ConsentRow> for Consent {
    type Error = Error;

    fn try_from(row: ConsentRow) -> Result<Self, Error> {
        Ok(Self {
            user: row.user_id.into(),
            client: ClientId::from_stored(row.client_id),
            scopes: Scopes::parse(&row.scopes).map_err(|_| Error::Corrupt("consent.scopes"))?,
            granted_at: Timestamp::from_micros(row.granted_at),
            expires_at: Timestamp::from_micros(row.expires_at),
        })
    }
}

const CONSENT: &str =
    "SELECT user_id, client_id, scopes, granted_at, expires_at FROM consent WHERE user_id = $1 AND client_id = $2";

impl Store {
    /// What `user` agreed to for `client`, even if its time is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn consent(&self, user: UserId, client: &ClientId) -> Result<Option<Consent>, Error> {
        let row: Option<ConsentRow> = read!(self, db => sqlx::query_as(CONSENT).bind(user.uuid()).bind(client.as_str()).fetch_optional(db).await)?;
        row.map(Consent::try_from).transpose()
    }
}

impl Tx {
    /// Remembers `consent` in place of an earlier one.
    ///
    /// # Errors
    /// [`Error::Orphan`] when the account or the client is gone.
    pub async fn consent_put(&mut self, consent: &Consent) -> Result<(), Error> {
        within!(self, db => sqlx::query(
            "INSERT INTO consent (user_id, client_id, scopes, granted_at, expires_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (user_id, client_id) DO UPDATE SET \
             scopes = excluded.scopes, granted_at = excluded.granted_at, expires_at = excluded.expires_at",
        )
        .bind(consent.user.uuid())
        .bind(consent.client.as_str())
        .bind(consent.scopes.to_string())
        .bind(consent.granted_at.as_micros())
        .bind(consent.expires_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Deletes consents whose time is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn consents_prune(&mut self, now: Timestamp) -> Result<(), Error> {
        within!(self, db => sqlx::query("DELETE FROM consent WHERE expires_at <= $1")
            .bind(now.as_micros()).execute(db).await.map(drop))?;
        Ok(())
    }
}
