//! A code becomes tokens, once: the token endpoint's first verb, and what both share.
//!
//! Outside, every refusal is the same; why stands in the log. Signing happens after the commit,
//! so that no writer waits for it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_model::{
    AccessToken, Approved, Authentication, Client, CodeChallenge, CodeVerifier, Ctx, Family, Grant, GrantId, Scope,
    Scopes, Secret, Span,
};
use ostiary_store::{Error as StoreError, Tx};
use thiserror::Error;

use crate::claims::IdTokenParts;
use crate::entitled::{Entitled, entitled};
use crate::tokens::{new_token, token_hash};
use crate::{App, Trouble};

const ACCESS_PREFIX: &str = "ost_at_";
const REFRESH_PREFIX: &str = "ost_rt_";

/// A code as the client brings it.
#[derive(Debug, Clone)]
pub struct CodeExchange {
    /// The code.
    pub code: Secret,
    /// The redirect URI that it came to.
    pub redirect_uri: String,
    /// What the challenge was made from.
    pub verifier: CodeVerifier,
}

/// What the client gets.
#[derive(Debug)]
pub struct Issued {
    /// An access token.
    pub access_token: Secret,
    /// How long it lasts.
    pub expires_in: Span,
    /// What it opens.
    pub scopes: Scopes,
    /// A refresh token, when the person agreed to that.
    pub refresh_token: Option<Secret>,
    /// An ID token, when the scopes hold `openid`.
    pub id_token: Option<Secret>,
}

/// Why the client gets nothing.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The code or refresh token is of no use to this client, now or ever.
    #[error("the code or refresh token is not valid")]
    InvalidGrant,
    /// More was asked for than was granted.
    #[error("the scope goes beyond what was granted")]
    InvalidScope,
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for ExchangeError {
    fn from(error: StoreError) -> Self {
        match error {
            // Account, client or family was deleted at this moment.
            StoreError::Orphan => Self::InvalidGrant,
            other => Self::Trouble(other.into()),
        }
    }
}

impl App {
    /// Exchanges a code for tokens (RFC 6749 section 4.1.3), once.
    ///
    /// The first attempt by the client that the code was issued to is its one use (RFC 9700
    /// section 4.2.4): with a wrong verifier or redirect URI the code is gone, because a client
    /// that is mistaken there was fed somebody else's code (section 4.5). Anybody else's attempt
    /// changes nothing, or a stranger could end sign-ins. A second use ends what the first gave.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn code_exchange(
        &self,
        ctx: &Ctx,
        client: &Client,
        asked: &CodeExchange,
    ) -> Result<Issued, ExchangeError> {
        let grant = match self.store().grant_by_code(&token_hash(asked.code.expose())).await? {
            Some(Grant::Approved(grant)) if grant.request.client == *client.id() => grant,
            Some(Grant::Exchanged(grant)) if grant.request.client == *client.id() => {
                // Somebody has used it before: one of the two stole it. Nobody keeps anything.
                let tx = self.store().begin().await?;
                return self.grant_end(ctx, tx, grant.id, "the code was used before").await;
            }
            Some(_) => return Err(refused(ctx, client, "a code of another client")),
            None => return Err(refused(ctx, client, "no such code")),
        };
        if grant.expires_at <= ctx.now {
            return Err(refused(ctx, client, "the code is too old"));
        }
        let belongs = grant.request.back.redirect_uri.as_str() == asked.redirect_uri
            && is_challenge(&grant.request.challenge, &asked.verifier);
        if !belongs {
            let tx = self.store().begin().await?;
            return self.grant_end(ctx, tx, grant.id, "verifier or redirect URI do not belong to the code").await;
        }
        self.code_spend(ctx, client, grant).await
    }

    async fn code_spend(&self, ctx: &Ctx, client: &Client, grant: Approved) -> Result<Issued, ExchangeError> {
        let mut tx = self.store().begin().await?;
        let Some(Entitled { user, client }) = entitled(ctx, &mut tx, client.id(), &grant.holder).await? else {
            return Err(refused(ctx, client, "the person may no longer sign in here"));
        };
        let scopes = grant.request.scopes.intersection(client.details.scopes);
        let nonce = grant.request.nonce.clone();
        let access = Access { grant: grant.id, holder: grant.holder, scopes, nonce };
        let family = scopes.contains(Scope::OfflineAccess).then(|| self.new_family(ctx, &client, &access));
        let last_refresh = family.as_ref().map_or(ctx.now, |family| family.expires_at);
        let grant = grant.exchange(ctx.now, last_refresh + self.settings().tokens.access_token);
        if !tx.grant_exchange(&grant).await? {
            return self.grant_end(ctx, tx, grant.id, "the code was used at the same moment").await;
        }
        let access_token = self.access_token_put(ctx, &mut tx, &client, &access).await?;
        let refresh_token = match &family {
            Some(family) => Some(self.family_put(ctx, &mut tx, family).await?),
            None => None,
        };
        self.commit(ctx, tx).await?;
        tracing::info!(target: "audit", request = %ctx.request, grant = %grant.id, client = %client.id(), "code exchanged");
        self.issue(ctx, &Entitled { user, client }, &access, Tokens { access_token, refresh_token }).await
    }

    /// Ends a grant and all that came of it.
    pub(crate) async fn grant_end(
        &self,
        ctx: &Ctx,
        mut tx: Tx,
        grant: GrantId,
        why: &'static str,
    ) -> Result<Issued, ExchangeError> {
        tx.grant_revoke(grant).await?;
        self.commit(ctx, tx).await?;
        tracing::info!(target: "audit", request = %ctx.request, %grant, why, "grant ended");
        Err(ExchangeError::InvalidGrant)
    }

    pub(crate) async fn access_token_put(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        client: &Client,
        access: &Access,
    ) -> Result<Secret, ExchangeError> {
        let token = new_token(ctx, ACCESS_PREFIX);
        let row = AccessToken {
            id: ctx.id(),
            grant: access.grant,
            client: client.id().clone(),
            user: access.holder.user,
            generation: access.holder.generation,
            scopes: access.scopes,
            created_at: ctx.now,
            expires_at: ctx.now + self.settings().tokens.access_token,
        };
        tx.access_token_insert(&token_hash(token.expose()), &row).await?;
        Ok(token)
    }

    fn new_family(&self, ctx: &Ctx, client: &Client, access: &Access) -> Family {
        Family {
            id: ctx.id(),
            grant: access.grant,
            client: client.id().clone(),
            holder: access.holder,
            scopes: access.scopes,
            created_at: ctx.now,
            expires_at: ctx.now + self.settings().tokens.refresh_lifetime,
        }
    }

    async fn family_put(&self, ctx: &Ctx, tx: &mut Tx, family: &Family) -> Result<Secret, ExchangeError> {
        tx.family_insert(family).await?;
        self.refresh_token_put(ctx, tx, family).await
    }

    pub(crate) async fn refresh_token_put(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        family: &Family,
    ) -> Result<Secret, ExchangeError> {
        let token = new_token(ctx, REFRESH_PREFIX);
        let expires_at = family.expires_at.min(ctx.now + self.settings().tokens.refresh_idle);
        tx.refresh_token_insert(&token_hash(token.expose()), family.id, ctx.now, expires_at).await?;
        Ok(token)
    }

    pub(crate) async fn issue(
        &self,
        ctx: &Ctx,
        found: &Entitled,
        access: &Access,
        tokens: Tokens,
    ) -> Result<Issued, ExchangeError> {
        let parts = IdTokenParts {
            client: &found.client,
            user: &found.user,
            holder: &access.holder,
            scopes: access.scopes,
            nonce: access.nonce.as_deref(),
            access_token: &tokens.access_token,
        };
        let id_token = match access.scopes.contains(Scope::OpenId) {
            true => {
                self.groups_told(access.scopes).await?;
                Some(self.id_token(ctx, &parts)?)
            }
            false => None,
        };
        Ok(Issued {
            access_token: tokens.access_token,
            expires_in: self.settings().tokens.access_token,
            scopes: access.scopes,
            refresh_token: tokens.refresh_token,
            id_token,
        })
    }
}

/// What an access token stands for.
pub(crate) struct Access {
    pub(crate) grant: GrantId,
    pub(crate) holder: Authentication,
    pub(crate) scopes: Scopes,
    /// Repeated in the ID token.
    pub(crate) nonce: Option<String>,
}

/// What was stored in this exchange, and is still to be handed over.
pub(crate) struct Tokens {
    pub(crate) access_token: Secret,
    pub(crate) refresh_token: Option<Secret>,
}

pub(crate) fn refused(ctx: &Ctx, client: &Client, why: &'static str) -> ExchangeError {
    tracing::info!(target: "audit", request = %ctx.request, client = %client.id(), why, "exchange refused");
    ExchangeError::InvalidGrant
}

/// Whether `challenge` was made from `verifier` (RFC 7636 section 4.6), in constant time.
fn is_challenge(challenge: &CodeChallenge, verifier: &CodeVerifier) -> bool {
    let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()));
    verify_slices_are_equal(made.as_bytes(), challenge.as_str().as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    #[test]
    fn challenges_fit_their_verifier() {
        let challenge = CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let verifier = |text: &str| CodeVerifier::parse(text).unwrap();
        assert!(is_challenge(&challenge, &verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")));
        assert!(!is_challenge(&challenge, &verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK")));
        // The challenge itself, as the method `plain` would have it.
        assert!(!is_challenge(&challenge, &verifier("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")));
    }
}
