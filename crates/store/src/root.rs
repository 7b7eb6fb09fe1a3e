//! The root that vouches for the certificates that the house makes for itself.

use ostiary_model::Timestamp;

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

/// The root as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootRecord {
    /// Counts the roots that the house has had, from 1.
    pub version: i64,
    /// Its certificate (X.509, PEM).
    pub certificate: String,
    /// Its private key (PKCS#8), sealed for this certificate.
    pub key_sealed: Vec<u8>,
    /// When it was stored.
    pub created_at: Timestamp,
}

row! {
    struct RootRow {
        version: i64,
        certificate: String,
        key_sealed: Vec<u8>,
        created_at: i64,
    }
}

impl Store {
    /// The root, if there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn root(&self) -> Result<Option<RootRecord>, Error> {
        let row: Option<RootRow> = read!(self, db => sqlx::query_as(
            "SELECT version, certificate, key_sealed, created_at FROM root",
        ).fetch_optional(db).await)?;
        Ok(row.map(|RootRow { version, certificate, key_sealed, created_at }| {
            let created_at = Timestamp::from_micros(created_at);
            RootRecord { version, certificate, key_sealed, created_at }
        }))
    }
}

impl Tx {
    /// Stores the first root, or the next in the place of the one before. False when another one
    /// has its number already: somebody else was quicker.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn root_put(&mut self, root: &RootRecord) -> Result<bool, Error> {
        let done = within!(self, db => sqlx::query(
            "INSERT INTO root (one, version, certificate, key_sealed, created_at) VALUES (1, $1, $2, $3, $4) \
             ON CONFLICT (one) DO UPDATE SET version = excluded.version, certificate = excluded.certificate, \
             key_sealed = excluded.key_sealed, created_at = excluded.created_at \
             WHERE root.version = excluded.version - 1",
        )
        .bind(root.version)
        .bind(root.certificate.as_str())
        .bind(root.key_sealed.as_slice())
        .bind(root.created_at.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }
}
