//! Why a request got no answer from a service, and what we say instead: plain, short, and nothing
//! about the inside. A page of ours would need files that are not on the service's host.

use std::error::Error as StdError;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use thiserror::Error;

use crate::moving::{ByClient, Carried};

/// A request that was not answered by its service. The text is for the log.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// RFC 9112 section 3.2: which host is asked for must be said once.
    #[error("it names no host, or more than one")]
    Host,
    /// CONNECT would open a way to anywhere, TRACE shows what we say to the service.
    #[error("its method is not passed on")]
    Method,
    /// RFC 9112 section 6.1.
    #[error("its body is in a coding that is not known here")]
    Coding,
    /// RFC 9110 section 7.6.3.
    #[error("it came through here before")]
    Loop,
    #[error("it came without its peer's address")]
    Peer,
    #[error("a trusted proxy sent an X-Forwarded-For that cannot be read")]
    Unreadable,
    #[error(transparent)]
    Unmade(#[from] http::Error),
    /// As many requests as may be are being passed on.
    #[error("too many requests are being passed on")]
    Full,
    /// The client left, or sent too little for too long.
    #[error("{0}")]
    ByClient(String),
    /// The service could not be reached, or did not speak HTTP.
    #[error("the upstream failed: {0}")]
    Failed(String),
    /// The service did not begin to answer in time.
    #[error("the upstream does not answer: {0}")]
    Late(String),
}

impl Refusal {
    /// What an error of the exchange with a service comes down to.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut told = error.to_string();
        let mut late = false;
        let mut deeper = error.source();
        while let Some(cause) = deeper {
            if let Some(by_client) = cause.downcast_ref::<ByClient>() {
                return Self::ByClient(by_client.to_string());
            }
            let timed_out = |error: &std::io::Error| error.kind() == std::io::ErrorKind::TimedOut;
            late |= cause.downcast_ref().is_some_and(timed_out);
            told = format!("{told}: {cause}");
            deeper = cause.source();
        }
        if late { Self::Late(told) } else { Self::Failed(told) }
    }

    const fn words(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Host | Self::Unreadable | Self::Unmade(_) => {
                (StatusCode::BAD_REQUEST, "This request cannot be read.\n")
            }
            Self::Method | Self::Coding => (StatusCode::NOT_IMPLEMENTED, "This kind of request is not passed on.\n"),
            Self::Loop => (StatusCode::LOOP_DETECTED, "This request goes round in a circle.\n"),
            Self::Peer => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here. Try again.\n"),
            Self::ByClient(_) => (StatusCode::REQUEST_TIMEOUT, "The request did not come in whole. Try again.\n"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "There is too much to do here. Try again in a moment.\n"),
            Self::Failed(_) => {
                (StatusCode::BAD_GATEWAY, "The service behind this address cannot be reached. Try again in a while.\n")
            }
            Self::Late(_) => {
                (StatusCode::GATEWAY_TIMEOUT, "The service behind this address takes too long. Try again in a while.\n")
            }
        }
    }

    /// Writes the reason down and says what can be said.
    pub(crate) fn answer(&self, host: &str) -> Response<Carried> {
        match self {
            Self::Failed(_) | Self::Late(_) => tracing::warn!(site = host, "{self}"),
            Self::Peer | Self::Unmade(_) => tracing::error!(site = host, "a request was refused: {self}"),
            _ => tracing::info!(site = host, "a request was refused: {self}"),
        }
        let (status, words) = self.words();
        let body = Full::new(Bytes::from_static(words.as_bytes())).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !matches!(self, Self::Failed(_) | Self::Late(_) | Self::Full) {
            // Where the request ends is as doubtful as the rest of it.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
