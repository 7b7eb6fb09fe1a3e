//! How an authorization request is answered: an address at the client with a code or an error in
//! its query (RFC 6749 sections 4.1.2 and 4.1.2.1), and always with `iss` (RFC 9207), so that a
//! client with several identity servers can tell who answered.

use thiserror::Error;
use url::Url;

use crate::redirect::RedirectUri;
use crate::secret::Secret;

/// Why an authorization request is refused, as far as the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{code}: {text}", code = self.code(), text = self.description())]
pub enum AuthorizationError {
    /// A parameter is missing, doubled, too long or not understood; the text says which.
    InvalidRequest(&'static str),
    /// Another response type than `code`.
    UnsupportedResponseType,
    /// None of the scopes asked for can be given.
    InvalidScope,
    /// The person said no.
    AccessDenied,
    /// `prompt=none`, and nobody is signed in, or too long ago.
    LoginRequired,
    /// `prompt=none`, and a second factor is wanting.
    InteractionRequired,
    /// `prompt=none`, and the person has not agreed yet.
    ConsentRequired,
    /// Request objects are not taken (OpenID Connect Core section 6.1).
    RequestNotSupported,
    /// Nor are references to them (section 6.2).
    RequestUriNotSupported,
    /// Nor are clients that describe themselves (section 7.2.1).
    RegistrationNotSupported,
    /// Something broke here.
    ServerError,
    /// More is asked than can be served at this moment.
    TemporarilyUnavailable,
}

impl AuthorizationError {
    /// The `error` code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::InteractionRequired => "interaction_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// The `error_description`, for whoever runs the client.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(text) => text,
            Self::UnsupportedResponseType => "The response_type must be code.",
            Self::InvalidScope => "The scope names nothing that this client may ask for.",
            Self::AccessDenied => "The person did not agree.",
            Self::LoginRequired => "The person has to sign in, which prompt=none rules out.",
            Self::InteractionRequired => "The person has to prove a second factor, which prompt=none rules out.",
            Self::ConsentRequired => "The person has to agree first, which prompt=none rules out.",
            Self::RequestNotSupported => "The request parameter is not supported.",
            Self::RequestUriNotSupported => "The request_uri parameter is not supported.",
            Self::RegistrationNotSupported => "The registration parameter is not supported.",
            Self::ServerError => "The identity server could not do its work. Trying again may help.",
            Self::TemporarilyUnavailable => "The identity server has too much to do. Trying again in a while may help.",
        }
    }
}

/// Where an authorization request is answered. Exists only for a client and redirect URI that
/// were checked, so that nothing else can be redirected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnAddress {
    /// One of the client's own.
    pub redirect_uri: RedirectUri,
    /// What the client wants back unchanged.
    pub state: Option<String>,
}

impl ReturnAddress {
    /// The address that hands `code` over, from the server `issuer`.
    #[must_use]
    pub fn with_code(&self, issuer: &str, code: &Secret) -> Url {
        self.with(issuer, &[("code", code.expose())])
    }

    /// The address that says why there is no code.
    #[must_use]
    pub fn with_error(&self, issuer: &str, error: AuthorizationError) -> Url {
        self.with(issuer, &[("error", error.code()), ("error_description", error.description())])
    }

    fn with(&self, issuer: &str, values: &[(&str, &str)]) -> Url {
        let mut url = self.redirect_uri.url().clone();
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(values);
            if let Some(state) = &self.state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", issuer);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(uri: &str, state: Option<&str>) -> ReturnAddress {
        ReturnAddress { redirect_uri: RedirectUri::parse(uri).unwrap(), state: state.map(str::to_owned) }
    }

    #[test]
    fn state_and_the_clients_own_query_come_back_unchanged() {
        let code = Secret::new("ost_ac_x".into());
        let url =
            address("https://a.example/cb?tenant=%C3%A9", Some("a b&c=d#é")).with_code("https://id.example", &code);
        assert_eq!(
            url.as_str(),
            "https://a.example/cb?tenant=%C3%A9&code=ost_ac_x&state=a+b%26c%3Dd%23%C3%A9&iss=https%3A%2F%2Fid.example"
        );
        let url = address("https://a.example", None).with_code("https://id.example", &code);
        assert_eq!(url.as_str(), "https://a.example/?code=ost_ac_x&iss=https%3A%2F%2Fid.example");
    }

    #[test]
    fn errors_name_their_code_in_letters_that_rfc_6749_allows() {
        for error in [
            AuthorizationError::InvalidRequest("The state is given twice."),
            AuthorizationError::UnsupportedResponseType,
            AuthorizationError::InvalidScope,
            AuthorizationError::AccessDenied,
            AuthorizationError::LoginRequired,
            AuthorizationError::InteractionRequired,
            AuthorizationError::ConsentRequired,
            AuthorizationError::RequestNotSupported,
            AuthorizationError::RequestUriNotSupported,
            AuthorizationError::RegistrationNotSupported,
            AuthorizationError::ServerError,
            AuthorizationError::TemporarilyUnavailable,
        ] {
            let url = address("http://127.0.0.1:9/cb", Some("s")).with_error("https://id.example", error);
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["error", "error_description", "state", "iss"]);
            assert_eq!(pairs.first().unwrap().1, error.code());
            assert!(error.description().bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
        }
    }
}
