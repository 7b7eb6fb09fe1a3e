//! A new person, and what is to be different about one who is there.

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use ostiary_app::{AdminError, NewPerson, PersonChange};
use ostiary_httpkit::{CsrfForm, Path, Problem, routes};
use ostiary_model::{Secret, User};

use super::keeper::{Keeper, Rail, Section};
use super::person_fields::{Fields, read};
use super::typed::Typed;
use super::values;
use crate::done::{Done, Note};
use crate::form;
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
    pub(crate) is_new: bool,
    pub(crate) form: Fields,
}

/// The way back up.
pub(crate) struct Up {
    pub(crate) href: String,
    pub(crate) label: String,
}

/// What comes in.
type Sent = CsrfForm<Vec<(String, String)>>;

/// The empty form.
pub(crate) async fn show_new(keeper: Keeper) -> Response {
    let kept = values::of_user(keeper.app().directory(), None);
    keeper.ok(&new_page(&keeper, Fields::empty(&keeper, &kept)))
}

/// Adds the person.
pub(crate) async fn submit_new(keeper: Keeper, CsrfForm(sent): Sent) -> Result<Response, Problem> {
    let typed = Typed::new(sent);
    let kept = values::of_user(keeper.app().directory(), None);
    let mut fields = Fields::typed(&keeper, &typed, &kept)?;
    let password =
        Some(typed.text("password")).filter(|text| !text.is_empty()).map(|text| Secret::new(text.to_owned()));

    let refused = match read(&typed, &kept, None, &mut fields) {
        Err(notice) => notice,
        Ok(change) => {
            let new = NewPerson { change, ..NewPerson::default() };
            match keeper.app().person_add(&keeper.door.ctx, &new, password.as_ref()).await {
                Ok(user) => {
                    let note = Note::new(Done::PersonAdded, user.profile.full_name());
                    return Ok(keeper.done(&routes::person(&user), &note));
                }
                Err(error) => refused(&keeper, &mut fields, None, error)?,
            }
        }
    };

    let mut page = new_page(&keeper, fields);
    page.notice = Some(refused);
    Ok(keeper.again(&page))
}

/// The form with what is known.
pub(crate) async fn show_edit(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let kept = values::of_user(keeper.app().directory(), Some(user.id));
    let fields = Fields::of_user(&keeper, &user, &kept);
    Ok(keeper.ok(&edit_page(&keeper, &user, fields)))
}

/// Saves it.
pub(crate) async fn submit_edit(keeper: Keeper, Path(name): Path, CsrfForm(sent): Sent) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let typed = Typed::new(sent);
    let kept = values::of_user(keeper.app().directory(), Some(user.id));
    let mut fields = Fields::typed(&keeper, &typed, &kept)?;

    let refused = match read(&typed, &kept, Some(&user), &mut fields) {
        Err(notice) => notice,
        Ok(change) => match save(&keeper, &user, &change).await {
            Ok(user) => {
                let note = Note::new(Done::PersonSaved, user.profile.full_name());
                return Ok(keeper.done(&routes::person(&user), &note));
            }
            Err(error) => refused(&keeper, &mut fields, Some(&user), error)?,
        },
    };

    let mut page = edit_page(&keeper, &user, fields);
    page.notice = Some(refused);
    Ok(keeper.again(&page))
}

async fn save(keeper: &Keeper, user: &User, change: &PersonChange) -> Result<Arc<User>, AdminError> {
    keeper.app().person_change(&keeper.door.ctx, user.id, change).await?;
    keeper.app().directory().user(user.id).ok_or(AdminError::NoSuchPerson)
}

/// What the page says of a refusal, with words at the field that it is about.
fn refused(keeper: &Keeper, fields: &mut Fields, user: Option<&User>, error: AdminError) -> Result<Notice, Problem> {
    if let Some((attribute, words)) = values::refusal(&error)
        && let Some(label) = fields.place(attribute, &words)
    {
        return Ok(Notice::bad("One field needs another look").line(format!("{label}: {words}")));
    }
    if let AdminError::Conflict(ostiary_app::Conflict::PosixNumber) = error {
        return Ok(fields.number_taken(user, &form::sentence(&error.to_string())));
    }
    if matches!(error, AdminError::Guard(_)) && fields.ends_first() {
        let words = form::sentence(&error.to_string());
        fields.not_after.error = Some(words.clone());
        fields.is_open = true;
        return Ok(Notice::bad("One field needs another look").line(words));
    }
    let is_of_further = fields.is_of_further(keeper, user);
    let (about, words) = form::refusal(error)?;
    fields.refuse(about, &words, is_of_further);
    Ok(form::notice(about, &words))
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
        is_new: true,
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
        heading: format!("Edit {name}"),
        up: Up { href: routes::person(user), label: name },
        verb: "Save",
        is_new: false,
        form,
    }
}
