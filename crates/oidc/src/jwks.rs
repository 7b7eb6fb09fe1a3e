//! The public keys (RFC 7517 section 5), for those who check our signatures.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use ostiary_app::{App, PublicKey, Trouble};
use thiserror::Error;

/// Why there are no keys to show.
#[derive(Debug, Error)]
pub(crate) enum JwksError {
    #[error("a stored key is no JSON Web Key: {0}")]
    Key(#[from] serde_json::Error),
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl IntoResponse for JwksError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "the keys cannot be shown");
        match self {
            Self::Key(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Self::Trouble(_) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")]).into_response(),
        }
    }
}

/// `GET`. Read anew each time, so that all replicas show the same; may be kept for a minute, the
/// time by which a new key is published before it signs.
pub(crate) async fn get(State(app): State<Arc<App>>) -> Result<Response, JwksError> {
    let json = serde_json::to_vec(&key_set(&app.public_keys().await?)?)?;
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=60")], json).into_response())
}

fn key_set(keys: &[PublicKey]) -> Result<CoreJsonWebKeySet, serde_json::Error> {
    let keys = keys.iter().map(|key| serde_json::from_str::<CoreJsonWebKey>(&key.jwk)).collect::<Result<_, _>>()?;
    Ok(CoreJsonWebKeySet::new(keys))
}

#[cfg(test)]
mod tests {
    use ostiary_model::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn keys_are_shown_as_they_are_kept() {
        let jwk = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": "0vx7agoebGc", "e": "AQAB"});
        let key = PublicKey {
            id: "01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f".parse().unwrap(),
            kid: "k1".into(),
            alg: "RS256".into(),
            jwk: jwk.to_string(),
            created_at: Timestamp::from_secs(0),
            active_from: Timestamp::from_secs(0),
        };
        let shown: Value = serde_json::to_value(key_set(std::slice::from_ref(&key)).unwrap()).unwrap();
        assert_eq!(shown, json!({ "keys": [jwk] }));
        assert!(key_set(&[PublicKey { jwk: "{}".into(), ..key }]).is_err());
    }
}
