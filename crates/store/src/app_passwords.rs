//! Passwords that people make for one program each, by their fingerprints.
//!
//! A row says under which generation of its owner it was made; whoever takes one for good compares.

use std::net::IpAddr;

use ostiary_model::{
    AppPassword, AppPasswordId, AppPasswordName, Generation, Network, Span, Timestamp, TokenHash, UserId,
};
use uuid::Uuid;

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

/// How exactly the last use is known: a program that binds every second must not write as often.
const USE_STEP: Span = Span::from_mins(5);

macro_rules! app_password_select {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, name, networks, service_id, generation, created_at, last_used_at, last_used_address ",
            "FROM app_password ",
            $rest
        )
    };
}

row! {
    struct AppPasswordRow {
        id: Uuid,
        user_id: Uuid,
        name: String,
        networks: String,
        service_id: Option<Uuid>,
        generation: i64,
        created_at: i64,
        last_used_at: Option<i64>,
        last_used_address: Option<String>,
    }
}

impl TryFrom<AppPasswordRow> for AppPassword {
    type Error = Error;

    fn try_from(row: AppPasswordRow) -> Result<Self, Error> {
        let networks = row.networks.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        Ok(Self {
            id: row.id.into(),
            user: row.user_id.into(),
            name: AppPasswordName::from_stored(row.name),
            // A range that cannot be read must never become "from anywhere".
            networks: networks.map_err(|_| Error::Corrupt("app_password.networks"))?,
            service: row.service_id.map(UserId::from),
            generation: Generation(row.generation),
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
            last_used_address: row.last_used_address.and_then(|address| address.parse().ok()),
        })
    }
}

impl Store {
    /// The app passwords of `user`, newest first, also those of an earlier generation.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn app_passwords_of(&self, user: UserId) -> Result<Vec<AppPassword>, Error> {
        let rows: Vec<AppPasswordRow> = read!(self, db => sqlx::query_as(
            app_password_select!("WHERE user_id = $1 ORDER BY created_at DESC, id DESC"),
        ).bind(user.uuid()).fetch_all(db).await)?;
        rows.into_iter().map(AppPassword::try_from).collect()
    }

    /// The app password with this fingerprint. Says nothing of the person's state: that is asked
    /// where access is decided.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn app_password_by_hash(&self, hash: &TokenHash) -> Result<Option<AppPassword>, Error> {
        let row: Option<AppPasswordRow> = read!(self, db => sqlx::query_as(
            app_password_select!("WHERE secret_hash = $1"),
        ).bind(&hash.as_bytes()[..]).fetch_optional(db).await)?;
        row.map(AppPassword::try_from).transpose()
    }
}

impl Tx {
    /// The app passwords of `user`, newest first, also those of an earlier generation.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn app_passwords_of(&mut self, user: UserId) -> Result<Vec<AppPassword>, Error> {
        let rows: Vec<AppPasswordRow> = within!(self, db => sqlx::query_as(
            app_password_select!("WHERE user_id = $1 ORDER BY created_at DESC, id DESC"),
        ).bind(user.uuid()).fetch_all(db).await)?;
        rows.into_iter().map(AppPassword::try_from).collect()
    }

    /// Stores an app password.
    ///
    /// # Errors
    /// [`Error::Orphan`] when its owner or service account is gone.
    pub async fn app_password_insert(&mut self, password: &AppPassword, hash: &TokenHash) -> Result<(), Error> {
        let networks: Vec<String> = password.networks.iter().map(Network::to_string).collect();
        within!(self, db => sqlx::query(
            "INSERT INTO app_password (id, user_id, name, secret_hash, networks, service_id, generation, created_at, \
             last_used_at, last_used_address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(password.id.uuid())
        .bind(password.user.uuid())
        .bind(password.name.as_str())
        .bind(&hash.as_bytes()[..])
        .bind(networks.join(" "))
        .bind(password.service.map(UserId::uuid))
        .bind(password.generation.0)
        .bind(password.created_at.as_micros())
        .bind(password.last_used_at.map(Timestamp::as_micros))
        .bind(password.last_used_address.map(|address| address.to_string()))
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Removes an app password of `owner`. False when they have no such one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn app_password_delete(&mut self, id: AppPasswordId, owner: UserId) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM app_password WHERE id = $1 AND user_id = $2")
            .bind(id.uuid()).bind(owner.uuid()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Notes that an app password was used from `address`, at most every five minutes. False when
    /// nothing was written, because a use was noted not long ago or it is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn app_password_used(
        &mut self,
        id: AppPasswordId,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE app_password SET last_used_at = $2, last_used_address = $3 \
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $4)",
        )
        .bind(id.uuid())
        .bind(now.as_micros())
        .bind(address.map(|address| address.to_string()))
        .bind((now - USE_STEP).as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }
}
