//! A refresh token becomes new tokens: the token endpoint's second verb.
//!
//! Rotation with a short grace: see [`App::refresh`]. Also forgets what is over.

use ostiary_model::{Client, Ctx, Family, RefreshUse, Rotation, Scope, Scopes, Secret};
use ostiary_store::Tx;

use crate::entitled::entitled;
use crate::exchange::{Access, ExchangeError, Issued, Tokens, refused};
use crate::seal::{Purpose, Vault};
use crate::tokens::token_hash;
use crate::{App, Trouble};

/// Nobody uses one family more often than this within the grace.
const LONGEST_CHAIN: usize = 64;

impl App {
    /// Exchanges a refresh token for new tokens (RFC 6749 section 6). `asked` narrows what the
    /// access token opens.
    ///
    /// The token is replaced. Browsers that share it may ask with the old one for a moment more:
    /// they all get the newest. After that, using it ends the family (RFC 9700 section 4.14.2).
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn refresh(
        &self,
        ctx: &Ctx,
        client: &Client,
        presented: &Secret,
        asked: Option<Scopes>,
    ) -> Result<Issued, ExchangeError> {
        let record = self.store().refresh_token(&token_hash(presented.expose())).await?;
        let Some(family) = record.map(|record| record.family) else {
            return Err(refused(ctx, client, "no such refresh token"));
        };
        if family.client != *client.id() {
            return Err(refused(ctx, client, "a refresh token of another client"));
        }
        let mut tx = self.store().begin().await?;
        let found = entitled(ctx, &mut tx, client.id(), &family.holder).await?;
        let Some(found) = found.filter(|found| found.client.details.scopes.contains(Scope::OfflineAccess)) else {
            return self.grant_end(ctx, tx, family.grant, "person or client may no longer have it").await;
        };
        let scopes = narrowed(&family, &found.client, asked)?;
        // Without the nonce, as OpenID Connect Core section 12.2 wants it.
        let access = Access { grant: family.grant, holder: family.holder, scopes, nonce: None };
        if !tx.family_touch(family.id, ctx.now).await? {
            return Err(refused(ctx, client, "the family has ended"));
        }
        let Some(record) = tx.refresh_token(&token_hash(presented.expose())).await? else {
            return Err(refused(ctx, client, "no such refresh token"));
        };
        let refresh_token = match record.token.used(&family, ctx.now, self.settings().tokens.refresh_grace) {
            RefreshUse::Newest => self.refresh_rotate(ctx, &mut tx, &family, presented).await?,
            RefreshUse::Again(rotation) => newest(&mut tx, &family, presented, rotation).await?,
            RefreshUse::Stolen => return self.grant_end(ctx, tx, family.grant, "a refresh token was used twice").await,
            RefreshUse::Expired => return Err(refused(ctx, client, "the refresh token is too old")),
        };
        let access_token = self.access_token_put(ctx, &mut tx, &found.client, &access).await?;
        self.commit(ctx, tx).await?;
        self.issue(ctx, &found, &access, Tokens { access_token, refresh_token: Some(refresh_token) }).await
    }

    /// Deletes grants, consents and tokens whose time is over. Nothing depends on it: expiry is
    /// asked at each use.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn oidc_prune(&self, ctx: &Ctx) -> Result<(), Trouble> {
        let mut tx = self.store().begin().await?;
        // From above, as all locks are taken: see the store.
        tx.grants_prune(ctx.now).await?;
        tx.tokens_prune(ctx.now).await?;
        tx.consents_prune(ctx.now).await?;
        self.commit(ctx, tx).await
    }

    /// Puts a new token in the place of `presented`. The new one is kept with the old, sealed
    /// under the old one itself: who has the database alone can read neither.
    async fn refresh_rotate(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        family: &Family,
        presented: &Secret,
    ) -> Result<Secret, ExchangeError> {
        let successor = self.refresh_token_put(ctx, tx, family).await?;
        let vault = Vault::of_holder(presented.expose().as_bytes())?;
        let plain = successor.expose().as_bytes();
        let successor_sealed = vault.seal(ctx, Purpose::RefreshSuccessor, family.id.uuid(), plain)?;
        let rotation = Rotation { at: ctx.now, successor_sealed };
        if tx.refresh_token_rotate(&token_hash(presented.expose()), &rotation).await? {
            Ok(successor)
        } else {
            Err(ExchangeError::InvalidGrant)
        }
    }
}

/// What the access token may open: what was granted, as far as the client may still ask for it,
/// and no more than it asks for now.
fn narrowed(family: &Family, client: &Client, asked: Option<Scopes>) -> Result<Scopes, ExchangeError> {
    let asked = asked.unwrap_or(family.scopes);
    let given = asked.intersection(client.details.scopes);
    if given.is_empty() || !asked.is_subset(family.scopes) { Err(ExchangeError::InvalidScope) } else { Ok(given) }
}

/// The token at the end of the chain that begins with `rotation` of `presented`. Everything in it
/// was rotated later, so it is all within the grace.
async fn newest(
    tx: &mut Tx,
    family: &Family,
    presented: &Secret,
    rotation: &Rotation,
) -> Result<Secret, ExchangeError> {
    let mut token = successor_of(family, presented, rotation)?;
    for _ in 0..LONGEST_CHAIN {
        let Some(next) = tx.refresh_token(&token_hash(token.expose())).await? else { break };
        let Some(rotation) = next.token.rotation else { break };
        token = successor_of(family, &token, &rotation)?;
    }
    Ok(token)
}

fn successor_of(family: &Family, presented: &Secret, rotation: &Rotation) -> Result<Secret, Trouble> {
    let vault = Vault::of_holder(presented.expose().as_bytes())?;
    let plain = vault.open(Purpose::RefreshSuccessor, family.id.uuid(), &rotation.successor_sealed)?;
    std::str::from_utf8(&plain).map(|text| Secret::new(text.to_owned())).map_err(|_| Trouble::Sealed)
}
