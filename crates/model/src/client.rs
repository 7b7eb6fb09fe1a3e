//! Applications that let people sign in here: OAuth clients (RFC 6749 section 2).

use std::str::FromStr;

use thiserror::Error;

use crate::access::Level;
use crate::names::{ClientId, ClientName, InvalidName};
use crate::redirect::{InvalidRedirect, RedirectUri};
use crate::scope::{InvalidScope, Scope, Scopes};
use crate::time::{Span, Timestamp};

/// Whether a client can keep a secret (RFC 6749 section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// It cannot: a program on somebody's machine or in their browser. PKCE alone ties the code
    /// to it.
    Public,
    /// It can, and proves itself with one.
    Confidential {
        /// When the secret was made.
        secret_changed_at: Timestamp,
    },
}

/// How surely people must have proved who they are before they go on to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInPolicy {
    /// A password is enough.
    OneFactor,
    /// Password and authenticator.
    TwoFactor,
}

/// Not the name of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a policy; there are one_factor and two_factor")]
pub struct InvalidPolicy(pub String);

impl SignInPolicy {
    /// Its name in configuration, on the command line and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneFactor => "one_factor",
            Self::TwoFactor => "two_factor",
        }
    }

    /// What must have been proved.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::OneFactor => Level::OneFactor,
            Self::TwoFactor => Level::TwoFactor,
        }
    }
}

impl FromStr for SignInPolicy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        match text {
            "one_factor" => Ok(Self::OneFactor),
            "two_factor" => Ok(Self::TwoFactor),
            _ => Err(InvalidPolicy(text.to_owned())),
        }
    }
}

/// Who registered a client, and so who may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSource {
    /// Somebody by a command: it lives in the database alone.
    Command,
    /// The configuration file: it follows the file at each start.
    Config,
}

/// A client as somebody asks for it to be registered, not yet checked.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Becomes its [`ClientId`].
    pub id: String,
    /// Becomes its [`ClientName`].
    pub name: String,
    /// Become its [`RedirectUri`]s; one at least.
    pub redirect_uris: Vec<String>,
    /// Whether it cannot keep a secret.
    pub public: bool,
    /// What people must have proved.
    pub policy: SignInPolicy,
    /// Names of what it may ask for; none means everything there is.
    pub scopes: Vec<String>,
    /// How long a person's consent is remembered; `None`: they are asked each time.
    pub remember: Option<Span>,
    /// See [`ClientDetails::claims_in_id_token`].
    pub claims_in_id_token: bool,
}

/// What is registered of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientDetails {
    /// What it calls itself in requests.
    pub id: ClientId,
    /// What people read.
    pub name: ClientName,
    /// Where answers may go. Never empty.
    pub redirect_uris: Vec<RedirectUri>,
    /// What people must have proved.
    pub policy: SignInPolicy,
    /// What it may ask for.
    pub scopes: Scopes,
    /// How long a person's consent is remembered; `None`: they are asked each time.
    pub remember: Option<Span>,
    /// Whether the ID token also holds what userinfo tells, for clients that never ask there.
    pub claims_in_id_token: bool,
}

/// Why a client cannot be registered like this. The text may be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidClient {
    /// Its id or name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A redirect URI.
    #[error(transparent)]
    Redirect(#[from] InvalidRedirect),
    /// A scope.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
    /// No redirect URI at all.
    #[error("a client needs at least one redirect URI")]
    NoRedirect,
    /// More redirect URIs than one application has.
    #[error("a client has at most 50 redirect URIs")]
    TooManyRedirects,
    /// The secret from the configuration is too short to be safe, or too long to be one.
    #[error("a client secret has 32 to 256 characters")]
    Secret,
    /// A secret for a client that has none.
    #[error("a public client has no secret")]
    PublicWithSecret,
    /// Neither public nor with a secret.
    #[error("a client needs a secret, or is public")]
    NoSecret,
}

impl NewClient {
    /// Checks everything.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<ClientDetails, InvalidClient> {
        match self.redirect_uris.len() {
            0 => return Err(InvalidClient::NoRedirect),
            1..=50 => {}
            _ => return Err(InvalidClient::TooManyRedirects),
        }
        let mut redirect_uris = Vec::with_capacity(self.redirect_uris.len());
        for text in &self.redirect_uris {
            let uri = RedirectUri::parse(text)?;
            if !redirect_uris.contains(&uri) {
                redirect_uris.push(uri);
            }
        }
        let scopes = match self.scopes.as_slice() {
            [] => Scope::ALL.into_iter().collect(),
            names => names.iter().map(|name| name.parse::<Scope>()).collect::<Result<_, _>>()?,
        };
        Ok(ClientDetails {
            id: ClientId::parse(&self.id)?,
            name: ClientName::parse(&self.name)?,
            redirect_uris,
            policy: self.policy,
            scopes,
            remember: self.remember.filter(|span| !span.is_zero()),
            claims_in_id_token: self.claims_in_id_token,
        })
    }
}

/// A registered client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// What was registered.
    pub details: ClientDetails,
    /// Whether it has a secret. The secret's hash stays in the store.
    pub kind: ClientKind,
    /// Who registered it.
    pub source: ClientSource,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
}

impl Client {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.details.id
    }

    /// Whether it has no secret.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        matches!(self.kind, ClientKind::Public)
    }

    /// The registered redirect URI that `presented` is, if it is one. Programs on a person's own
    /// machine take whatever port is free there (RFC 8252 section 7.3); others do not.
    #[must_use]
    pub fn redirect_uri(&self, presented: &str) -> Option<RedirectUri> {
        self.details.redirect_uris.iter().find_map(|uri| uri.accept(presented, self.is_public()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(redirect_uris: &[&str], scopes: &[&str]) -> NewClient {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        NewClient {
            id: "directus".into(),
            name: "My Directus".into(),
            redirect_uris: owned(redirect_uris),
            public: false,
            policy: SignInPolicy::TwoFactor,
            scopes: owned(scopes),
            remember: Some(Span::ZERO),
            claims_in_id_token: false,
        }
    }

    fn client(kind: ClientKind) -> Client {
        let details =
            new(&["http://127.0.0.1/cb", "https://a.example/cb", "http://127.0.0.1/cb"], &[]).check().unwrap();
        let at = Timestamp::from_secs(0);
        Client { details, kind, source: ClientSource::Command, created_at: at, modified_at: at }
    }

    #[test]
    fn only_a_public_client_may_come_from_any_port() {
        let public = client(ClientKind::Public);
        let confidential = client(ClientKind::Confidential { secret_changed_at: Timestamp::from_secs(0) });
        assert_eq!(public.details.redirect_uris.len(), 2);
        assert!(public.redirect_uri("http://127.0.0.1:4711/cb").is_some());
        assert!(confidential.redirect_uri("http://127.0.0.1:4711/cb").is_none());
        for client in [&public, &confidential] {
            assert_eq!(client.redirect_uri("https://a.example/cb").unwrap().as_str(), "https://a.example/cb");
            assert!(client.redirect_uri("https://a.example:1/cb").is_none());
        }
    }

    #[test]
    fn registration_says_what_is_wrong() {
        assert_eq!(new(&[], &[]).check(), Err(InvalidClient::NoRedirect));
        assert_eq!(new(&["https://a.example/cb"; 51], &[]).check(), Err(InvalidClient::TooManyRedirects));
        assert!(matches!(new(&["x"], &[]).check(), Err(InvalidClient::Redirect(_))));
        assert!(matches!(new(&["https://a.example/cb"], &["phone"]).check(), Err(InvalidClient::Scope(_))));
        let all = new(&["https://a.example/cb"], &[]).check().unwrap();
        assert_eq!(all.scopes.to_string(), "openid profile email groups offline_access");
        assert_eq!(all.remember, None);
        let one = new(&["https://a.example/cb"], &["openid"]).check().unwrap();
        assert_eq!(one.scopes.to_string(), "openid");
    }
}
