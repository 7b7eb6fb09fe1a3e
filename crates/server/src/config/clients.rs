//! `[[clients]]`: applications that the file registers.

use ostiary_app::{ConfiguredClient, ConfiguredSecret};
use ostiary_model::{NewClient, SignInPolicy, Span};

use super::log::{choice, write_choice};
use super::problems::Place;
use super::raw::Raw;
use super::setting::{Allowed, Setting, format_span, parse_span};

/// How long a consent is remembered when nobody says.
const REMEMBER: Span = Span::from_days(30);

/// One entry.
pub(crate) struct ClientConfig {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: Option<ConfiguredSecret>,
    pub(crate) public: bool,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) policy: SignInPolicy,
    pub(crate) scopes: Vec<String>,
    pub(crate) claims_in_id_token: bool,
    pub(crate) consent_remember: Remember,
    /// Where it stands, for messages.
    pub(crate) place: Option<Place>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            secret: None,
            public: false,
            redirect_uris: Vec::new(),
            policy: SignInPolicy::TwoFactor,
            scopes: Vec::new(),
            claims_in_id_token: false,
            consent_remember: Remember::default(),
            place: None,
        }
    }
}

impl ClientConfig {
    /// What is to be registered; the id stands in for a missing name.
    pub(crate) fn to_configured(&self) -> ConfiguredClient {
        let client = NewClient {
            id: self.id.clone(),
            name: if self.name.is_empty() { self.id.clone() } else { self.name.clone() },
            redirect_uris: self.redirect_uris.clone(),
            public: self.public,
            policy: self.policy,
            scopes: self.scopes.clone(),
            remember: self.consent_remember.0,
            claims_in_id_token: self.claims_in_id_token,
        };
        ConfiguredClient { client, secret: self.secret.clone() }
    }

    /// What is wrong with it as a whole.
    pub(crate) fn problem(&self) -> Option<String> {
        self.to_configured().check().err().map(|error| error.to_string())
    }
}

/// How long a consent is remembered; `None`: never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remember(pub(crate) Option<Span>);

impl Default for Remember {
    fn default() -> Self {
        Self(Some(REMEMBER))
    }
}

impl Remember {
    /// Reads a length of time or `never`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "never" { Some(Self(None)) } else { parse_span(text).map(|span| Self(Some(span))) }
    }
}

impl Setting for Remember {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        match raw {
            Raw::Text(text) | Raw::Untyped(text) => Self::parse(text),
            _ => None,
        }
        .ok_or_else(|| r#"a length of time such as "30d", or "never""#.to_owned())
    }

    fn write(&self) -> String {
        self.0.map_or_else(|| "\"never\"".to_owned(), |span| format!("{:?}", format_span(span)))
    }
}

const POLICIES: &[(&str, SignInPolicy)] =
    &[("one_factor", SignInPolicy::OneFactor), ("two_factor", SignInPolicy::TwoFactor)];

impl Setting for SignInPolicy {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        choice(raw, POLICIES)
    }

    fn write(&self) -> String {
        write_choice(self, POLICIES)
    }
}

impl Setting for ConfiguredSecret {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        match raw {
            Raw::Text(text) | Raw::Untyped(text) => Self::parse(text).map_err(|error| error.to_string()),
            _ => Err("a client secret is a text".to_owned()),
        }
    }

    fn write(&self) -> String {
        "\"…\"".to_owned()
    }
}
