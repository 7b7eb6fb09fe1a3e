//! What stands beside a name: the person's picture, or their initials where there is none.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use ostiary_httpkit::{Door, INERT_POLICY, Path, Problem, not_modified, routes};
use ostiary_model::{User, UserId};

use crate::words;

/// A picture or initials. Whoever reads the page hears neither: the name stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Face {
    /// The address of the picture.
    pub(crate) picture: Option<String>,
    /// One or two letters.
    pub(crate) initials: String,
}

impl Face {
    /// Of a person.
    pub(crate) fn of(user: &User) -> Self {
        Self { picture: routes::avatar(user), initials: words::initials(&user.profile.full_name()) }
    }
}

/// The picture of a person, for themselves and for those who read the directory. For everybody
/// else, and where there is none, there is nothing here, and both look the same.
///
/// A browser may keep it and has to ask each time whether it may still show it.
pub(crate) async fn serve(door: Door, Path(id): Path, headers: HeaderMap) -> Result<Response, Problem> {
    let whose = id.parse::<UserId>().map_err(|_| Problem::not_found())?;
    if !door.visitor.as_ref().is_some_and(|visitor| visitor.sees_picture(whose)) {
        return Err(Problem::not_found());
    }
    let user = door.app.directory().user(whose).filter(|user| user.has_avatar).ok_or_else(Problem::not_found)?;

    let tag = format!("\"{}\"", routes::avatar_version(&user));
    let mut response = if not_modified(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let avatar = door.app.avatar(whose).await?.ok_or_else(Problem::not_found)?;
        let head = [(CONTENT_TYPE, "image/jpeg"), (CONTENT_DISPOSITION, "inline; filename=\"picture.jpg\"")];
        (head, avatar.jpeg).into_response()
    };

    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(INERT_POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (ETAG, tag)));
    Ok(response)
}
