//! Whether an application may know.

use askama::Template;
use axum::response::Response;
use ostiary_app::{ConsentView, GrantError, Visitor};
use ostiary_httpkit::routes::{CONSENT, CONTINUE, Errand, ErrandQuery, SIGN_IN, SIGN_OUT};
use ostiary_httpkit::{CsrfForm, Door, Problem, Query, see_other};
use ostiary_model::{Scope, Span};
use serde::Deserialize;

use crate::frame::{self, Frame};
use crate::onward::{self, Party, Step};
use crate::words;

/// The page.
#[derive(Template)]
#[template(path = "portal/consent.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) application: Party,
    pub(crate) sees: Vec<Sees>,
    pub(crate) remembered: String,
    pub(crate) action: String,
    pub(crate) sign_out: String,
    pub(crate) name: String,
}

/// One thing that the application will see, with its values.
pub(crate) struct Sees {
    pub(crate) what: &'static str,
    pub(crate) values: Vec<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Form {
    answer: Answer,
}

/// The two buttons.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Allow,
    Deny,
}

/// What will be seen, and the question.
pub(crate) async fn show(door: Door, Query(query): Query<ErrandQuery>) -> Result<Response, Problem> {
    let errand = query.errand()?;
    match (onward::next(&door, &errand).await?, &door.visitor) {
        (Step::Consent(view), Some(visitor)) => Ok(frame::ok(&door, &page(&door, &errand, visitor, *view))),
        (step, _) => Ok(step.go(&door, &errand).await),
    }
}

/// Takes the answer, and goes on to whatever comes next.
pub(crate) async fn submit(
    door: Door,
    Query(query): Query<ErrandQuery>,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let errand = query.errand()?;
    let Errand::Grant(grant) = errand else { return Ok(see_other(&errand.at(CONTINUE))) };
    let Some(visitor) = &door.visitor else { return Ok(see_other(&errand.at(SIGN_IN))) };

    let answered = door.app.consent_answer(&door.ctx, visitor, grant, form.answer == Answer::Allow).await;

    match answered {
        Ok(()) => Ok(see_other(&errand.at(CONTINUE))),
        Err(GrantError::Gone) => Err(onward::grant_gone()),
        Err(GrantError::Trouble(trouble)) => Err(trouble.into()),
    }
}

fn page(door: &Door, errand: &Errand, visitor: &Visitor, view: ConsentView) -> Page {
    let sees = view.scopes.iter().filter_map(|scope| sees(door, visitor, scope));
    Page {
        frame: Frame::new(door),
        application: view.application.into(),
        sees: sees.collect(),
        remembered: remembered(view.remember),
        action: errand.at(CONSENT),
        sign_out: errand.at(SIGN_OUT),
        name: visitor.user.profile.full_name(),
    }
}

fn sees(door: &Door, visitor: &Visitor, scope: Scope) -> Option<Sees> {
    let profile = &visitor.user.profile;
    let none_if_empty = |values: Vec<String>| if values.is_empty() { vec!["None".to_owned()] } else { values };
    let (what, values) = match scope {
        // Who it is stands at the end of the page; the rest of it tells nothing more.
        Scope::OpenId => return None,
        Scope::Profile => ("Your name", vec![profile.full_name(), profile.username.to_string()]),
        Scope::Email => ("Your e-mail address", vec![profile.email.to_string()]),
        Scope::Groups => {
            let groups = door.app.directory().groups_of(visitor.user.id);
            ("Your groups", none_if_empty(groups.iter().map(|group| group.name.to_string()).collect()))
        }
        Scope::OfflineAccess => (
            "That you are still allowed in",
            vec!["Also while you are away, until it ends your session there".to_owned()],
        ),
    };
    Some(Sees { what, values })
}

fn remembered(remember: Option<Span>) -> String {
    match remember {
        Some(length) => format!("We remember your answer for {}.", words::span(length)),
        None => "We ask again at every sign-in.".to_owned(),
    }
}
