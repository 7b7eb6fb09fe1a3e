//! Small parts of responses.

use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderValue, StatusCode};

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
