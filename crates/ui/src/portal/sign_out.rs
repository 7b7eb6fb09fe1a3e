//! Signing out: a page that asks, a form that does it, a page that says so.

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::routes::{Errand, ErrandQuery, SIGN_IN, SIGN_OUT};
use ostiary_httpkit::{CsrfForm, Door, Problem, Query, see_other};
use serde::Deserialize;

use crate::frame::{self, Frame};

/// The page that asks.
#[derive(Template)]
#[template(path = "portal/sign_out.html")]
pub(crate) struct Ask {
    pub(crate) frame: Frame,
    pub(crate) name: String,
}

/// The page that says so.
#[derive(Template)]
#[template(path = "portal/signed_out.html")]
pub(crate) struct SignedOut {
    pub(crate) frame: Frame,
    pub(crate) again: &'static str,
}

/// Nothing but the token.
#[derive(Deserialize)]
pub(crate) struct Form {}

/// Asks, or says that it is done.
pub(crate) async fn show(door: Door) -> Response {
    let frame = Frame::new(&door);
    match &door.visitor {
        Some(visitor) => frame::ok(&door, &Ask { frame, name: visitor.user.profile.full_name() }),
        None => frame::ok(&door, &SignedOut { frame, again: SIGN_IN }),
    }
}

/// Signs out, on both hosts. On an errand it goes on with another account.
pub(crate) async fn submit(
    door: Door,
    Query(query): Query<ErrandQuery>,
    CsrfForm(Form {}): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let errand = query.errand()?;

    if let Some(visitor) = &door.visitor {
        door.app.sign_out(&door.ctx, &visitor.session).await?;
    }

    let onward = match errand {
        Errand::Account => SIGN_OUT.to_owned(),
        errand => errand.at(SIGN_IN),
    };
    Ok(door.signed_out(see_other(&onward)))
}
