//! Setting up an authenticator app: QR code, secret as text, a code that proves it.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ostiary_app::{CodeError, Enrolment};
use ostiary_httpkit::routes::{AUTHENTICATOR, CONTINUE, Errand, ErrandQuery, SIGN_IN};
use ostiary_httpkit::{CsrfForm, Door, Problem, Query, see_other};
use ostiary_model::Secret;
use serde::Deserialize;

use super::sign_in::waiting;
use crate::frame::{self, Frame};
use crate::notice::{Notice, Refused};
use crate::onward::{self, Step};
use crate::qr;

/// Figures of the secret that stand together.
const GROUP: usize = 4;

/// The page.
#[derive(Template)]
#[template(path = "portal/authenticator.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) notice: Option<Notice>,
    /// Why it has to be now; `None` when the person came on their own.
    pub(crate) reason: Option<String>,
    pub(crate) action: String,
    pub(crate) ticket: String,
    pub(crate) qr: String,
    pub(crate) url: String,
    pub(crate) secret: Vec<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Form {
    ticket: String,
    code: String,
}

/// A new secret, for somebody who has none yet.
pub(crate) async fn show(door: Door, Query(query): Query<ErrandQuery>) -> Result<Response, Problem> {
    let errand = query.errand()?;
    let Some(visitor) = &door.visitor else { return Ok(see_other(&errand.at(SIGN_IN))) };
    match onward::next(&door, &errand).await? {
        // From one's own account it is a wish, on an errand a duty.
        Step::SetUp | Step::Account => {}
        step => return Ok(step.go(&door, &errand).await),
    }

    match door.app.totp_begin(&door.ctx, visitor).await {
        Ok(enrolment) => Ok(frame::ok(&door, &page(&door, &errand, &enrolment).await?)),
        Err(CodeError::SignInAgain) => {
            door.app.sign_out(&door.ctx, &visitor.session).await?;
            Ok(door.signed_out(see_other(&errand.at(SIGN_IN))))
        }
        Err(error) => elsewhere(&errand, error),
    }
}

/// Checks that the app shows the right codes, and goes on to whatever comes next.
pub(crate) async fn submit(
    door: Door,
    Query(query): Query<ErrandQuery>,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let errand = query.errand()?;
    let Some(visitor) = &door.visitor else { return Ok(see_other(&errand.at(SIGN_IN))) };
    let ticket = Secret::new(form.ticket);

    let error = match door.app.totp_confirm(&door.ctx, visitor, &ticket, &Secret::new(form.code)).await {
        Ok(signed_in) => return Ok(door.signed_in(see_other(&errand.at(CONTINUE)), &signed_in)),
        Err(error) => error,
    };

    let Some(refused) = Refused::code(&door.app, &error) else { return elsewhere(&errand, error) };
    let Some(enrolment) = door.app.totp_resume(&door.ctx, visitor, &ticket).await? else {
        return elsewhere(&errand, CodeError::Expired);
    };
    let mut page = page(&door, &errand, &enrolment).await?;
    page.notice = Some(refused.notice);
    Ok(waiting(frame::show(&door, refused.status, &page), refused.wait))
}

fn elsewhere(errand: &Errand, error: CodeError) -> Result<Response, Problem> {
    match error {
        CodeError::Trouble(trouble) => Err(trouble.into()),
        CodeError::Expired => Ok(Problem::new(StatusCode::GONE, "Setting up took too long")
            .text("The secret on the page has ended, and nothing was set up.")
            .point("Remove the entry from your app if it is there already.")
            .way("Start again", errand.at(AUTHENTICATOR))
            .into_response()),
        _ => Ok(see_other(&errand.at(CONTINUE))),
    }
}

async fn page(door: &Door, errand: &Errand, enrolment: &Enrolment) -> Result<Page, Problem> {
    let reason = match errand {
        Errand::Account => None,
        Errand::Panel { .. } => Some("Administrators and managers sign in with two steps.".to_owned()),
        Errand::Grant(_) => onward::application(door, errand)
            .await?
            .map(|application| format!("{} asks for a second step.", application.name)),
    };
    let secret: Vec<char> = enrolment.secret.expose().chars().collect();
    Ok(Page {
        frame: Frame::new(door),
        notice: None,
        reason,
        action: errand.at(AUTHENTICATOR),
        ticket: enrolment.ticket.expose().to_owned(),
        qr: qr::picture(enrolment.url.expose()).ok_or_else(Problem::broken)?,
        url: enrolment.url.expose().to_owned(),
        secret: secret.chunks(GROUP).map(|group| group.iter().collect()).collect(),
    })
}
