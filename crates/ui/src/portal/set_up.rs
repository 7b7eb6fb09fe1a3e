//! The first administrator, made by whoever holds the one-time link.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use ostiary_app::{AdminError, NewPerson};
use ostiary_httpkit::routes::AUTHENTICATOR;
use ostiary_httpkit::{CsrfForm, Door, Path, Problem, see_other};
use ostiary_model::Secret;
use serde::Deserialize;

use crate::form::{self, About, Field};
use crate::frame::{self, Frame};
use crate::notice::Notice;

/// The page.
#[derive(Template)]
#[template(path = "portal/set_up.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) notice: Option<Notice>,
    pub(crate) form: Fields,
}

/// The form as it stands on the page. A password never comes back.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) username: Field,
    pub(crate) email: Field,
    pub(crate) given_name: Field,
    pub(crate) family_name: Field,
    pub(crate) password: Option<String>,
    pub(crate) password_hint: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Form {
    username: String,
    email: String,
    #[serde(default)]
    given_name: String,
    #[serde(default)]
    family_name: String,
    password: String,
}

/// The empty form, as long as the link is in force.
pub(crate) async fn show(door: Door, Path(token): Path) -> Result<Response, Problem> {
    if !door.app.first_administrator_valid(&door.ctx, &Secret::new(token)).await? {
        return Err(link_over());
    }
    Ok(frame::ok(&door, &page(&door, Fields::default())))
}

/// Makes the account, signs in, and goes on to the second step.
pub(crate) async fn submit(door: Door, Path(token): Path, CsrfForm(form): CsrfForm<Form>) -> Result<Response, Problem> {
    let new = NewPerson {
        username: form.username,
        email: form.email,
        given_name: form.given_name,
        family_name: form.family_name,
        ..NewPerson::default()
    };

    let made =
        door.app.first_administrator_create(&door.ctx, &Secret::new(token), &new, &Secret::new(form.password)).await;

    match made {
        Ok(signed_in) => Ok(door.signed_in(see_other(AUTHENTICATOR), &signed_in)),
        Err(AdminError::Denied) => Err(link_over()),
        Err(error) => refused(&door, &new, error),
    }
}

fn refused(door: &Door, new: &NewPerson, error: AdminError) -> Result<Response, Problem> {
    let (about, words) = form::refusal(error)?;
    let mut fields = Fields {
        username: Field::new(&new.username),
        email: Field::new(&new.email),
        given_name: Field::new(&new.given_name),
        family_name: Field::new(&new.family_name),
        ..Fields::default()
    };
    let notice = form::notice(about, &words);
    match about {
        About::Username => fields.username.error = Some(words),
        About::Email => fields.email.error = Some(words),
        About::GivenName => fields.given_name.error = Some(words),
        About::FamilyName => fields.family_name.error = Some(words),
        About::Password => fields.password = Some(words),
        About::DisplayName | About::GroupName | About::Form => {}
    }
    let mut page = page(door, fields);
    page.notice = Some(notice);
    Ok(frame::show(door, StatusCode::UNPROCESSABLE_ENTITY, &page))
}

fn page(door: &Door, mut form: Fields) -> Page {
    form.password_hint = form::password_hint(&door.app);
    Page { frame: Frame::new(door), notice: None, form }
}

fn link_over() -> Problem {
    Problem::new(StatusCode::GONE, "This link is over")
        .text("It makes the first administrator, once, within a day. There is an administrator already, or the day is over.")
        .point("If there is an administrator, ask them for an account.")
        .point("If there is none, start Ostiary again: it prints a new link.")
        .way("Sign in", ostiary_httpkit::routes::SIGN_IN)
}
