//! Who asks at the token endpoint (RFC 6749 section 2.3): by Basic, by the body, or by name alone.
//! One way for each request.

use http::HeaderMap;
use ostiary_app::{App, ClientProofError};
use ostiary_model::{Client, Ctx, Secret};

use crate::basic::Authorization;
use crate::params::{Params, Twice};
use crate::token::TokenError;

const TWO_WAYS: TokenError = TokenError::InvalidRequest("The client proves itself in two ways at once.");
const TWO_IDS: TokenError = TokenError::InvalidRequest("The client_id is not the one in the Authorization header.");
const NO_CLIENT: TokenError = TokenError::InvalidClient;

/// What the client proves itself by.
#[derive(Debug)]
struct Proof {
    id: String,
    secret: Option<Secret>,
}

/// The client that sent the request.
pub(crate) async fn authenticate(
    app: &App,
    ctx: &Ctx,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Client, TokenError> {
    let proof = proof(headers, params)?;
    app.client_authenticate(ctx, &proof.id, proof.secret.as_ref()).await.map_err(|error| match error {
        ClientProofError::Rejected => NO_CLIENT,
        ClientProofError::Trouble(trouble) => trouble.into(),
    })
}

fn proof(headers: &HeaderMap, params: &Params) -> Result<Proof, TokenError> {
    let one = |name| params.one(name).map_err(|Twice| TokenError::TWICE);
    let (id, secret) = (one("client_id")?, one("client_secret")?);
    // Signed assertions (RFC 7523) are not taken; to go on without would be to ignore a proof.
    if params.any(&["client_assertion", "client_assertion_type"]) {
        return Err(NO_CLIENT);
    }
    let Ok(header) = Authorization::read(headers) else { return Err(NO_CLIENT) };
    match (header, id, secret) {
        (Some(_), _, Some(_)) => Err(TWO_WAYS),
        (Some(Authorization::Bearer(_)), _, _) => Err(NO_CLIENT),
        (Some(Authorization::Basic { id, .. }), Some(other), None) if id != other => Err(TWO_IDS),
        (Some(Authorization::Basic { id, secret }), _, None) => Ok(Proof { id, secret: Some(secret) }),
        (None, Some(id), secret) => {
            Ok(Proof { id: id.to_owned(), secret: secret.map(|text| Secret::new(text.to_owned())) })
        }
        (None, None, _) => Err(NO_CLIENT),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;

    /// `id:secret` of the example in RFC 6749 section 2.3.1: s6BhdRkqt3 and gX1fBat3bV.
    const BASIC: &str = "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW";

    fn read(header: Option<&'static str>, body: &str) -> Result<(String, Option<String>), TokenError> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(header));
        }
        let proof = proof(&headers, &Params::parse(body.as_bytes()).unwrap())?;
        Ok((proof.id, proof.secret.map(|secret| secret.expose().to_owned())))
    }

    #[test]
    fn three_ways_one_at_a_time() {
        let full = ("s6BhdRkqt3".to_owned(), Some("gX1fBat3bV".to_owned()));
        for (header, body) in [
            (Some(BASIC), "grant_type=x"),
            (Some(BASIC), "client_id=s6BhdRkqt3"),
            (None, "client_id=s6BhdRkqt3&client_secret=gX1fBat3bV"),
        ] {
            assert_eq!(read(header, body).unwrap(), full, "{body}");
        }
        assert_eq!(read(None, "client_id=app").unwrap(), ("app".to_owned(), None));
        assert_eq!(read(None, "client_id=app&client_secret=").unwrap(), ("app".to_owned(), None));
    }

    #[test]
    fn two_ways_and_no_way_are_refused() {
        use TokenError as E;
        type Is = fn(&E) -> bool;
        let request: Is = |error| matches!(error, E::InvalidRequest(_));
        let client: Is = |error| matches!(error, E::InvalidClient);
        for (header, body, is) in [
            (Some(BASIC), "client_id=s6BhdRkqt3&client_secret=gX1fBat3bV", request),
            (Some(BASIC), "client_secret=gX1fBat3bV", request),
            (Some(BASIC), "client_id=other", request),
            (None, "client_id=a&client_id=a", request),
            (None, "client_id=a&client_secret=b&client_secret=b", request),
            (None, "client_secret=b", client),
            (None, "", client),
            (Some("Bearer ost_at_x"), "client_id=app", client),
            (Some("Basic !"), "client_id=app", client),
            (Some("Digest x"), "client_id=app", client),
            (None, "client_id=app&client_assertion=x", client),
            (None, "client_id=app&client_assertion_type=x", client),
        ] {
            let error = read(header, body).unwrap_err();
            assert!(is(&error), "{header:?} {body}: {error:?}");
        }
    }
}
