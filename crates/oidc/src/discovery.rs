//! Discovery: what this provider is and can, equal at both well-known addresses (OpenID Connect
//! Discovery section 3, RFC 8414 section 2).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, IssuerUrl, JsonWebKeySetUrl, ProviderMetadata, ResponseTypes, TokenUrl,
    UserInfoUrl,
};
use ostiary_app::App;
use ostiary_model::Scope;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const CLAIMS: [&str; 17] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "amr",
    "at_hash",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "updated_at",
    "email",
    "email_verified",
    "groups",
];

/// Members that the library's type does not have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Additional {
    /// RFC 8414 section 2.
    code_challenge_methods_supported: Vec<String>,
    /// RFC 9207 section 3.
    authorization_response_iss_parameter_supported: bool,
    /// Initiating User Registration via OpenID Connect section 4.2, which made the list known.
    prompt_values_supported: Vec<String>,
}

impl AdditionalProviderMetadata for Additional {}

type Metadata = ProviderMetadata<
    Additional,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The document cannot be made: the issuer is no address.
#[derive(Debug, Error)]
pub(crate) enum DiscoveryError {
    #[error("the issuer is no address: {0}")]
    Issuer(#[from] url::ParseError),
    #[error("the document cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl IntoResponse for DiscoveryError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "no discovery document");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// `GET` at either address.
pub(crate) async fn get(State(app): State<Arc<App>>) -> Result<Response, DiscoveryError> {
    let json = serde_json::to_vec(&metadata(app.settings().site.issuer())?)?;
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=60")], json).into_response())
}

fn metadata(issuer: &str) -> Result<Metadata, url::ParseError> {
    let at = |path: &str| format!("{issuer}{path}");
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let additional = Additional {
        code_challenge_methods_supported: texts(&["S256"]),
        authorization_response_iss_parameter_supported: true,
        prompt_values_supported: texts(&["none", "login", "consent", "select_account"]),
    };
    let metadata = Metadata::new(
        IssuerUrl::new(issuer.to_owned())?,
        AuthUrl::new(at(crate::AUTHORIZATION))?,
        JsonWebKeySetUrl::new(at(crate::JWKS))?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        vec![CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256],
        additional,
    );
    let auth_methods = vec![
        CoreClientAuthMethod::ClientSecretBasic,
        CoreClientAuthMethod::ClientSecretPost,
        CoreClientAuthMethod::None,
    ];
    let scopes = Scope::ALL.into_iter().map(|scope| openidconnect::Scope::new(scope.as_str().to_owned())).collect();
    Ok(metadata
        .set_token_endpoint(Some(TokenUrl::new(at(crate::TOKEN))?))
        .set_userinfo_endpoint(Some(UserInfoUrl::new(at(crate::USERINFO))?))
        .set_scopes_supported(Some(scopes))
        .set_response_modes_supported(Some(vec![CoreResponseMode::Query]))
        .set_grant_types_supported(Some(vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken]))
        .set_token_endpoint_auth_methods_supported(Some(auth_methods))
        .set_claim_types_supported(Some(vec![CoreClaimType::Normal]))
        .set_claims_supported(Some(CLAIMS.iter().map(|name| CoreClaimName::new((*name).to_owned())).collect()))
        .set_claims_parameter_supported(Some(false))
        .set_request_parameter_supported(Some(false))
        .set_request_uri_parameter_supported(Some(false)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_document_says_what_there_is() {
        let issuer = "https://accounts.example.org";
        let found = serde_json::to_value(metadata(issuer).unwrap()).unwrap();
        let expected = json!({
            "issuer": issuer,
            "authorization_endpoint": "https://accounts.example.org/api/oidc/authorization",
            "token_endpoint": "https://accounts.example.org/api/oidc/token",
            "userinfo_endpoint": "https://accounts.example.org/api/oidc/userinfo",
            "jwks_uri": "https://accounts.example.org/jwks.json",
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "claim_types_supported": ["normal"],
            "claims_supported": CLAIMS,
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
        });
        let (Value::Object(found), Value::Object(expected)) = (found, expected) else { panic!("two objects") };
        for (name, value) in &expected {
            assert_eq!(found.get(name), Some(value), "{name}");
        }
        assert_eq!(found.keys().collect::<Vec<_>>().len(), expected.len(), "{found:?}");
    }
}
