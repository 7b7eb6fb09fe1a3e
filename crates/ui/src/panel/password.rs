//! A new password for a person.

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::{CsrfForm, Path, Problem, routes};
use ostiary_model::{Secret, User};
use serde::Deserialize;

use super::keeper::{Keeper, Rail, Section};
use crate::done::{Done, Note};
use crate::form::{self, About};
use crate::frame::Frame;
use crate::notice::Notice;

/// The page.
#[derive(Template)]
#[template(path = "panel/password.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) notice: Option<Notice>,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) password_hint: String,
    pub(crate) error: Option<String>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Form {
    password: String,
}

/// The empty form.
pub(crate) async fn show(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    Ok(keeper.ok(&page(&keeper, &user)))
}

/// Sets the password.
pub(crate) async fn submit(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;

    let set = keeper.app().person_set_password(&keeper.door.ctx, user.id, &Secret::new(form.password)).await;

    match set {
        Ok(()) => Ok(keeper.done(&routes::person(&user), &Note::new(Done::PasswordSet, user.profile.full_name()))),
        Err(error) => {
            let (about, words) = form::refusal(error)?;
            let mut page = page(&keeper, &user);
            page.notice = Some(form::notice(about, &words));
            page.error = (about == About::Password).then_some(words);
            Ok(keeper.again(&page))
        }
    }
}

fn page(keeper: &Keeper, user: &User) -> Page {
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People),
        notice: None,
        href: routes::person(user),
        name: user.profile.full_name(),
        username: user.profile.username.to_string(),
        password_hint: form::password_hint(keeper.app()),
        error: None,
    }
}
