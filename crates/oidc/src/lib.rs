//! The OpenID Connect door: the authorization code flow with PKCE, and what clients need to find
//! and check it.
//!
//! One file for each endpoint, each with its own errors and one `match` that turns them into the
//! answer of its RFC. What is granted is decided behind the verbs of `app`. Leaves out what is
//! not there yet (revocation, introspection, pushed requests, devices): discovery lists no
//! endpoint that does not exist.

mod authorize;
mod authorize_request;
mod basic;
mod client_auth;
mod cors;
mod discovery;
mod jwks;
mod params;
mod token;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::routing::{get, post};
use ostiary_app::App;

/// Where the provider describes itself (OpenID Connect Discovery section 4).
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The same for plain OAuth clients (RFC 8414 section 3).
pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// The public keys (RFC 7517 section 5).
pub const JWKS: &str = "/jwks.json";
/// Where a browser brings a request (RFC 6749 section 3.1).
pub const AUTHORIZATION: &str = "/api/oidc/authorization";
/// Where a client fetches tokens (RFC 6749 section 3.2).
pub const TOKEN: &str = "/api/oidc/token";
/// What a client is told about a person (OpenID Connect Core section 5.3).
pub const USERINFO: &str = "/api/oidc/userinfo";

/// All endpoints, for the accounts host.
pub fn router(app: Arc<App>) -> Router {
    // Browsers of other sites may use these: nothing in them depends on a cookie, so such a page
    // gets no more than a program gets that asks by itself. The authorization endpoint does
    // depend on one and is not among them.
    let open = Router::new()
        .route(DISCOVERY, get(discovery::get).options(cors::preflight))
        .route(AUTHORIZATION_SERVER, get(discovery::get).options(cors::preflight))
        .route(JWKS, get(jwks::get).options(cors::preflight))
        .route(TOKEN, post(token::post).options(cors::preflight))
        .route(USERINFO, get(userinfo::get).post(userinfo::post).options(cors::preflight))
        .layer(map_response(cors::open));
    Router::new()
        .route(AUTHORIZATION, get(authorize::get).post(authorize::post))
        .merge(open)
        .layer(DefaultBodyLimit::max(params::MAX_LENGTH))
        .with_state(app)
}
