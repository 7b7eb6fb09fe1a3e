//! A new person, and the profile of one who is there.

use askama::Template;
use axum::response::Response;
use ostiary_app::{AdminError, NewPerson, PersonEdit};
use ostiary_httpkit::{CsrfForm, Path, Problem, routes};
use ostiary_model::{Secret, User};
use serde::Deserialize;

use super::keeper::{Keeper, Rail, Section};
use crate::done::{Done, Note};
use crate::form::{self, About, Field};
use crate::frame::Frame;
use crate::notice::Notice;

/// The page.
#[derive(Template)]
#[template(path = "panel/person_form.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) notice: Option<Notice>,
    pub(crate) up: Up,
    pub(crate) heading: String,
    pub(crate) verb: &'static str,
    pub(crate) form: Fields,
}

/// The way back up.
pub(crate) struct Up {
    pub(crate) href: String,
    pub(crate) label: String,
}

/// The form as it stands on the page.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) username: Field,
    pub(crate) username_hint: &'static str,
    pub(crate) email: Field,
    pub(crate) given_name: Field,
    pub(crate) family_name: Field,
    pub(crate) display_name: Field,
    pub(crate) with_password: bool,
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
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    password: String,
}

/// The empty form.
pub(crate) async fn show_new(keeper: Keeper) -> Response {
    keeper.ok(&new_page(&keeper, Fields::default()))
}

/// Adds the person.
pub(crate) async fn submit_new(keeper: Keeper, CsrfForm(form): CsrfForm<Form>) -> Result<Response, Problem> {
    let password = (!form.password.is_empty()).then(|| Secret::new(form.password.clone()));
    let new = NewPerson {
        username: form.username.clone(),
        email: form.email.clone(),
        display_name: form.display_name.clone(),
        given_name: form.given_name.clone(),
        family_name: form.family_name.clone(),
        ..NewPerson::default()
    };

    match keeper.app().person_add(&keeper.door.ctx, &new, password.as_ref()).await {
        Ok(user) => Ok(keeper.done(&routes::person(&user), &Note::new(Done::PersonAdded, user.profile.full_name()))),
        Err(error) => {
            let (fields, notice) = refused(&form, error)?;
            let mut page = new_page(&keeper, fields);
            page.notice = Some(notice);
            Ok(keeper.again(&page))
        }
    }
}

/// The form with what is known.
pub(crate) async fn show_edit(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let profile = &user.profile;
    let fields = Fields {
        username: Field::new(profile.username.as_str()),
        email: Field::new(profile.email.as_str()),
        given_name: Field::new(&profile.given_name),
        family_name: Field::new(&profile.family_name),
        display_name: Field::new(&profile.display_name),
        ..Fields::default()
    };
    Ok(keeper.ok(&edit_page(&keeper, &user, fields)))
}

/// Saves the profile.
pub(crate) async fn submit_edit(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let edit = PersonEdit {
        username: form.username.clone(),
        email: form.email.clone(),
        display_name: form.display_name.clone(),
        given_name: form.given_name.clone(),
        family_name: form.family_name.clone(),
    };

    match keeper.app().person_edit(&keeper.door.ctx, user.id, &edit).await {
        Ok(()) => {
            let user = keeper.person(&user.id.to_string())?;
            Ok(keeper.done(&routes::person(&user), &Note::new(Done::PersonSaved, user.profile.full_name())))
        }
        Err(error) => {
            let (fields, notice) = refused(&form, error)?;
            let mut page = edit_page(&keeper, &user, fields);
            page.notice = Some(notice);
            Ok(keeper.again(&page))
        }
    }
}

fn new_page(keeper: &Keeper, mut form: Fields) -> Page {
    form.username_hint = "What the person signs in with, such as ada.okafor.";
    form.with_password = true;
    form.password_hint =
        format!("It may stay empty: nobody can sign in until one is set. {}", form::password_hint(keeper.app()));
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People),
        notice: None,
        up: Up { href: routes::PEOPLE.to_owned(), label: "People".to_owned() },
        heading: "Add a person".to_owned(),
        verb: "Add",
        form,
    }
}

fn edit_page(keeper: &Keeper, user: &User, mut form: Fields) -> Page {
    let name = user.profile.full_name();
    form.username_hint =
        "A new one is also a new LDAP entry name. Applications that know people by it take it for somebody else.";
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People),
        notice: None,
        heading: format!("Edit the profile of {name}"),
        up: Up { href: routes::person(user), label: name },
        verb: "Save",
        form,
    }
}

fn refused(form: &Form, error: AdminError) -> Result<(Fields, Notice), Problem> {
    let (about, words) = form::refusal(error)?;
    let mut fields = Fields {
        username: Field::new(&form.username),
        email: Field::new(&form.email),
        given_name: Field::new(&form.given_name),
        family_name: Field::new(&form.family_name),
        display_name: Field::new(&form.display_name),
        ..Fields::default()
    };
    let notice = form::notice(about, &words);
    match about {
        About::Username => fields.username.error = Some(words),
        About::Email => fields.email.error = Some(words),
        About::DisplayName => fields.display_name.error = Some(words),
        About::GivenName => fields.given_name.error = Some(words),
        About::FamilyName => fields.family_name.error = Some(words),
        About::Password => fields.password = Some(words),
        About::GroupName | About::Form => {}
    }
    Ok((fields, notice))
}
