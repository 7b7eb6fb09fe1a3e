//! Name and password.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use ostiary_httpkit::routes::{CONTINUE, Errand, ErrandQuery, SIGN_IN};
use ostiary_httpkit::{CsrfForm, Door, Problem, Query, see_other};
use ostiary_model::Secret;
use serde::Deserialize;

use crate::frame::{self, Frame};
use crate::notice::{Notice, Refused};
use crate::onward::{self, Party, Step};

/// The page.
#[derive(Template)]
#[template(path = "portal/sign_in.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) notice: Option<Notice>,
    pub(crate) application: Option<Party>,
    pub(crate) action: String,
    pub(crate) username: String,
    pub(crate) remember: bool,
    /// Whether the password has to be typed again.
    pub(crate) again: bool,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Form {
    username: String,
    password: String,
    remember: Option<String>,
}

/// The empty form, or the next step for somebody who is signed in already.
pub(crate) async fn show(door: Door, Query(query): Query<ErrandQuery>) -> Result<Response, Problem> {
    let errand = query.errand()?;
    match onward::next(&door, &errand).await? {
        Step::SignIn { hint } => {
            let page = page(&door, &errand, hint.unwrap_or_default()).await?;
            Ok(frame::ok(&door, &page))
        }
        step => Ok(step.go(&door, &errand).await),
    }
}

/// Signs in, and goes on to whatever comes next.
pub(crate) async fn submit(
    door: Door,
    Query(query): Query<ErrandQuery>,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let errand = query.errand()?;
    let password = Secret::new(form.password);
    let remember = form.remember.is_some();

    let error = match door.app.sign_in(&door.ctx, &form.username, &password, remember).await {
        Ok(signed_in) => {
            // The session that this one takes the place of has no holder any more.
            if let Some(before) = &door.visitor {
                door.app.sign_out(&door.ctx, &before.session).await?;
            }
            return Ok(door.signed_in(see_other(&errand.at(CONTINUE)), &signed_in));
        }
        Err(error) => error,
    };

    let refused = Refused::sign_in(&door.app, error)?;
    let mut page = page(&door, &errand, form.username).await?;
    page.again = refused.status == StatusCode::UNPROCESSABLE_ENTITY;
    page.remember = remember;
    page.notice = Some(refused.notice);
    Ok(waiting(frame::show(&door, refused.status, &page), refused.wait))
}

async fn page(door: &Door, errand: &Errand, username: String) -> Result<Page, Problem> {
    Ok(Page {
        frame: Frame::new(door),
        notice: None,
        application: onward::application(door, errand).await?,
        action: errand.at(SIGN_IN),
        username,
        remember: false,
        again: false,
    })
}

/// `response` that says when to try again.
pub(crate) fn waiting(response: Response, wait: Option<i64>) -> Response {
    match wait {
        Some(seconds) => ([(RETRY_AFTER, seconds.to_string())], response).into_response(),
        None => response,
    }
}
