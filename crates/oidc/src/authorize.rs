//! The authorization endpoint: a browser comes from a client with a request, and goes on to a
//! page or straight back with a code.
//!
//! Client and redirect URI are checked first: while they are not known to be right, whatever goes
//! wrong is a page here, and nobody is redirected (RFC 6749 section 4.1.2.1, RFC 9700 section
//! 4.11). From then on every error goes to the client.

use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use ostiary_app::{GrantError, Next, Trouble, UnknownClient};
use ostiary_httpkit::{Door, Problem, routes, see_other};
use ostiary_model::{AuthorizationError, ClientName, GrantId, GrantRequest, ReturnAddress};
use thiserror::Error;
use url::Url;

use crate::authorize_request;
use crate::params::{Params, Twice, Unreadable, is_form};

/// Why a request does not get to a page of its own.
#[derive(Debug, Error)]
pub(crate) enum AuthorizeError {
    #[error("the request cannot be read")]
    Unreadable,
    #[error("the request names no client, or several")]
    NoClient,
    #[error("the request names no redirect URI, or several")]
    NoRedirectUri,
    #[error("there is no client {id:?}")]
    UnknownClient {
        /// What was asked for.
        id: String,
    },
    #[error("the redirect URI is not registered for {name}")]
    UnknownRedirectUri {
        /// The client.
        name: ClientName,
        /// Its id.
        id: String,
        /// What was asked for.
        uri: String,
    },
    #[error("refused, and told the client so")]
    Refused(Box<Url>),
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<Unreadable> for AuthorizeError {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

impl AuthorizeError {
    /// Of what was asked for, as much as an administrator needs to find the mistake.
    fn unknown(error: UnknownClient, id: &str, uri: &str) -> Self {
        let cut = |text: &str| text.chars().take(200).collect::<String>();
        match error {
            UnknownClient::Id => Self::UnknownClient { id: cut(id) },
            UnknownClient::RedirectUri(name) => Self::UnknownRedirectUri { name, id: cut(id), uri: cut(uri) },
            UnknownClient::Trouble(trouble) => Self::Trouble(trouble),
        }
    }
}

impl IntoResponse for AuthorizeError {
    fn into_response(self) -> Response {
        let bad = |title: &str, text: String| {
            Problem::new(StatusCode::BAD_REQUEST, title)
                .text(text)
                .point("Go back to the application and start again from there.")
                .point("If it happens again, send the details below to whoever looks after the application.")
        };
        match self {
            Self::Unreadable => bad(
                "This sign-in request cannot be read",
                "It is too long, or not in the form that it should have.".into(),
            )
            .into_response(),
            Self::NoClient => bad(
                "This sign-in request names no application",
                "Its client_id is missing or stands there twice. You were not sent anywhere.".into(),
            )
            .into_response(),
            Self::UnknownClient { id } => bad(
                "This application is not known here",
                "No application is registered under the client_id of the request. You were not sent anywhere.".into(),
            )
            .fact("error", "invalid_request: client_id is not registered")
            .fact("client_id", id)
            .into_response(),
            Self::NoRedirectUri => bad(
                "This sign-in request does not say where to go back to",
                "Its redirect_uri is missing or stands there twice. You were not sent anywhere.".into(),
            )
            .into_response(),
            Self::UnknownRedirectUri { name, id, uri } => bad(
                "This sign-in request leads to an unknown address",
                format!(
                    "Its redirect_uri is not one of those registered for {name}, letter by letter. You were not sent anywhere."
                ),
            )
            .fact("error", "invalid_request: redirect_uri is not registered")
            .fact("client_id", id)
            .fact("redirect_uri", uri)
            .into_response(),
            Self::Refused(to) => see_other(to.as_str()),
            Self::Trouble(trouble) => Problem::from(trouble).into_response(),
        }
    }
}

/// `GET`: the request stands in the query. Goes on to a page, or straight back to the client when
/// there is nothing to ask.
pub(crate) async fn get(door: Door, RawQuery(query): RawQuery) -> Result<Response, AuthorizeError> {
    let params = Params::parse(query.unwrap_or_default().as_bytes())?;
    let (id, back) = open(&door, &params).await?;
    match door.app.grant_next(&door.ctx, id, door.visitor.as_ref()).await {
        Ok(next) => Ok(see_other(&address_of(&next, id))),
        Err(error) => Err(broken(&door, &back, &error)),
    }
}

/// `POST`: the request stands in the body. A browser that another site let send this form has left
/// our cookie behind (`SameSite=Lax`); with the next page it comes along.
pub(crate) async fn post(
    door: Door,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, AuthorizeError> {
    let body = body.map_err(|_| AuthorizeError::Unreadable)?;
    if !is_form(&headers) {
        return Err(AuthorizeError::Unreadable);
    }
    let (id, _) = open(&door, &Params::parse(&body)?).await?;
    Ok(see_other(&routes::continue_with(id)))
}

async fn open(door: &Door, params: &Params) -> Result<(GrantId, ReturnAddress), AuthorizeError> {
    let id = params.one("client_id").map_err(|Twice| AuthorizeError::NoClient)?.ok_or(AuthorizeError::NoClient)?;
    let uri = params.one("redirect_uri").map_err(|Twice| AuthorizeError::NoRedirectUri)?;
    let uri = uri.ok_or(AuthorizeError::NoRedirectUri)?;
    let found = door.app.client_of_request(id, uri).await;
    let (client, redirect_uri) = found.map_err(|error| AuthorizeError::unknown(error, id, uri))?;
    let back = authorize_request::return_address(params, redirect_uri);
    let request: GrantRequest =
        authorize_request::read(params, &client, back.clone()).map_err(|error| refused(door, &back, error))?;
    match door.app.grant_open(&door.ctx, request).await {
        Ok(id) => Ok((id, back)),
        Err(error) => Err(broken(door, &back, &error)),
    }
}

fn address_of(next: &Next, id: GrantId) -> String {
    match next {
        Next::SignIn { .. } => routes::sign_in_for(id),
        Next::Code => routes::code_for(id),
        Next::SetUpAuthenticator => routes::authenticator_for(id),
        Next::Consent(_) => routes::consent_for(id),
        Next::Redirect(to) => to.to_string(),
    }
}

fn refused(door: &Door, back: &ReturnAddress, error: AuthorizationError) -> AuthorizeError {
    tracing::info!(%error, "an authorization request was refused");
    AuthorizeError::Refused(Box::new(back.with_error(door.app.settings().site.issuer(), error)))
}

fn broken(door: &Door, back: &ReturnAddress, error: &GrantError) -> AuthorizeError {
    if matches!(error, GrantError::Trouble(Trouble::Busy)) {
        return refused(door, back, AuthorizationError::TemporarilyUnavailable);
    }
    tracing::error!(%error, "an authorization request could not be served");
    refused(door, back, AuthorizationError::ServerError)
}
