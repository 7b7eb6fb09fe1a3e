//! Grants: authorization requests on their way. Each write is guarded by the state that it comes
//! from, so that of several at the same moment one goes through.
//!
//! What came of a grant hangs from its row, and whatever changes it writes that row first. So on
//! PostgreSQL locks are always taken from above, account or client before grant before tokens,
//! and nobody can wait for each other.

use std::str::FromStr;

use ostiary_model::{
    Approved, AuthMethods, Authentication, Cancelled, ClientId, CodeChallenge, Exchanged, Generation, Grant, GrantId,
    GrantRequest, Pending, Prompt, RedirectUri, ReturnAddress, Scopes, SessionId, Span, Timestamp, TokenHash, UserId,
};
use uuid::Uuid;

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

macro_rules! grant_select {
    ($rest:literal) => {
        concat!(
            "SELECT id, state, client_id, redirect_uri, scopes, state_param, nonce, code_challenge, prompt, max_age, ",
            "login_hint, created_at, expires_at, consented_by, code_hash, user_id, session_id, generation, methods, ",
            "authenticated_at, exchanged_at FROM oidc_grant ",
            $rest
        )
    };
}

const GRANT_BY_ID: &str = grant_select!("WHERE id = $1");
const GRANT_BY_CODE: &str = grant_select!("WHERE code_hash = $1");

row! {
    struct GrantRow {
        id: Uuid,
        state: String,
        client_id: String,
        redirect_uri: String,
        scopes: String,
        state_param: Option<String>,
        nonce: Option<String>,
        code_challenge: String,
        prompt: String,
        max_age: Option<i64>,
        login_hint: Option<String>,
        created_at: i64,
        expires_at: i64,
        consented_by: Option<Uuid>,
        code_hash: Option<Vec<u8>>,
        user_id: Option<Uuid>,
        session_id: Option<Uuid>,
        generation: Option<i64>,
        methods: Option<String>,
        authenticated_at: Option<i64>,
        exchanged_at: Option<i64>,
    }
}

impl TryFrom<GrantRow> for Grant {
    type Error = Error;

    fn try_from(row: GrantRow) -> Result<Self, Error> {
        let id = row.id.into();
        let created_at = Timestamp::from_micros(row.created_at);
        let expires_at = Timestamp::from_micros(row.expires_at);
        let request = request_of(&row)?;
        match (row.state.as_str(), holder_of(&row), row.session_id, row.code_hash, row.exchanged_at) {
            ("pending", None, None, None, None) => {
                let consented_by = row.consented_by.map(UserId::from);
                Ok(Self::Pending(Pending { id, request, consented_by, created_at, expires_at }))
            }
            ("approved", Some(holder), Some(session), Some(code), None) => {
                let code = TokenHash::new(code.try_into().map_err(|_| Error::Corrupt("oidc_grant.code_hash"))?);
                Ok(Self::Approved(Approved { id, request, holder, session: session.into(), code, expires_at }))
            }
            ("exchanged", Some(holder), Some(_), Some(_), Some(at)) => {
                let exchanged_at = Timestamp::from_micros(at);
                Ok(Self::Exchanged(Exchanged { id, request, holder, exchanged_at, expires_at }))
            }
            ("cancelled", None, None, None, None) => Ok(Self::Cancelled(Cancelled { id, request, expires_at })),
            _ => Err(Error::Corrupt("oidc_grant.state")),
        }
    }
}

fn request_of(row: &GrantRow) -> Result<GrantRequest, Error> {
    let redirect_uri =
        RedirectUri::from_stored(row.redirect_uri.clone()).ok_or(Error::Corrupt("oidc_grant.redirect_uri"))?;
    Ok(GrantRequest {
        client: ClientId::from_stored(row.client_id.clone()),
        back: ReturnAddress { redirect_uri, state: row.state_param.clone() },
        scopes: Scopes::parse(&row.scopes).map_err(|_| Error::Corrupt("oidc_grant.scopes"))?,
        nonce: row.nonce.clone(),
        challenge: CodeChallenge::parse(&row.code_challenge).ok_or(Error::Corrupt("oidc_grant.code_challenge"))?,
        prompt: Prompt::parse(&row.prompt).ok_or(Error::Corrupt("oidc_grant.prompt"))?,
        max_age: row.max_age.map(Span::from_micros),
        login_hint: row.login_hint.clone(),
    })
}

fn holder_of(row: &GrantRow) -> Option<Authentication> {
    Some(Authentication {
        user: row.user_id?.into(),
        generation: Generation(row.generation?),
        methods: row.methods.as_deref().map(AuthMethods::from_str)?.unwrap_or_default(),
        at: Timestamp::from_micros(row.authenticated_at?),
    })
}

impl Store {
    /// The grant with this id, even if its time is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn grant_by_id(&self, id: GrantId) -> Result<Option<Grant>, Error> {
        let row: Option<GrantRow> =
            read!(self, db => sqlx::query_as(GRANT_BY_ID).bind(id.uuid()).fetch_optional(db).await)?;
        row.map(Grant::try_from).transpose()
    }

    /// The grant whose code has this fingerprint: approved, or exchanged already.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn grant_by_code(&self, code: &TokenHash) -> Result<Option<Grant>, Error> {
        let row: Option<GrantRow> =
            read!(self, db => sqlx::query_as(GRANT_BY_CODE).bind(&code.as_bytes()[..]).fetch_optional(db).await)?;
        row.map(Grant::try_from).transpose()
    }
}

impl Tx {
    /// Stores a grant that begins.
    ///
    /// # Errors
    /// [`Error::Orphan`] when its client is gone.
    pub async fn grant_insert(&mut self, grant: &Pending) -> Result<(), Error> {
        let request = &grant.request;
        within!(self, db => sqlx::query(
            "INSERT INTO oidc_grant (id, state, client_id, redirect_uri, scopes, state_param, nonce, code_challenge, \
             prompt, max_age, login_hint, created_at, expires_at) \
             VALUES ($1, 'pending', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(grant.id.uuid())
        .bind(request.client.as_str())
        .bind(request.back.redirect_uri.as_str())
        .bind(request.scopes.to_string())
        .bind(request.back.state.as_deref())
        .bind(request.nonce.as_deref())
        .bind(request.challenge.as_str())
        .bind(request.prompt.to_stored())
        .bind(request.max_age.map(Span::as_micros))
        .bind(request.login_hint.as_deref())
        .bind(grant.created_at.as_micros())
        .bind(grant.expires_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Notes that `user` agreed. False when the grant is no longer pending, or too late.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn grant_consent(&mut self, id: GrantId, user: UserId, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE oidc_grant SET consented_by = $2 WHERE id = $1 AND state = 'pending' AND expires_at > $3",
        ).bind(id.uuid()).bind(user.uuid()).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Makes a pending grant approved. False when it is no longer pending, or too late.
    ///
    /// # Errors
    /// [`Error::Orphan`] when the account is gone.
    pub async fn grant_approve(&mut self, grant: &Approved, now: Timestamp) -> Result<bool, Error> {
        let approved: Option<Uuid> = within!(self, db => sqlx::query_scalar(
            "UPDATE oidc_grant SET state = 'approved', code_hash = $2, user_id = $3, session_id = $4, generation = $5, \
             methods = $6, authenticated_at = $7, expires_at = $8 \
             WHERE id = $1 AND state = 'pending' AND expires_at > $9 RETURNING id",
        )
        .bind(grant.id.uuid())
        .bind(&grant.code.as_bytes()[..])
        .bind(grant.holder.user.uuid())
        .bind(SessionId::uuid(grant.session))
        .bind(grant.holder.generation.0)
        .bind(grant.holder.methods.to_stored())
        .bind(grant.holder.at.as_micros())
        .bind(grant.expires_at.as_micros())
        .bind(now.as_micros())
        .fetch_optional(db).await)?;
        Ok(approved.is_some())
    }

    /// Makes an approved grant exchanged. False when its code was used already, or is too old.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn grant_exchange(&mut self, grant: &Exchanged) -> Result<bool, Error> {
        let exchanged: Option<Uuid> = within!(self, db => sqlx::query_scalar(
            "UPDATE oidc_grant SET state = 'exchanged', exchanged_at = $2, expires_at = $3 \
             WHERE id = $1 AND state = 'approved' AND expires_at > $2 RETURNING id",
        )
        .bind(grant.id.uuid()).bind(grant.exchanged_at.as_micros()).bind(grant.expires_at.as_micros())
        .fetch_optional(db).await)?;
        Ok(exchanged.is_some())
    }

    /// Makes a pending grant cancelled. False when it is no longer pending.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn grant_cancel(&mut self, grant: &Cancelled) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE oidc_grant SET state = 'cancelled', consented_by = NULL WHERE id = $1 AND state = 'pending'",
        ).bind(grant.id.uuid()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Deletes a grant with everything that came of it: its code, its refresh tokens, its access
    /// tokens.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn grant_revoke(&mut self, id: GrantId) -> Result<(), Error> {
        within!(self, db => sqlx::query("DELETE FROM oidc_grant WHERE id = $1")
            .bind(id.uuid()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Deletes grants whose time is over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn grants_prune(&mut self, now: Timestamp) -> Result<(), Error> {
        within!(self, db => sqlx::query("DELETE FROM oidc_grant WHERE expires_at <= $1")
            .bind(now.as_micros()).execute(db).await.map(drop))?;
        Ok(())
    }
}
