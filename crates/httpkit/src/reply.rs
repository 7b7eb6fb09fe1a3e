//! Small parts of responses.

use axum::response::{IntoResponse, Response};
use http::header::{IF_NONE_MATCH, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::problem::Problem;

/// 303: the answer to a form, and every way from one page to another (RFC 9110 section 15.4.4).
/// Never 307, which would carry a password on (RFC 9700 section 4.12).
#[must_use]
pub fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        Err(_) => {
            tracing::error!("an address that we made cannot stand in a header");
            Problem::broken().into_response()
        }
    }
}

/// The response with one more `Set-Cookie`.
#[must_use]
pub fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Whether a browser that sent `headers` has what goes by the entity tag `tag` already (RFC 9110
/// section 13.1.2).
#[must_use]
pub fn not_modified(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let has = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(value));
            }
            not_modified(&headers, "\"a1\"")
        };
        for values in [&["\"a1\""][..], &["W/\"a1\""], &["\"x\", \"a1\""], &["\"x\"", "\"a1\""], &["*"]] {
            assert!(has(values), "{values:?}");
        }
        for values in [&[][..], &[""], &["\"a\""], &["a1"], &["\"A1\""]] {
            assert!(!has(values), "{values:?}");
        }
    }
}
