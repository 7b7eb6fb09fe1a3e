//! Keys that sign tokens: the private half sealed, the public half as it is published.

use ostiary_model::{KeyId, Timestamp};
use uuid::Uuid;

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

/// A signing key as it is stored.
#[derive(Debug, Clone)]
pub struct SigningKeyRecord {
    /// Its row.
    pub id: KeyId,
    /// Its place in the order of keys, from 1. Unique.
    pub number: i64,
    /// What token headers call it.
    pub kid: String,
    /// The algorithm it signs by (RFC 7518 section 3.1).
    pub alg: String,
    /// The private key (PKCS#8), sealed for this row.
    pub private_sealed: Vec<u8>,
    /// The public key as a JSON Web Key (RFC 7517).
    pub public_jwk: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins to sign. It is published before, for those who keep copies of our keys.
    pub active_from: Timestamp,
}

row! {
    struct SigningKeyRow {
        id: Uuid,
        number: i64,
        kid: String,
        alg: String,
        private_sealed: Vec<u8>,
        public_jwk: String,
        created_at: i64,
        active_from: i64,
    }
}

impl From<SigningKeyRow> for SigningKeyRecord {
    fn from(row: SigningKeyRow) -> Self {
        Self {
            id: row.id.into(),
            number: row.number,
            kid: row.kid,
            alg: row.alg,
            private_sealed: row.private_sealed,
            public_jwk: row.public_jwk,
            created_at: Timestamp::from_micros(row.created_at),
            active_from: Timestamp::from_micros(row.active_from),
        }
    }
}

impl Store {
    /// All keys that are not retired, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, Error> {
        let rows: Vec<SigningKeyRow> = read!(self, db => sqlx::query_as(
            "SELECT id, number, kid, alg, private_sealed, public_jwk, created_at, active_from FROM signing_key \
             WHERE retired_at IS NULL ORDER BY number DESC",
        ).fetch_all(db).await)?;
        Ok(rows.into_iter().map(SigningKeyRecord::from).collect())
    }
}

impl Tx {
    /// Stores a key. False when there is one with its number already: another process was
    /// quicker.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn signing_key_insert(&mut self, key: &SigningKeyRecord) -> Result<bool, Error> {
        let done = within!(self, db => sqlx::query(
            "INSERT INTO signing_key (id, number, kid, alg, private_sealed, public_jwk, created_at, active_from) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (number) DO NOTHING",
        )
        .bind(key.id.uuid())
        .bind(key.number)
        .bind(key.kid.as_str())
        .bind(key.alg.as_str())
        .bind(key.private_sealed.as_slice())
        .bind(key.public_jwk.as_str())
        .bind(key.created_at.as_micros())
        .bind(key.active_from.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }
}
