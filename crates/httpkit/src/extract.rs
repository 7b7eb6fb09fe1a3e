//! axum's `Query` and `Path`, with a [`Problem`] for what cannot be read.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The part of the address after `?`, read into `T`. What does not fit is a [`Problem`].
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let unreadable = || Problem::unreadable("A part of the address after the question mark is not as it should be");
        if percent_decode_str(parts.uri.query().unwrap_or_default()).decode_utf8().is_err() {
            return Err(unreadable());
        }
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(unreadable()),
        }
    }
}

/// The one `{…}` of a route, decoded. What is no UTF-8 leads to no page.
pub struct Path(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        match params.iter().next() {
            Some((_, value)) => Ok(Self(value.to_owned())),
            None => Err(Problem::not_found()),
        }
    }
}
