//! The token endpoint (RFC 6749 section 3.2): codes and refresh tokens for tokens.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use openidconnect::core::{CoreErrorResponseType, CoreTokenType};
use openidconnect::{AccessToken, ExtraTokenFields, RefreshToken, Scope, StandardErrorResponse, StandardTokenResponse};
use ostiary_app::{App, CodeExchange, ExchangeError, Issued, Trouble};
use ostiary_httpkit::Caller;
use ostiary_model::{Client, CodeVerifier, Ctx, Scopes, Secret};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::client_auth;
use crate::params::{Params, Twice, is_form};

/// None of these may stand in the address, where logs and histories keep them.
const BODY_ONLY: [&str; 8] =
    ["grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "refresh_token", "scope"];

/// Longer ones are not ours.
const MAX_TOKEN: usize = 256;

/// Why there are no tokens.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("The client is not known, or did not prove itself.")]
    InvalidClient,
    #[error("The code or refresh token is not valid for this client: it was used, is over, or was revoked.")]
    InvalidGrant,
    #[error("The scope goes beyond what was granted.")]
    InvalidScope,
    #[error("The grant_type must be authorization_code or refresh_token.")]
    UnsupportedGrantType,
    #[error("The identity server cannot do its work at the moment. Trying again may help.")]
    Trouble(#[from] Trouble),
}

impl TokenError {
    pub(crate) const TWICE: Self = Self::InvalidRequest("A parameter is given more than once.");
    const NOT_A_FORM: Self = Self::InvalidRequest("The body must be application/x-www-form-urlencoded.");
    const UNREADABLE: Self = Self::InvalidRequest("The body cannot be read, or is too long.");
    const IN_ADDRESS: Self = Self::InvalidRequest("Parameters belong into the body, not into the address.");
    const VERIFIER: Self = Self::InvalidRequest("The code_verifier is not 43 to 128 unreserved characters.");
}

impl From<ExchangeError> for TokenError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::InvalidGrant => Self::InvalidGrant,
            ExchangeError::InvalidScope => Self::InvalidScope,
            ExchangeError::Trouble(trouble) => Self::Trouble(trouble),
        }
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        use CoreErrorResponseType as Code;
        let (status, code) = match &self {
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, Code::InvalidRequest),
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, Code::InvalidClient),
            Self::InvalidGrant => (StatusCode::BAD_REQUEST, Code::InvalidGrant),
            Self::InvalidScope => (StatusCode::BAD_REQUEST, Code::InvalidScope),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, Code::UnsupportedGrantType),
            Self::Trouble(trouble) => {
                tracing::error!(error = %trouble, "the token endpoint could not do its work");
                (StatusCode::SERVICE_UNAVAILABLE, Code::Extension("temporarily_unavailable".to_owned()))
            }
        };
        let body = Json(StandardErrorResponse::new(code, Some(self.to_string()), None));
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        never_kept(headers);
        match self {
            Self::InvalidClient => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="Ostiary", charset="UTF-8""#));
            }
            Self::Trouble(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

/// What the library's token response does not have: the ID token as it was signed.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl ExtraTokenFields for Signed {}

/// `POST`.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Caller(ctx): Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, TokenError> {
    let params = read(query.as_deref(), &headers, body)?;
    let client = client_auth::authenticate(&app, &ctx, &headers, &params).await?;
    Ok(answer(&exchange(&app, &ctx, &client, &params).await?))
}

fn read(query: Option<&str>, headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Params, TokenError> {
    let in_address = Params::parse(query.unwrap_or_default().as_bytes()).map_err(|_| TokenError::IN_ADDRESS)?;
    if in_address.any(&BODY_ONLY) {
        return Err(TokenError::IN_ADDRESS);
    }
    if !is_form(headers) {
        return Err(TokenError::NOT_A_FORM);
    }
    let body = body.map_err(|_| TokenError::UNREADABLE)?;
    let params = Params::parse(&body).map_err(|_| TokenError::UNREADABLE)?;
    for name in BODY_ONLY {
        params.one(name).map_err(|Twice| TokenError::TWICE)?;
    }
    Ok(params)
}

async fn exchange(app: &App, ctx: &Ctx, client: &Client, params: &Params) -> Result<Issued, TokenError> {
    let one = |name| params.one(name).map_err(|Twice| TokenError::TWICE);
    let needed = |name, missing| one(name)?.ok_or(TokenError::InvalidRequest(missing));
    match needed("grant_type", "The grant_type is missing.")? {
        "authorization_code" => {
            let asked = CodeExchange {
                code: token(needed("code", "The code is missing.")?)?,
                redirect_uri: needed("redirect_uri", "The redirect_uri is missing.")?.to_owned(),
                verifier: CodeVerifier::parse(needed("code_verifier", "The code_verifier is missing.")?)
                    .ok_or(TokenError::VERIFIER)?,
            };
            Ok(app.code_exchange(ctx, client, &asked).await?)
        }
        "refresh_token" => {
            let presented = token(needed("refresh_token", "The refresh_token is missing.")?)?;
            let asked = one("scope")?.map(Scopes::parse).transpose().map_err(|_| TokenError::InvalidScope)?;
            Ok(app.refresh(ctx, client, &presented, asked).await?)
        }
        _ => Err(TokenError::UnsupportedGrantType),
    }
}

fn token(text: &str) -> Result<Secret, TokenError> {
    if text.len() > MAX_TOKEN { Err(TokenError::InvalidGrant) } else { Ok(Secret::new(text.to_owned())) }
}

fn answer(issued: &Issued) -> Response {
    let expose = |secret: &Secret| secret.expose().to_owned();
    let signed = Signed { id_token: issued.id_token.as_ref().map(expose) };
    let access_token = AccessToken::new(expose(&issued.access_token));
    let mut body = StandardTokenResponse::new(access_token, CoreTokenType::Bearer, signed);
    body.set_expires_in(Some(&issued.expires_in.to_std()));
    body.set_refresh_token(issued.refresh_token.as_ref().map(expose).map(RefreshToken::new));
    body.set_scopes(Some(issued.scopes.iter().map(|scope| Scope::new(scope.as_str().to_owned())).collect()));
    let mut response = Json(body).into_response();
    never_kept(response.headers_mut());
    response
}

/// RFC 6749 section 5.1 wants both.
fn never_kept(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
}
