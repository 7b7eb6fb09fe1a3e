//! Issued access tokens and families of refresh tokens, by their fingerprints.
//!
//! Both hang from their grant, see there. Whatever uses a family touches its grant first, so that
//! uses of one family wait for each other.

use std::str::FromStr;

use ostiary_model::{
    AccessToken, AuthMethods, Authentication, ClientId, Family, FamilyId, Generation, RefreshToken, Rotation, Scopes,
    Timestamp, TokenHash,
};
use uuid::Uuid;

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

row! {
    struct AccessTokenRow {
        id: Uuid,
        grant_id: Uuid,
        client_id: String,
        user_id: Uuid,
        generation: i64,
        scopes: String,
        created_at: i64,
        expires_at: i64,
    }
}

impl TryFrom<AccessTokenRow> for AccessToken {
    type Error = Error;

    fn try_from(row: AccessTokenRow) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            grant: row.grant_id.into(),
            client: ClientId::from_stored(row.client_id),
            user: row.user_id.into(),
            generation: Generation(row.generation),
            scopes: Scopes::parse(&row.scopes).map_err(|_| Error::Corrupt("access_token.scopes"))?,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
        })
    }
}

row! {
    struct RefreshRow {
        created_at: i64,
        expires_at: i64,
        rotated_at: Option<i64>,
        successor_sealed: Option<Vec<u8>>,
        family_id: Uuid,
        grant_id: Uuid,
        client_id: String,
        user_id: Uuid,
        generation: i64,
        scopes: String,
        methods: String,
        authenticated_at: i64,
        family_created_at: i64,
        family_expires_at: i64,
    }
}

/// A refresh token with its family.
#[derive(Debug, Clone)]
pub struct RefreshRecord {
    /// The token.
    pub token: RefreshToken,
    /// Its family.
    pub family: Family,
}

impl TryFrom<RefreshRow> for RefreshRecord {
    type Error = Error;

    fn try_from(row: RefreshRow) -> Result<Self, Error> {
        let rotation = match (row.rotated_at, row.successor_sealed) {
            (None, None) => None,
            (Some(at), Some(successor_sealed)) => Some(Rotation { at: Timestamp::from_micros(at), successor_sealed }),
            _ => return Err(Error::Corrupt("refresh_token.rotated_at")),
        };
        let token = RefreshToken {
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            rotation,
        };
        let family = Family {
            id: row.family_id.into(),
            grant: row.grant_id.into(),
            client: ClientId::from_stored(row.client_id),
            holder: Authentication {
                user: row.user_id.into(),
                generation: Generation(row.generation),
                methods: AuthMethods::from_str(&row.methods).unwrap_or_default(),
                at: Timestamp::from_micros(row.authenticated_at),
            },
            scopes: Scopes::parse(&row.scopes).map_err(|_| Error::Corrupt("refresh_family.scopes"))?,
            created_at: Timestamp::from_micros(row.family_created_at),
            expires_at: Timestamp::from_micros(row.family_expires_at),
        };
        Ok(Self { token, family })
    }
}

const REFRESH_BY_HASH: &str = "SELECT t.created_at, t.expires_at, t.rotated_at, t.successor_sealed, t.family_id, \
     f.grant_id, f.client_id, f.user_id, f.generation, f.scopes, f.methods, f.authenticated_at, \
     f.created_at AS family_created_at, f.expires_at AS family_expires_at \
     FROM refresh_token t JOIN refresh_family f ON f.id = t.family_id WHERE t.token_hash = $1";

impl Store {
    /// The access token with this fingerprint whose time is not over. Says nothing of the
    /// person's state: that is asked where access is decided.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn access_token(&self, token: &TokenHash, now: Timestamp) -> Result<Option<AccessToken>, Error> {
        let row: Option<AccessTokenRow> = read!(self, db => sqlx::query_as(
            "SELECT id, grant_id, client_id, user_id, generation, scopes, created_at, expires_at \
             FROM access_token WHERE token_hash = $1 AND expires_at > $2",
        ).bind(&token.as_bytes()[..]).bind(now.as_micros()).fetch_optional(db).await)?;
        row.map(AccessToken::try_from).transpose()
    }

    /// The refresh token with this fingerprint, even if it was used or its time is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn refresh_token(&self, token: &TokenHash) -> Result<Option<RefreshRecord>, Error> {
        let row: Option<RefreshRow> = read!(self, db => sqlx::query_as(REFRESH_BY_HASH)
            .bind(&token.as_bytes()[..]).fetch_optional(db).await)?;
        row.map(RefreshRecord::try_from).transpose()
    }
}

impl Tx {
    /// Stores an access token.
    ///
    /// # Errors
    /// [`Error::Orphan`] when its grant is gone.
    pub async fn access_token_insert(&mut self, hash: &TokenHash, token: &AccessToken) -> Result<(), Error> {
        within!(self, db => sqlx::query(
            "INSERT INTO access_token (id, token_hash, grant_id, client_id, user_id, generation, scopes, created_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(token.id.uuid())
        .bind(&hash.as_bytes()[..])
        .bind(token.grant.uuid())
        .bind(token.client.as_str())
        .bind(token.user.uuid())
        .bind(token.generation.0)
        .bind(token.scopes.to_string())
        .bind(token.created_at.as_micros())
        .bind(token.expires_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Stores a family, without any token yet.
    ///
    /// # Errors
    /// [`Error::Orphan`] when its grant is gone.
    pub async fn family_insert(&mut self, family: &Family) -> Result<(), Error> {
        within!(self, db => sqlx::query(
            "INSERT INTO refresh_family (id, grant_id, client_id, user_id, generation, scopes, methods, \
             authenticated_at, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(family.id.uuid())
        .bind(family.grant.uuid())
        .bind(family.client.as_str())
        .bind(family.holder.user.uuid())
        .bind(family.holder.generation.0)
        .bind(family.scopes.to_string())
        .bind(family.holder.methods.to_stored())
        .bind(family.holder.at.as_micros())
        .bind(family.created_at.as_micros())
        .bind(family.expires_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Notes that a family is used now, and makes other uses of it wait. False when it has ended.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn family_touch(&mut self, id: FamilyId, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE oidc_grant SET used_at = $2 WHERE id = (SELECT grant_id FROM refresh_family WHERE id = $1)",
        ).bind(id.uuid()).bind(now.as_micros()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Stores a refresh token that ends at `expires_at`.
    ///
    /// # Errors
    /// [`Error::Orphan`] when its family has ended.
    pub async fn refresh_token_insert(
        &mut self,
        hash: &TokenHash,
        family: FamilyId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        within!(self, db => sqlx::query(
            "INSERT INTO refresh_token (token_hash, family_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        ).bind(&hash.as_bytes()[..]).bind(family.uuid()).bind(now.as_micros()).bind(expires_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Marks a refresh token as used, with its sealed successor. False when it was used already
    /// or is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn refresh_token_rotate(&mut self, hash: &TokenHash, rotation: &Rotation) -> Result<bool, Error> {
        let found: Option<Uuid> = within!(self, db => sqlx::query_scalar(
            "UPDATE refresh_token SET rotated_at = $2, successor_sealed = $3 \
             WHERE token_hash = $1 AND rotated_at IS NULL RETURNING family_id",
        ).bind(&hash.as_bytes()[..]).bind(rotation.at.as_micros()).bind(rotation.successor_sealed.as_slice())
        .fetch_optional(db).await)?;
        Ok(found.is_some())
    }

    /// The refresh token with this fingerprint, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn refresh_token(&mut self, token: &TokenHash) -> Result<Option<RefreshRecord>, Error> {
        let row: Option<RefreshRow> = within!(self, db => sqlx::query_as(REFRESH_BY_HASH)
            .bind(&token.as_bytes()[..]).fetch_optional(db).await)?;
        row.map(RefreshRecord::try_from).transpose()
    }

    /// Deletes tokens and families whose time is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn tokens_prune(&mut self, now: Timestamp) -> Result<(), Error> {
        for sql in [
            "DELETE FROM refresh_family WHERE expires_at <= $1",
            "DELETE FROM refresh_token WHERE expires_at <= $1",
            "DELETE FROM access_token WHERE expires_at <= $1",
        ] {
            within!(self, db => sqlx::query(sql).bind(now.as_micros()).execute(db).await.map(drop))?;
        }
        Ok(())
    }
}
