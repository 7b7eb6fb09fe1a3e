//! What applications are told about a person: claims (OpenID Connect Core section 5.1) by scope,
//! the same at userinfo and in ID tokens.
//!
//! Names and address come from the account's row, which was just asked whether the account still
//! stands; groups, those through other groups with them, come from the directory in memory, which
//! LDAP shows too, brought up to date first. What is empty is left out.

use ostiary_model::{AccessToken, Authentication, Client, Ctx, Scope, Scopes, Secret, Span, User};
use serde::Serialize;
use thiserror::Error;

use crate::access::may_sign_in;
use crate::jws::half_hash;
use crate::tokens::token_hash;
use crate::{App, Trouble, jws};

/// What is told about a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonClaims {
    /// Who, by an id that never changes.
    pub sub: String,
    /// The full name (`profile`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The given name (`profile`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// The family name (`profile`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// The user name (`profile`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// When any of this last changed, in seconds since 1970 (`profile`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<i64>,
    /// The e-mail address (`email`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether it is known to be theirs (`email`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// The names of the groups that they are in, also through other groups (`groups`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// The claims of an ID token (OpenID Connect Core section 2). Times in whole seconds. Without
/// `azp`, which is for tokens with other audiences, and without `nbf`, which would fail at
/// clients whose clock is behind.
#[derive(Debug, Serialize)]
pub(crate) struct IdToken<'a> {
    iss: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    amr: Vec<&'static str>,
    at_hash: String,
    #[serde(flatten)]
    person: PersonClaims,
}

/// What an ID token is made from.
pub(crate) struct IdTokenParts<'a> {
    pub(crate) client: &'a Client,
    pub(crate) user: &'a User,
    pub(crate) holder: &'a Authentication,
    pub(crate) scopes: Scopes,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) access_token: &'a Secret,
}

/// Why userinfo tells nothing.
#[derive(Debug, Error)]
pub enum UserinfoError {
    /// There is no such token, it is over, or it ended with what the person held.
    #[error("the access token is not valid")]
    InvalidToken,
    /// The token was not given for this.
    #[error("the access token was not given for the openid scope")]
    InsufficientScope,
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl App {
    /// What the holder of an access token is told.
    ///
    /// # Errors
    /// [`UserinfoError`].
    pub async fn userinfo(&self, ctx: &Ctx, token: &Secret) -> Result<PersonClaims, UserinfoError> {
        let found = self.store().access_token(&token_hash(token.expose()), ctx.now).await.map_err(Trouble::from)?;
        let AccessToken { user, generation, scopes, .. } = found.ok_or(UserinfoError::InvalidToken)?;
        let user = self.standing_now(ctx, user, generation).await?.filter(may_sign_in);
        let user = user.ok_or(UserinfoError::InvalidToken)?;
        if !scopes.contains(Scope::OpenId) {
            return Err(UserinfoError::InsufficientScope);
        }
        self.groups_told(scopes).await?;
        Ok(self.person_claims(&user, scopes))
    }

    /// Looks for changes before groups are told: who was taken out of one, here or by another
    /// process, is not told to be in it.
    pub(crate) async fn groups_told(&self, scopes: Scopes) -> Result<(), Trouble> {
        if scopes.contains(Scope::Groups) {
            self.directory().catch_up(self.store()).await?;
        }
        Ok(())
    }

    /// A signed ID token.
    pub(crate) fn id_token(&self, ctx: &Ctx, parts: &IdTokenParts<'_>) -> Result<Secret, Trouble> {
        let shown = if parts.client.details.claims_in_id_token { parts.scopes } else { Scopes::EMPTY };
        let life: Span = self.settings().tokens.id_token;
        let claims = IdToken {
            iss: self.settings().site.issuer(),
            aud: parts.client.id().as_str(),
            exp: (ctx.now + life).as_secs(),
            iat: ctx.now.as_secs(),
            auth_time: parts.holder.at.as_secs(),
            nonce: parts.nonce,
            amr: parts.holder.methods.amr(),
            at_hash: half_hash(parts.access_token),
            person: self.person_claims(parts.user, shown),
        };
        jws::sign(self.keys.current(ctx.now)?, "JWT", &claims)
    }

    fn person_claims(&self, user: &User, scopes: Scopes) -> PersonClaims {
        let profile = scopes.contains(Scope::Profile).then_some(&user.profile);
        let email = scopes.contains(Scope::Email).then_some(&user.profile);
        let groups = if scopes.contains(Scope::Groups) { self.directory().groups_of(user.id) } else { Vec::new() };
        PersonClaims {
            sub: user.subject.to_string(),
            name: profile.map(ostiary_model::Profile::full_name),
            given_name: profile.map(|profile| profile.given_name.clone()).filter(|name| !name.is_empty()),
            family_name: profile.map(|profile| profile.family_name.clone()).filter(|name| !name.is_empty()),
            preferred_username: profile.map(|profile| profile.username.to_string()),
            updated_at: profile.map(|_| user.modified_at.as_secs()),
            email: email.map(|profile| profile.email.to_string()),
            email_verified: email.map(|profile| profile.email_verified),
            groups: groups.iter().map(|group| group.name.to_string()).collect(),
        }
    }
}
