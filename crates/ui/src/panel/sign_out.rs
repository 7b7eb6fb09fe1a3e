//! Signing out of the panel, and with it of everything in this browser.

use axum::response::{IntoResponse, Response};
use ostiary_httpkit::routes::SIGN_OUT;
use ostiary_httpkit::{CsrfForm, Door, Problem, see_other};
use serde::Deserialize;

use super::START;
use crate::frame::{self, Frame};
use crate::portal::SignedOut;

/// Nothing but the token.
#[derive(Deserialize)]
pub(crate) struct Form {}

/// Says that it is done. While somebody is signed in there is nothing to say.
pub(crate) async fn show(door: Door) -> Response {
    match door.visitor {
        Some(_) => see_other(START).into_response(),
        None => frame::ok(&door, &SignedOut { frame: Frame::new(&door), again: START }),
    }
}

/// Signs out, on both hosts.
pub(crate) async fn submit(door: Door, CsrfForm(Form {}): CsrfForm<Form>) -> Result<Response, Problem> {
    if let Some(visitor) = &door.visitor {
        door.app.sign_out(&door.ctx, &visitor.session).await?;
    }
    Ok(door.signed_out(see_other(SIGN_OUT)))
}
