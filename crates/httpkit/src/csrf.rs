//! Forms that only our own pages can send.
//!
//! Two walls. The browser says where a form comes from (`Sec-Fetch-Site`, `Origin`); a browser
//! that says nothing is let by. And the form carries a token bound to the session, or to the
//! browser before there is one, which only a page of this host could have read.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderName};
use ostiary_app::App;
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

use crate::door::Door;
use crate::problem::Problem;

/// No form of ours is larger.
pub(crate) const MAX_FORM_BYTES: usize = 64 * 1024;

/// The field that carries the token.
pub(crate) const FIELD: &str = "csrf";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A form of one of our pages, read into `T`. Anything else is refused before a handler sees it.
pub struct CsrfForm<T>(pub T);

impl<S, T> FromRequest<S> for CsrfForm<T>
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let door = Door::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        if !may_come_from_here(&parts.headers, &door.arrival.origin) {
            return Err(Problem::form_from_elsewhere().into_response());
        }
        let bytes = to_bytes(body, MAX_FORM_BYTES).await.map_err(|_| Problem::too_large().into_response())?;
        let token = form_token(&parts.headers, &bytes).map_err(IntoResponse::into_response)?;
        if !token.is_some_and(|token| door.csrf_holds(&token)) {
            return Err(Problem::form_too_old().into_response());
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        match axum::Form::<T>::from_request(request, state).await {
            Ok(axum::Form(form)) => Ok(Self(form)),
            Err(_) => Err(Problem::unreadable("A field of the form is missing or not as it should be").into_response()),
        }
    }
}

/// Whether a form with these headers may come from a page of `origin`. A header that is there and
/// is not understood refuses.
pub(crate) fn may_come_from_here(headers: &HeaderMap, origin: &str) -> bool {
    let site = headers.get_all(FETCH_SITE).into_iter().all(|value| value == "same-origin" || value == "none");
    let from = headers.get_all(ORIGIN).into_iter().all(|value| value == origin);
    site && from
}

/// The form's token, once the body is known to be a form in UTF-8.
fn form_token(headers: &HeaderMap, body: &Bytes) -> Result<Option<String>, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Problem::unreadable("A form was expected and something else came"));
    }
    if percent_decode(body).decode_utf8().is_err() {
        return Err(Problem::unreadable("The form holds text that is not UTF-8"));
    }
    let token = url::form_urlencoded::parse(body).find(|(name, _)| name == FIELD);
    Ok(token.map(|(_, value)| value.into_owned()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn where_a_form_may_come_from() {
        const HERE: &str = "https://accounts.example.org";
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[], true),
            (&[("origin", HERE)], true),
            (&[("origin", HERE), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "Same-Origin")], false),
            (&[("sec-fetch-site", "")], false),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("origin", "https://accounts.example.org.evil.example")], false),
            (&[("origin", "http://accounts.example.org")], false),
            (&[("origin", "https://accounts.example.org:8443")], false),
            (&[("origin", "https://directory.example.org")], false),
            (&[("origin", HERE), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", HERE), ("origin", "https://evil.example")], false),
        ];
        for (sent, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in *sent {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(may_come_from_here(&headers, HERE), *expected, "{sent:?}");
        }
    }

    #[test]
    fn only_forms_in_utf_8_are_read() {
        let mut form = HeaderMap::new();
        form.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8"));
        let read = |headers: &HeaderMap, body: &'static str| form_token(headers, &Bytes::from_static(body.as_bytes()));
        assert_eq!(read(&form, "a=b&csrf=t%2B1&c=%C3%A9").unwrap().as_deref(), Some("t+1"));
        assert_eq!(read(&form, "a=b").unwrap(), None);
        assert!(read(&form, "csrf=t&a=%ff").is_err());
        let none = HeaderMap::new();
        assert!(read(&none, "csrf=t").is_err());
        let mut json = HeaderMap::new();
        json.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(read(&json, "{}").is_err());
    }
}
