//! A form of one of our pages that brings a picture.
//!
//! The same two walls as before every form, see [`crate::csrf`]; and nothing is read for somebody
//! who is not signed in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use ostiary_app::{App, MAX_PICTURE_BYTES};

use crate::csrf::{FIELD, may_come_from_here};
use crate::door::Door;
use crate::multipart::{boundary, parts};
use crate::problem::Problem;

/// Bytes of a form beside the picture in it.
const MAX_BESIDE: usize = 8 * 1024;
/// The field that carries the picture.
const PICTURE: &[u8] = b"picture";

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
        if door.visitor.is_none() {
            return Err(signed_out().into_response());
        }
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
