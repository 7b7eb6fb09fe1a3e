//! Registered clients: their rows, redirect URIs, and the hash of their secret.

use std::collections::HashMap;

use ostiary_model::{
    Client, ClientDetails, ClientId, ClientKind, ClientName, ClientSource, RedirectUri, Scopes, SignInPolicy, Span,
    Timestamp, TokenHash,
};

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

macro_rules! client_select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, secret_hash, secret_changed_at, policy, scopes, consent_remember, claims_in_id_token, ",
            "source, created_at, modified_at FROM client ",
            $rest
        )
    };
}

const CLIENT_BY_ID: &str = client_select!("WHERE id = $1");
const CLIENTS: &str = client_select!("ORDER BY id");
const REDIRECTS_OF: &str = "SELECT uri FROM client_redirect WHERE client_id = $1 ORDER BY position";

row! {
    struct ClientRow {
        id: String,
        name: String,
        secret_hash: Option<Vec<u8>>,
        secret_changed_at: Option<i64>,
        policy: String,
        scopes: String,
        consent_remember: i64,
        claims_in_id_token: bool,
        source: String,
        created_at: i64,
        modified_at: i64,
    }
}

/// A client with what it proves itself by.
#[derive(Debug, Clone)]
pub struct ClientRecord {
    /// The client.
    pub client: Client,
    /// The hash of its secret; `None` for a public client.
    pub secret: Option<TokenHash>,
}

impl ClientRow {
    fn with(self, redirect_uris: Vec<String>) -> Result<ClientRecord, Error> {
        let redirect_uris = redirect_uris
            .into_iter()
            .map(|uri| RedirectUri::from_stored(uri).ok_or(Error::Corrupt("client_redirect.uri")))
            .collect::<Result<_, _>>()?;
        let (kind, secret) = match (self.secret_hash, self.secret_changed_at) {
            (None, None) => (ClientKind::Public, None),
            (Some(hash), Some(at)) => {
                let hash = hash.try_into().map_err(|_| Error::Corrupt("client.secret_hash"))?;
                let kind = ClientKind::Confidential { secret_changed_at: Timestamp::from_micros(at) };
                (kind, Some(TokenHash::new(hash)))
            }
            _ => return Err(Error::Corrupt("client.secret_changed_at")),
        };
        let details = ClientDetails {
            id: ClientId::from_stored(self.id),
            name: ClientName::from_stored(self.name),
            redirect_uris,
            policy: self.policy.parse::<SignInPolicy>().map_err(|_| Error::Corrupt("client.policy"))?,
            scopes: Scopes::parse(&self.scopes).map_err(|_| Error::Corrupt("client.scopes"))?,
            remember: Some(Span::from_micros(self.consent_remember)).filter(|span| !span.is_zero()),
            claims_in_id_token: self.claims_in_id_token,
        };
        let client = Client {
            details,
            kind,
            source: source_of(&self.source)?,
            created_at: Timestamp::from_micros(self.created_at),
            modified_at: Timestamp::from_micros(self.modified_at),
        };
        Ok(ClientRecord { client, secret })
    }
}

fn source_of(text: &str) -> Result<ClientSource, Error> {
    match text {
        "command" => Ok(ClientSource::Command),
        "config" => Ok(ClientSource::Config),
        _ => Err(Error::Corrupt("client.source")),
    }
}

const fn source_name(source: ClientSource) -> &'static str {
    match source {
        ClientSource::Command => "command",
        ClientSource::Config => "config",
    }
}

fn secret_changed_at(kind: ClientKind) -> Option<i64> {
    match kind {
        ClientKind::Public => None,
        ClientKind::Confidential { secret_changed_at } => Some(secret_changed_at.as_micros()),
    }
}

fn remember_micros(details: &ClientDetails) -> i64 {
    details.remember.unwrap_or_default().as_micros()
}

impl Store {
    /// The client with this id, exactly.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn client_by_id(&self, id: &ClientId) -> Result<Option<ClientRecord>, Error> {
        let row: Option<ClientRow> =
            read!(self, db => sqlx::query_as(CLIENT_BY_ID).bind(id.as_str()).fetch_optional(db).await)?;
        let Some(row) = row else { return Ok(None) };
        let uris = read!(self, db => sqlx::query_scalar(REDIRECTS_OF).bind(id.as_str()).fetch_all(db).await)?;
        row.with(uris).map(Some)
    }

    /// Every client, by id.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn clients(&self) -> Result<Vec<Client>, Error> {
        let rows: Vec<ClientRow> = read!(self, db => sqlx::query_as(CLIENTS).fetch_all(db).await)?;
        let uris: Vec<(String, String)> = read!(self, db => sqlx::query_as(
            "SELECT client_id, uri FROM client_redirect ORDER BY client_id, position",
        ).fetch_all(db).await)?;
        let mut by_client: HashMap<String, Vec<String>> = HashMap::new();
        for (client, uri) in uris {
            by_client.entry(client).or_default().push(uri);
        }
        rows.into_iter()
            .map(|row| {
                let uris = by_client.remove(&row.id).unwrap_or_default();
                row.with(uris).map(|record| record.client)
            })
            .collect()
    }
}

impl Tx {
    /// The client with this id, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn client_by_id(&mut self, id: &ClientId) -> Result<Option<ClientRecord>, Error> {
        let row: Option<ClientRow> =
            within!(self, db => sqlx::query_as(CLIENT_BY_ID).bind(id.as_str()).fetch_optional(db).await)?;
        let Some(row) = row else { return Ok(None) };
        let uris = within!(self, db => sqlx::query_scalar(REDIRECTS_OF).bind(id.as_str()).fetch_all(db).await)?;
        row.with(uris).map(Some)
    }

    /// The ids of all clients that `source` registered.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn client_ids(&mut self, source: ClientSource) -> Result<Vec<ClientId>, Error> {
        let ids: Vec<String> = within!(self, db => sqlx::query_scalar("SELECT id FROM client WHERE source = $1")
            .bind(source_name(source)).fetch_all(db).await)?;
        Ok(ids.into_iter().map(ClientId::from_stored).collect())
    }

    /// Adds a client.
    ///
    /// # Errors
    /// [`Error::Conflict`] when its id is taken.
    pub async fn client_insert(&mut self, record: &ClientRecord) -> Result<(), Error> {
        let ClientRecord { client, secret } = record;
        within!(self, db => sqlx::query(
            "INSERT INTO client (id, name, secret_hash, secret_changed_at, policy, scopes, consent_remember, \
             claims_in_id_token, source, created_at, modified_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(client.id().as_str())
        .bind(client.details.name.as_str())
        .bind(secret.as_ref().map(|hash| hash.as_bytes().to_vec()))
        .bind(secret_changed_at(client.kind))
        .bind(client.details.policy.as_str())
        .bind(client.details.scopes.to_string())
        .bind(remember_micros(&client.details))
        .bind(client.details.claims_in_id_token)
        .bind(source_name(client.source))
        .bind(client.created_at.as_micros())
        .bind(client.modified_at.as_micros())
        .execute(db).await.map(drop))?;
        self.redirects_insert(&client.details).await
    }

    /// Writes a client anew over the one with its id; when it was registered stays. False when
    /// there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn client_update(&mut self, record: &ClientRecord) -> Result<bool, Error> {
        let ClientRecord { client, secret } = record;
        let found = within!(self, db => sqlx::query(
            "UPDATE client SET name = $2, secret_hash = $3, secret_changed_at = $4, policy = $5, scopes = $6, \
             consent_remember = $7, claims_in_id_token = $8, source = $9, modified_at = $10 WHERE id = $1",
        )
        .bind(client.id().as_str())
        .bind(client.details.name.as_str())
        .bind(secret.as_ref().map(|hash| hash.as_bytes().to_vec()))
        .bind(secret_changed_at(client.kind))
        .bind(client.details.policy.as_str())
        .bind(client.details.scopes.to_string())
        .bind(remember_micros(&client.details))
        .bind(client.details.claims_in_id_token)
        .bind(source_name(client.source))
        .bind(client.modified_at.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        if found == 0 {
            return Ok(false);
        }
        within!(self, db => sqlx::query("DELETE FROM client_redirect WHERE client_id = $1")
            .bind(client.id().as_str()).execute(db).await.map(drop))?;
        self.redirects_insert(&client.details).await?;
        Ok(true)
    }

    /// Replaces the secret of a client that has one. False when there is no such client, or it is
    /// public.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn client_set_secret(&mut self, id: &ClientId, hash: &TokenHash, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE client SET secret_hash = $2, secret_changed_at = $3, modified_at = $3 \
             WHERE id = $1 AND secret_hash IS NOT NULL",
        ).bind(id.as_str()).bind(&hash.as_bytes()[..]).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Removes a client and all that it and people hold of it. False when there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn client_delete(&mut self, id: &ClientId) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM client WHERE id = $1")
            .bind(id.as_str()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    async fn redirects_insert(&mut self, details: &ClientDetails) -> Result<(), Error> {
        for (position, uri) in (0_i64..).zip(&details.redirect_uris) {
            within!(self, db => sqlx::query("INSERT INTO client_redirect (client_id, uri, position) VALUES ($1, $2, $3)")
                .bind(details.id.as_str()).bind(uri.as_str()).bind(position).execute(db).await.map(drop))?;
        }
        Ok(())
    }
}
