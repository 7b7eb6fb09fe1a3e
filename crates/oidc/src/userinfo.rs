//! Userinfo (OpenID Connect Core section 5.3): what the holder of an access token is told. The
//! token stands in the header, or in the body of a form (RFC 6750 section 2), never in the
//! address.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use ostiary_app::{App, Trouble, UserinfoError};
use ostiary_httpkit::Caller;
use ostiary_model::{Ctx, Secret};
use serde::Serialize;
use thiserror::Error;

use crate::basic::Authorization;
use crate::params::{Params, Twice, is_form};

/// Why nothing is told (RFC 6750 section 3.1).
#[derive(Debug, Error)]
pub(crate) enum BearerError {
    #[error("A token is needed.")]
    NoToken,
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("The access token is over, was revoked, or is none of ours.")]
    InvalidToken,
    #[error("The access token was not given for openid.")]
    InsufficientScope,
    #[error("The identity server cannot do its work at the moment. Trying again may help.")]
    Trouble(#[from] Trouble),
}

impl From<UserinfoError> for BearerError {
    fn from(error: UserinfoError) -> Self {
        match error {
            UserinfoError::InvalidToken => Self::InvalidToken,
            UserinfoError::InsufficientScope => Self::InsufficientScope,
            UserinfoError::Trouble(trouble) => Self::Trouble(trouble),
        }
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    error_description: String,
}

impl IntoResponse for BearerError {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            // Who brings nothing is told nothing but the scheme.
            Self::NoToken => return challenge(StatusCode::UNAUTHORIZED, r#"Bearer realm="Ostiary""#.to_owned()),
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::Trouble(trouble) => {
                tracing::error!(error = %trouble, "userinfo could not do its work");
                return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response();
            }
        };
        let scope = if matches!(self, Self::InsufficientScope) { r#", scope="openid""# } else { "" };
        let value = format!(r#"Bearer realm="Ostiary", error="{code}", error_description="{self}"{scope}"#);
        let mut response = challenge(status, value);
        let body = Json(ErrorBody { error: code, error_description: self.to_string() }).into_response();
        response.headers_mut().extend(body.headers().clone());
        *response.body_mut() = body.into_body();
        response
    }
}

fn challenge(status: StatusCode, value: String) -> Response {
    let mut response = status.into_response();
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

/// `GET`.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, BearerError> {
    let token = token(query.as_deref(), &headers, None)?;
    answer(&app, &ctx, &token).await
}

/// `POST`.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, BearerError> {
    const UNREADABLE: BearerError = BearerError::InvalidRequest("The body cannot be read, or is too long.");
    let body = body.map_err(|_| UNREADABLE)?;
    let params = is_form(&headers).then(|| Params::parse(&body)).transpose().map_err(|_| UNREADABLE)?;
    let token = token(query.as_deref(), &headers, params.as_ref())?;
    answer(&app, &ctx, &token).await
}

async fn answer(app: &App, ctx: &Ctx, token: &Secret) -> Result<Response, BearerError> {
    let claims = app.userinfo(ctx, token).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(claims)).into_response())
}

fn token(query: Option<&str>, headers: &HeaderMap, body: Option<&Params>) -> Result<Secret, BearerError> {
    const IN_ADDRESS: BearerError = BearerError::InvalidRequest("A token does not belong into the address.");
    const TWO: BearerError = BearerError::InvalidRequest("The token is given more than once.");
    const SCHEME: BearerError = BearerError::InvalidRequest("The Authorization header must hold one bearer token.");
    let in_address = Params::parse(query.unwrap_or_default().as_bytes()).map_err(|_| IN_ADDRESS)?;
    if in_address.any(&["access_token"]) {
        return Err(IN_ADDRESS);
    }
    let in_body = match body {
        Some(params) => params.one("access_token").map_err(|Twice| TWO)?,
        None => None,
    };
    match (Authorization::read(headers), in_body) {
        (Ok(Some(Authorization::Bearer(token))), None) => Ok(token),
        (Ok(Some(Authorization::Bearer(_))), Some(_)) => Err(TWO),
        (Ok(Some(Authorization::Basic { .. })) | Err(_), _) => Err(SCHEME),
        (Ok(None), Some(token)) => Ok(Secret::new(token.to_owned())),
        (Ok(None), None) => Err(BearerError::NoToken),
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    fn read(query: Option<&str>, header: Option<&'static str>, body: Option<&str>) -> Result<String, BearerError> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(header));
        }
        let params = body.map(|body| Params::parse(body.as_bytes()).unwrap());
        token(query, &headers, params.as_ref()).map(|token| token.expose().to_owned())
    }

    #[test]
    fn the_token_comes_in_one_place() {
        assert_eq!(read(None, Some("Bearer ost_at_x"), None).unwrap(), "ost_at_x");
        assert_eq!(read(None, None, Some("access_token=ost_at_x")).unwrap(), "ost_at_x");
        assert_eq!(read(Some("a=b"), Some("Bearer ost_at_x"), Some("a=b")).unwrap(), "ost_at_x");
        assert!(matches!(read(None, None, None), Err(BearerError::NoToken)));
        assert!(matches!(read(None, None, Some("access_token=")), Err(BearerError::NoToken)));
        for (query, header, body) in [
            (Some("access_token=ost_at_x"), None, None),
            (Some("access_token="), Some("Bearer ost_at_x"), None),
            (Some("%61ccess_token=x"), Some("Bearer ost_at_x"), None),
            (Some("a=%ff"), Some("Bearer ost_at_x"), None),
            (None, Some("Bearer ost_at_x"), Some("access_token=ost_at_x")),
            (None, None, Some("access_token=a&access_token=a")),
            (None, Some("Basic YTpi"), None),
            (None, Some("Bearer"), None),
        ] {
            let found = read(query, header, body);
            assert!(matches!(found, Err(BearerError::InvalidRequest(_))), "{query:?} {header:?} {body:?} {found:?}");
        }
    }

    #[test]
    fn errors_are_those_of_rfc_6750() {
        for (error, status, header) in [
            (BearerError::NoToken, 401, r#"Bearer realm="Ostiary""#),
            (BearerError::InvalidToken, 401, r#"error="invalid_token""#),
            (BearerError::InvalidRequest("x"), 400, r#"error="invalid_request", error_description="x""#),
            (BearerError::InsufficientScope, 403, r#"error="insufficient_scope""#),
        ] {
            let response = error.into_response();
            assert_eq!(response.status(), status);
            assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains(header), "{header}");
        }
    }
}
