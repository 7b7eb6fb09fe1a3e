//! Grants: what comes next in an authorization request, and the approval that makes its code.
//!
//! The protocol opens a grant and the pages carry its id along; both ask [`App::grant_next`] what
//! to do. Which step that is, is decided in `model`; here the facts are fetched and the step is
//! done.

use std::fmt;

use ostiary_model::{
    AuthorizationError, Client, ClientName, Ctx, Grant, GrantId, GrantRequest, Pending, Prompt, RedirectUri, Scopes,
    Session, Span, Step,
};
use ostiary_store::Error as StoreError;
use thiserror::Error;
use url::Url;

use crate::access::Visitor;
use crate::entitled::entitled;
use crate::throttle::network;
use crate::tokens::{new_token, token_hash};
use crate::{App, Trouble};

const CODE_PREFIX: &str = "ost_ac_";

/// Grants that one network may begin in [`GRANTS_WINDOW`].
const GRANTS_PER_NETWORK: i64 = 600;
const GRANTS_WINDOW: Span = Span::from_mins(10);

/// What a visitor does next.
#[derive(Clone)]
pub enum Next {
    /// Signs in.
    SignIn {
        /// The name that the client thinks they will type.
        login_hint: Option<String>,
    },
    /// Enters the code of their authenticator app.
    Code,
    /// Sets up an authenticator app.
    SetUpAuthenticator,
    /// Says whether they agree.
    Consent(ConsentView),
    /// Goes back to the client, with a code or an error.
    Redirect(Url),
}

impl fmt::Debug for Next {
    /// Without the query of the way back: there is a code in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn { login_hint } => f.debug_struct("SignIn").field("login_hint", login_hint).finish(),
            Self::Code => f.write_str("Code"),
            Self::SetUpAuthenticator => f.write_str("SetUpAuthenticator"),
            Self::Consent(view) => f.debug_tuple("Consent").field(view).finish(),
            Self::Redirect(url) => f.debug_tuple("Redirect").field(&url.host_str()).finish(),
        }
    }
}

/// An application, as people read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its name.
    pub name: ClientName,
    /// Where it is: the host of its redirect URI.
    pub host: String,
}

/// What the consent page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentView {
    /// Who asks.
    pub application: Application,
    /// For what.
    pub scopes: Scopes,
    /// How long the answer is remembered; `None`: it is asked each time.
    pub remember: Option<Span>,
}

/// Why a grant does not go on.
#[derive(Debug, Error)]
pub enum GrantError {
    /// There is none, it took too long, or it was used already: the person has to begin anew in
    /// the application.
    #[error("the request of the application is over")]
    Gone,
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for GrantError {
    fn from(error: StoreError) -> Self {
        match error {
            // The account or the client was deleted at this moment.
            StoreError::Orphan => Self::Gone,
            other => Self::Trouble(other.into()),
        }
    }
}

/// Why a request does not come from a client. Nobody may be redirected then.
#[derive(Debug, Error)]
pub enum UnknownClient {
    /// No client has this id.
    #[error("there is no such client")]
    Id,
    /// The client has no such redirect URI.
    #[error("the redirect URI is not registered for this client")]
    RedirectUri(ClientName),
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl App {
    /// The client that a request names, and where it may be answered: the two things that have to
    /// be right before anything else is looked at.
    ///
    /// # Errors
    /// [`UnknownClient`].
    pub async fn client_of_request(
        &self,
        id: &str,
        redirect_uri: &str,
    ) -> Result<(Client, RedirectUri), UnknownClient> {
        let record = self.client_named(id).await?.ok_or(UnknownClient::Id)?;
        match record.client.redirect_uri(redirect_uri) {
            Some(uri) => Ok((record.client, uri)),
            None => Err(UnknownClient::RedirectUri(record.client.details.name)),
        }
    }

    /// Begins a grant.
    ///
    /// # Errors
    /// [`GrantError::Gone`] when the client was deleted at this moment.
    pub async fn grant_open(&self, ctx: &Ctx, request: GrantRequest) -> Result<GrantId, GrantError> {
        self.grant_counted(ctx).await?;
        let grant = Pending::open(ctx.id(), request, ctx.now, self.settings().tokens.grant);
        let mut tx = self.store().begin().await?;
        tx.grant_insert(&grant).await?;
        self.commit(ctx, tx).await?;
        Ok(grant.id)
    }

    /// Beginning costs a stranger nothing and us a row, so each network has only so many.
    async fn grant_counted(&self, ctx: &Ctx) -> Result<(), Trouble> {
        if self.settings().lockout.is_shared(ctx.address) {
            return Ok(());
        }
        let name = format!("grant:address:{}", network(ctx.address));
        let begun = self.store().counter_add(&name, 1, ctx.now, GRANTS_WINDOW).await?;
        if begun > GRANTS_PER_NETWORK { Err(Trouble::Busy) } else { Ok(()) }
    }

    /// Which application waits at the end of a grant, whatever its state. `None` when its time is
    /// over.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn grant_application(&self, ctx: &Ctx, id: GrantId) -> Result<Option<Application>, Trouble> {
        let found = self.store().grant_by_id(id).await?;
        let Some(grant) = found.filter(|grant| grant.expires_at() > ctx.now) else { return Ok(None) };
        let request = grant.request();
        let record = self.store().client_by_id(&request.client).await?;
        Ok(record.map(|record| application(&record.client, &request.back.redirect_uri)))
    }

    /// What comes next in the grant `id` for this visitor. When nothing is left to ask, approves
    /// it and gives the way back to the client with a new code.
    ///
    /// # Errors
    /// [`GrantError`].
    pub async fn grant_next(&self, ctx: &Ctx, id: GrantId, visitor: Option<&Visitor>) -> Result<Next, GrantError> {
        let (grant, client) = match self.store().grant_by_id(id).await? {
            Some(Grant::Cancelled(grant)) if grant.expires_at > ctx.now => {
                let issuer = self.settings().site.issuer();
                return Ok(Next::Redirect(grant.request.back.with_error(issuer, AuthorizationError::AccessDenied)));
            }
            _ => self.pending(ctx, id).await?,
        };
        // A session may be shown for a moment after another process ended it; here its row counts.
        let session = visitor.map(|visitor| &visitor.session);
        let user = match session {
            Some(session) => self.standing_now(ctx, session.user, session.generation).await?,
            None => None,
        };
        let (Some(session), Some(user)) = (session, user) else { return Ok(self.ask(Step::SignIn, &grant, &client)) };
        let consent = match may_remember(&client) {
            true => self.store().consent(user.id, client.id()).await?,
            false => None,
        };
        match grant.next(client.details.policy, Some((session, &user)), consent.as_ref(), ctx.now) {
            Step::Approve => self.grant_approve(ctx, grant, session).await,
            step => Ok(self.ask(step, &grant, &client)),
        }
    }

    /// Takes the answer of the consent page. Whatever it was, [`App::grant_next`] knows the way
    /// from here.
    ///
    /// # Errors
    /// [`GrantError`].
    pub async fn consent_answer(
        &self,
        ctx: &Ctx,
        visitor: &Visitor,
        id: GrantId,
        allow: bool,
    ) -> Result<(), GrantError> {
        let (grant, client) = self.pending(ctx, id).await?;
        let mut tx = self.store().begin().await?;
        if !allow {
            let cancelled = grant.cancel();
            if !tx.grant_cancel(&cancelled).await? {
                return Err(GrantError::Gone);
            }
            self.commit(ctx, tx).await?;
            self.audit(ctx, "consent refused", client.id());
            return Ok(());
        }
        if entitled(ctx, &mut tx, client.id(), &(&visitor.session).into()).await?.is_none() {
            // The next step finds the same and asks to sign in.
            return Ok(());
        }
        if let Some(consent) = remembered(ctx, &grant, &client, visitor) {
            tx.consent_put(&consent).await?;
        }
        if !tx.grant_consent(id, visitor.user.id, ctx.now).await? {
            return Err(GrantError::Gone);
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "consent given", client.id());
        Ok(())
    }

    /// The grant, if it is pending and in time, with its client, if that still has the redirect
    /// URI.
    async fn pending(&self, ctx: &Ctx, id: GrantId) -> Result<(Pending, Client), GrantError> {
        let Some(Grant::Pending(grant)) = self.store().grant_by_id(id).await? else { return Err(GrantError::Gone) };
        if grant.expires_at <= ctx.now {
            return Err(GrantError::Gone);
        }
        let record = self.store().client_by_id(&grant.request.client).await?.ok_or(GrantError::Gone)?;
        if record.client.redirect_uri(grant.request.back.redirect_uri.as_str()).is_none() {
            return Err(GrantError::Gone);
        }
        Ok((grant, record.client))
    }

    /// What a step that is not yet done means for the visitor; an error for the client when it
    /// wanted nobody to be asked.
    fn ask(&self, step: Step, grant: &Pending, client: &Client) -> Next {
        if let (Prompt::Silent, Some(error)) = (grant.request.prompt, step.when_silent()) {
            return Next::Redirect(grant.request.back.with_error(self.settings().site.issuer(), error));
        }
        match step {
            Step::Code => Next::Code,
            Step::SetUpAuthenticator => Next::SetUpAuthenticator,
            Step::Consent => Next::Consent(ConsentView {
                application: application(client, &grant.request.back.redirect_uri),
                scopes: grant.request.scopes,
                remember: client.details.remember.filter(|_| may_remember(client)),
            }),
            // Approving needs somebody: without one, they sign in.
            Step::SignIn | Step::Approve => Next::SignIn { login_hint: grant.request.login_hint.clone() },
        }
    }

    /// One guarded statement makes the code; of several at the same moment one gets it.
    async fn grant_approve(&self, ctx: &Ctx, grant: Pending, session: &Session) -> Result<Next, GrantError> {
        let code = new_token(ctx, CODE_PREFIX);
        let mut tx = self.store().begin().await?;
        let Some(found) = entitled(ctx, &mut tx, &grant.request.client, &session.into()).await? else {
            // The session ended a moment ago, or the client asks for more than it proved.
            let client = tx.client_by_id(&grant.request.client).await?.ok_or(GrantError::Gone)?.client;
            return Ok(self.ask(Step::SignIn, &grant, &client));
        };
        if !tx.session_exists(session.id).await? {
            return Ok(self.ask(Step::SignIn, &grant, &found.client));
        }
        let approved = grant.approve(session, token_hash(code.expose()), ctx.now, self.settings().tokens.code);
        if !tx.grant_approve(&approved, ctx.now).await? {
            return Err(GrantError::Gone);
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "signed in to an application", found.client.id());
        Ok(Next::Redirect(approved.request.back.with_code(self.settings().site.issuer(), &code)))
    }
}

/// Any program on a person's machine can pass for a public client, so people are asked each time
/// (RFC 6749 section 10.2, RFC 8252 section 8.6).
fn may_remember(client: &Client) -> bool {
    !client.is_public()
}

fn application(client: &Client, redirect_uri: &RedirectUri) -> Application {
    Application { name: client.details.name.clone(), host: redirect_uri.host() }
}

fn remembered(ctx: &Ctx, grant: &Pending, client: &Client, visitor: &Visitor) -> Option<ostiary_model::Consent> {
    let remember = client.details.remember.filter(|_| may_remember(client))?;
    Some(ostiary_model::Consent {
        user: visitor.user.id,
        client: client.id().clone(),
        scopes: grant.request.scopes,
        granted_at: ctx.now,
        expires_at: ctx.now + remember,
    })
}
