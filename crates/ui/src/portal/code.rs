//! The second step: a code of the authenticator app.

use askama::Template;
use axum::response::Response;
use ostiary_app::{CodeError, Visitor};
use ostiary_httpkit::routes::{AUTHENTICATOR, CODE, CONTINUE, Errand, ErrandQuery, SIGN_IN, SIGN_OUT};
use ostiary_httpkit::{CsrfForm, Door, Problem, Query, see_other};
use ostiary_model::Secret;
use serde::Deserialize;

use super::sign_in::waiting;
use crate::frame::{self, Frame};
use crate::notice::{Notice, Refused};
use crate::onward::{self, Party, Step};

/// The page.
#[derive(Template)]
#[template(path = "portal/code.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) notice: Option<Notice>,
    pub(crate) application: Option<Party>,
    pub(crate) action: String,
    pub(crate) sign_out: String,
    pub(crate) username: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Form {
    code: String,
}

/// The empty form.
pub(crate) async fn show(door: Door, Query(query): Query<ErrandQuery>) -> Result<Response, Problem> {
    let errand = query.errand()?;
    match (onward::next(&door, &errand).await?, &door.visitor) {
        (Step::Code, Some(visitor)) => Ok(frame::ok(&door, &page(&door, &errand, visitor).await?)),
        (step, _) => Ok(step.go(&door, &errand).await),
    }
}

/// Checks the code, and goes on to whatever comes next.
pub(crate) async fn submit(
    door: Door,
    Query(query): Query<ErrandQuery>,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let errand = query.errand()?;
    let Some(visitor) = &door.visitor else { return Ok(see_other(&errand.at(SIGN_IN))) };

    let error = match door.app.code_check(&door.ctx, visitor, &Secret::new(form.code)).await {
        Ok(signed_in) => return Ok(door.signed_in(see_other(&errand.at(CONTINUE)), &signed_in)),
        Err(error) => error,
    };

    if let Some(refused) = Refused::code(&door.app, &error) {
        let mut page = page(&door, &errand, visitor).await?;
        page.notice = Some(refused.notice);
        return Ok(waiting(frame::show(&door, refused.status, &page), refused.wait));
    }
    match error {
        CodeError::NotSetUp => Ok(see_other(&errand.at(AUTHENTICATOR))),
        CodeError::Trouble(trouble) => Err(trouble.into()),
        _ => Ok(see_other(&errand.at(SIGN_IN))),
    }
}

async fn page(door: &Door, errand: &Errand, visitor: &Visitor) -> Result<Page, Problem> {
    Ok(Page {
        frame: Frame::new(door),
        notice: None,
        application: onward::application(door, errand).await?,
        action: errand.at(CODE),
        sign_out: errand.at(SIGN_OUT),
        username: visitor.user.profile.username.to_string(),
    })
}
