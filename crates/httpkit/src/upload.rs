//! A form of one of our pages that brings a picture.
//!
//! The same two walls as before every form, see [`crate::csrf`]; and nothing is read for somebody
//! who is not signed in, or who sends several at once: each is held in memory until it is whole.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use ostiary_app::{App, MAX_PICTURE_BYTES};
use ostiary_model::UserId;

use crate::csrf::{FIELD, may_come_from_here};
use crate::door::Door;
use crate::multipart::{boundary, parts};
use crate::problem::Problem;

/// Bytes of a form beside the picture in it.
const MAX_BESIDE: usize = 8 * 1024;
/// The field that carries the picture.
const PICTURE: &[u8] = b"picture";

/// Forms that one account sends at once.
const AT_ONCE: usize = 2;

/// How many forms each account sends at this moment.
static SENDING: LazyLock<Mutex<HashMap<UserId, usize>>> = LazyLock::new(Mutex::default);

/// The right to send a form.
struct Sending(UserId);

impl Sending {
    /// `None` when the account sends as many as it may.
    fn begin(user: UserId) -> Option<Self> {
        let mut sending = Self::all();
        let own = sending.entry(user).or_default();
        (*own < AT_ONCE).then(|| {
            *own += 1;
            Self(user)
        })
    }

    fn all() -> MutexGuard<'static, HashMap<UserId, usize>> {
        SENDING.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut sending = Self::all();
        match sending.get_mut(&self.0) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(sending.remove(&self.0)),
        }
    }
}

/// What a form with the fields `csrf` and `picture` brought, in this order.
pub enum CsrfPicture {
    /// No file was chosen.
    Nothing,
    /// The bytes of a file, whatever they are.
    File(Vec<u8>),
    /// A file larger than any picture may be.
    TooLarge,
}

impl<S> FromRequest<S> for CsrfPicture
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let door = Door::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        if !may_come_from_here(&parts.headers, &door.arrival.origin) {
            return Err(Problem::form_from_elsewhere().into_response());
        }
        let Some(visitor) = &door.visitor else { return Err(signed_out().into_response()) };
        let _sending = Sending::begin(visitor.user.id).ok_or_else(|| too_many().into_response())?;
        read(&door, &parts.headers, body).await.map_err(IntoResponse::into_response)
    }
}

async fn read(door: &Door, headers: &HeaderMap, body: Body) -> Result<CsrfPicture, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = boundary(kind).ok_or_else(unreadable)?;
    let (body, is_cut) = beginning(body).await?;
    let mut parts = parts(&body, boundary).ok_or_else(unreadable)?.into_iter();
    let token = parts.next().filter(|part| part.name == FIELD.as_bytes() && part.is_whole);
    let token = token.and_then(|part| str::from_utf8(part.content).ok());
    if !token.is_some_and(|token| door.csrf_holds(token)) {
        return Err(Problem::form_too_old());
    }
    match parts.next().filter(|part| part.name == PICTURE) {
        Some(part) if !part.is_whole && !is_cut => Err(unreadable()),
        Some(part) if !part.is_whole || part.content.len() > MAX_PICTURE_BYTES => Ok(CsrfPicture::TooLarge),
        Some(part) if !part.content.is_empty() => Ok(CsrfPicture::File(part.content.to_vec())),
        _ => Ok(CsrfPicture::Nothing),
    }
}

/// As much of a body as a picture may take, and whether there was more. The rest is read and
/// forgotten, as far as the listener lets it in: a browser takes no answer before it has sent all.
async fn beginning(mut body: Body) -> Result<(Vec<u8>, bool), Problem> {
    let (mut kept, mut is_cut) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        match frame.map(|frame| frame.into_data().unwrap_or_default()) {
            Ok(data) => {
                let room = (MAX_PICTURE_BYTES + MAX_BESIDE).saturating_sub(kept.len());
                is_cut |= data.len() > room;
                kept.extend_from_slice(data.get(..room).unwrap_or(&data));
            }
            Err(_) if is_cut => break,
            Err(_) => return Err(unreadable()),
        }
    }
    Ok((kept, is_cut))
}

fn unreadable() -> Problem {
    Problem::unreadable("A form with a file was expected, and something else or only a part of it came")
}

fn signed_out() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "You are signed out")
        .text("Your session ended before the form was sent. Nothing was changed.")
        .point("Sign in, then send the form once more.")
        .way("Sign in", "/")
}

fn too_many() -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "Another picture is on its way")
        .text("Nothing was changed: your account is sending other pictures at this moment.")
        .point("Wait until they have arrived, then send this one once more.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_sends_only_so_many_at_once() {
        let [ada, bob] = [1, 2].map(|number| format!("{number:032x}").parse().unwrap());
        let first: Vec<_> = (0..AT_ONCE).map(|_| Sending::begin(ada).unwrap()).collect();
        assert!(Sending::begin(ada).is_none());
        assert!(Sending::begin(bob).is_some(), "others are not kept waiting");
        drop(first);
        assert!(Sending::begin(ada).is_some());
        assert!(Sending::all().is_empty(), "who has sent everything is forgotten");
    }
}
