//! Clients: registering them by command or from the configuration file, and checking who asks at
//! the token endpoint.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER_PERMISSIVE;
use ostiary_model::{Client, ClientId, ClientKind, ClientSource, Ctx, InvalidClient, NewClient, Secret, TokenHash};
use ostiary_store::{ClientRecord, Conflict, Error as StoreError, Tx};
use thiserror::Error;

use crate::changes::AdminError;
use crate::tokens::{new_token, token_hash};
use crate::{App, Trouble};

const SECRET_PREFIX: &str = "ost_cs_";

/// What a secret that somebody else made must be: long enough to stand for 128 bits of chance
/// whatever alphabet it is in, and short enough to be hashed at each request.
const SECRET_LENGTH: std::ops::RangeInclusive<usize> = 32..=256;

/// Why nothing was done with a client. The text may be shown as it is.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Whoever asks may not.
    #[error("You may not do that. Sign in as an administrator, with two steps")]
    Denied,
    /// There is no such client.
    #[error("There is no client {0}")]
    NoSuchClient(ClientId),
    /// It cannot be registered like this.
    #[error("{0}")]
    Invalid(#[from] InvalidClient),
    /// The id is taken.
    #[error("There is a client {0} already. Choose another id, or delete that one first")]
    Taken(ClientId),
    /// The file names an id twice.
    #[error("The configuration names the client {0} twice")]
    Twice(ClientId),
    /// It is registered in the configuration file.
    #[error("The client {0} stands in the configuration file. Change it there and start again")]
    InFile(ClientId),
    /// It has no secret to rotate.
    #[error("The client {0} is public: it has no secret")]
    Public(ClientId),
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for ClientError {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl From<AdminError> for ClientError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Trouble(trouble) => Self::Trouble(trouble),
            // Asking for an administrator's transaction gives no other answer.
            _ => Self::Denied,
        }
    }
}

/// A client secret as the configuration file has it.
#[derive(Debug, Clone)]
pub enum ConfiguredSecret {
    /// In the clear, 32 to 256 characters.
    Plain(Secret),
    /// Its SHA-256.
    Hashed(TokenHash),
}

impl ConfiguredSecret {
    /// Reads `sha256:` and 64 hexadecimal digits, or else takes `text` for the secret itself.
    ///
    /// # Errors
    /// [`InvalidClient::Secret`] when it is too short to be safe, or no hash of a secret.
    pub fn parse(text: &str) -> Result<Self, InvalidClient> {
        let Some(hex) = text.strip_prefix("sha256:") else {
            let fits = SECRET_LENGTH.contains(&text.len());
            return if fits { Ok(Self::Plain(Secret::new(text.to_owned()))) } else { Err(InvalidClient::Secret) };
        };
        let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| InvalidClient::Secret)?;
        let hash = <[u8; 32]>::try_from(bytes).map_err(|_| InvalidClient::Secret)?;
        // An empty secret, hashed by mistake, would be anybody's.
        if hash[..] == *digest(&SHA256, b"").as_ref() {
            return Err(InvalidClient::Secret);
        }
        Ok(Self::Hashed(TokenHash::new(hash)))
    }

    fn hash(&self) -> TokenHash {
        match self {
            Self::Plain(secret) => token_hash(secret.expose()),
            Self::Hashed(hash) => *hash,
        }
    }
}

/// A client as the configuration file has it.
#[derive(Debug, Clone)]
pub struct ConfiguredClient {
    /// Everything but the secret.
    pub client: NewClient,
    /// The secret; none for a public client.
    pub secret: Option<ConfiguredSecret>,
}

impl ConfiguredClient {
    /// Checks everything that can be checked without looking at other clients.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidClient> {
        self.client.check()?;
        match (self.client.public, &self.secret) {
            (true, Some(_)) => Err(InvalidClient::PublicWithSecret),
            (false, None) => Err(InvalidClient::NoSecret),
            (true, None) | (false, Some(_)) => Ok(()),
        }
    }

    fn record(&self, ctx: &Ctx) -> Result<ClientRecord, InvalidClient> {
        self.check()?;
        let secret = self.secret.as_ref().map(ConfiguredSecret::hash);
        record(ctx, &self.client, secret, ClientSource::Config)
    }
}

/// A client could not prove itself. Why is in the log.
#[derive(Debug, Error)]
pub enum ClientProofError {
    /// No such client, a wrong secret, one too few or one too many.
    #[error("the client could not be authenticated")]
    Rejected,
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl App {
    /// Registers a client. Gives its secret, which is not shown again; a public client has none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn client_add(&self, ctx: &Ctx, new: &NewClient) -> Result<(Client, Option<Secret>), ClientError> {
        let secret = (!new.public).then(|| new_token(ctx, SECRET_PREFIX));
        let hash = secret.as_ref().map(|secret| token_hash(secret.expose()));
        let record = record(ctx, new, hash, ClientSource::Command)?;
        let mut tx = self.admin_begin(ctx).await?;
        match tx.client_insert(&record).await {
            Err(StoreError::Conflict(Conflict::ClientId)) => return Err(ClientError::Taken(record.client.details.id)),
            other => other?,
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "client added", record.client.id());
        Ok((record.client, secret))
    }

    /// Every client, by id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn client_list(&self, ctx: &Ctx) -> Result<Vec<Client>, ClientError> {
        self.admin_early(ctx)?;
        Ok(self.store().clients().await?)
    }

    /// One client.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn client_show(&self, ctx: &Ctx, id: &ClientId) -> Result<Client, ClientError> {
        self.admin_early(ctx)?;
        let record = self.store().client_by_id(id).await?;
        record.map(|record| record.client).ok_or_else(|| ClientError::NoSuchClient(id.clone()))
    }

    /// Gives a client a new secret, which is not shown again. The old one is dead at once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn client_rotate_secret(&self, ctx: &Ctx, id: &ClientId) -> Result<(Client, Secret), ClientError> {
        let secret = new_token(ctx, SECRET_PREFIX);
        let mut tx = self.admin_begin(ctx).await?;
        let mut client = own_client(&mut tx, id).await?;
        if !tx.client_set_secret(id, &token_hash(secret.expose()), ctx.now).await? {
            return Err(ClientError::Public(id.clone()));
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "client secret rotated", id);
        client.kind = ClientKind::Confidential { secret_changed_at: ctx.now };
        client.modified_at = ctx.now;
        Ok((client, secret))
    }

    /// Removes a client. All that it holds, and every consent to it, ends with it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn client_delete(&self, ctx: &Ctx, id: &ClientId) -> Result<(), ClientError> {
        let mut tx = self.admin_begin(ctx).await?;
        own_client(&mut tx, id).await?;
        tx.client_delete(id).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "client deleted", id);
        Ok(())
    }

    /// Makes the clients of the configuration file what `configured` says: adds, changes, and
    /// removes those that are no longer there. Clients from the command line are left alone.
    ///
    /// # Errors
    /// [`ClientError`]; nothing is changed then.
    pub async fn clients_from_config(&self, ctx: &Ctx, configured: &[ConfiguredClient]) -> Result<(), ClientError> {
        let records = configured.iter().map(|client| client.record(ctx)).collect::<Result<Vec<_>, _>>()?;
        for (index, record) in records.iter().enumerate() {
            if records.iter().skip(index + 1).any(|other| other.client.id() == record.client.id()) {
                return Err(ClientError::Twice(record.client.id().clone()));
            }
        }
        let mut tx = self.admin_begin(ctx).await?;
        for id in tx.client_ids(ClientSource::Config).await? {
            if !records.iter().any(|record| *record.client.id() == id) {
                tx.client_delete(&id).await?;
                self.audit(ctx, "client deleted", &id);
            }
        }
        for record in records {
            self.client_put(ctx, &mut tx, record).await?;
        }
        Ok(self.commit(ctx, tx).await?)
    }

    async fn client_put(&self, ctx: &Ctx, tx: &mut Tx, mut record: ClientRecord) -> Result<(), ClientError> {
        let Some(old) = tx.client_by_id(record.client.id()).await? else {
            tx.client_insert(&record).await?;
            self.audit(ctx, "client added", record.client.id());
            return Ok(());
        };
        if old.client.source != ClientSource::Config {
            return Err(ClientError::Taken(record.client.details.id));
        }
        if old.secret == record.secret {
            record.client.kind = old.client.kind;
        }
        if old.client.details != record.client.details || old.client.kind != record.client.kind {
            tx.client_update(&record).await?;
            self.audit(ctx, "client changed", record.client.id());
        }
        Ok(())
    }

    /// The client that a request names `id`, exactly.
    pub(crate) async fn client_named(&self, id: &str) -> Result<Option<ClientRecord>, Trouble> {
        match ClientId::parse(id) {
            Ok(parsed) if parsed.as_str() == id => Ok(self.store().client_by_id(&parsed).await?),
            _ => Ok(None),
        }
    }

    /// The client `id`, if `secret` is its secret; or if it is public and none was given.
    ///
    /// # Errors
    /// [`ClientProofError`].
    pub async fn client_authenticate(
        &self,
        ctx: &Ctx,
        id: &str,
        secret: Option<&Secret>,
    ) -> Result<Client, ClientProofError> {
        let found = self.client_named(id).await?;
        let proved = match (found.as_ref().map(|found| found.secret), secret) {
            (Some(Some(hash)), Some(secret)) => is_secret(secret, &hash),
            (Some(None), None) => true,
            _ => false,
        };
        match found {
            Some(found) if proved => Ok(found.client),
            found => {
                let known = found.is_some();
                tracing::info!(target: "audit", request = %ctx.request, known, with_secret = secret.is_some(), address = ?ctx.address, "client refused");
                Err(ClientProofError::Rejected)
            }
        }
    }
}

fn is_secret(secret: &Secret, hash: &TokenHash) -> bool {
    // What is too long is not hashed as it is: see `token_hash`.
    secret.expose().len() <= *SECRET_LENGTH.end()
        && verify_slices_are_equal(token_hash(secret.expose()).as_bytes(), hash.as_bytes()).is_ok()
}

fn record(
    ctx: &Ctx,
    new: &NewClient,
    secret: Option<TokenHash>,
    source: ClientSource,
) -> Result<ClientRecord, InvalidClient> {
    let kind = match secret {
        None => ClientKind::Public,
        Some(_) => ClientKind::Confidential { secret_changed_at: ctx.now },
    };
    let client = Client { details: new.check()?, kind, source, created_at: ctx.now, modified_at: ctx.now };
    Ok(ClientRecord { client, secret })
}

/// The client, if a command may change it.
async fn own_client(tx: &mut Tx, id: &ClientId) -> Result<Client, ClientError> {
    match tx.client_by_id(id).await? {
        None => Err(ClientError::NoSuchClient(id.clone())),
        Some(found) if found.client.source == ClientSource::Config => Err(ClientError::InFile(id.clone())),
        Some(found) => Ok(found.client),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_secret_is_long_or_a_hash() {
        let plain = ConfiguredSecret::parse(&"x".repeat(32)).unwrap();
        let hex: String =
            digest(&SHA256, "x".repeat(32).as_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let hashed = ConfiguredSecret::parse(&format!("sha256:{hex}")).unwrap();
        assert_eq!(plain.hash(), hashed.hash());
        assert!(is_secret(&Secret::new("x".repeat(32)), &hashed.hash()));
        let empty: String = digest(&SHA256, b"").as_ref().iter().map(|b| format!("{b:02x}")).collect();
        for bad in [
            String::new(),
            "x".repeat(31),
            "x".repeat(257),
            "sha256:".into(),
            "sha256:00".into(),
            format!("sha256:{}", "g".repeat(64)),
            format!("sha256:{empty}"),
        ] {
            assert!(ConfiguredSecret::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_that_is_too_long_is_nobodys() {
        let long = Secret::new("x".repeat(257));
        assert!(!is_secret(&long, &token_hash("")));
        assert!(!is_secret(&long, &token_hash(long.expose())));
    }
}
