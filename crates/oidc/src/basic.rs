//! The `Authorization` header: Basic credentials of a client (RFC 6749 section 2.3.1, RFC 7617)
//! and bearer tokens (RFC 6750 section 2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ostiary_model::Secret;

use crate::params::form_decode;

/// What the header holds.
#[derive(Debug)]
pub(crate) enum Authorization {
    /// A client's id and secret.
    Basic { id: String, secret: Secret },
    /// A token.
    Bearer(Secret),
}

/// A header that holds neither, or that stands there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl Authorization {
    /// Reads the header, if there is one.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Option<Self>, Unreadable> {
        let mut values = headers.get_all(AUTHORIZATION).into_iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Unreadable);
        }
        let (scheme, rest) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Unreadable)?;
        let rest = rest.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("basic") {
            basic(rest).map(Some).ok_or(Unreadable)
        } else if scheme.eq_ignore_ascii_case("bearer") && is_token68(rest) {
            Ok(Some(Self::Bearer(Secret::new(rest.to_owned()))))
        } else {
            Err(Unreadable)
        }
    }
}

/// Id and secret are form-encoded each before they are joined and encoded again: so says RFC 6749,
/// and so do clients that follow it. Ours hold no character that looks different when encoded.
fn basic(text: &str) -> Option<Authorization> {
    let joined = STANDARD.decode(text).ok()?;
    let colon = joined.iter().position(|byte| *byte == b':')?;
    let (id, secret) = joined.split_at_checked(colon)?;
    let secret = form_decode(secret.get(1..)?)?;
    Some(Authorization::Basic { id: form_decode(id)?, secret: Secret::new(secret) })
}

/// RFC 6750 section 2.1: `b64token`.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Result<Option<Authorization>, Unreadable> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        Authorization::read(&headers)
    }

    fn basic_of(plain: &str) -> String {
        format!("Basic {}", STANDARD.encode(plain))
    }

    #[test]
    fn basic_credentials_are_form_encoded() {
        for (plain, id, secret) in [
            ("directus:ost_cs_a-b_c", "directus", "ost_cs_a-b_c"),
            ("a%3Ab:c%25+d%2B", "a:b", "c% d+"),
            ("id:with:colons", "id", "with:colons"),
            ("id:", "id", ""),
            (":secret", "", "secret"),
            ("%C3%A9:%E2%82%AC", "é", "€"),
        ] {
            match read(&[&basic_of(plain)]) {
                Ok(Some(Authorization::Basic { id: found, secret: key })) => {
                    assert_eq!((found.as_str(), key.expose()), (id, secret), "{plain}");
                }
                other => panic!("{plain}: {other:?}"),
            }
        }
        assert!(matches!(read(&["bAsIc  YTpi"]), Ok(Some(Authorization::Basic { .. }))));
    }

    #[test]
    fn bearer_tokens_are_taken_as_they_are() {
        for header in ["Bearer ost_at_abc-_", "bearer  x==", "BEARER a.b~c+d/e"] {
            assert!(matches!(read(&[header]), Ok(Some(Authorization::Bearer(_)))), "{header}");
        }
        assert!(matches!(read(&[]), Ok(None)));
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!!",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Digest x",
            "Negotiate abc",
            "BasicYTpi",
            "Bearer =",
        ] {
            assert_eq!(read(&[bad]).unwrap_err(), Unreadable, "{bad:?}");
        }
        assert_eq!(read(&[&basic_of("no colon")]).unwrap_err(), Unreadable);
        assert_eq!(read(&[&basic_of("id:%ff")]).unwrap_err(), Unreadable);
        assert_eq!(read(&["Bearer a", "Bearer a"]).unwrap_err(), Unreadable);
    }
}
