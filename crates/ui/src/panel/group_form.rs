//! A new group, and a new name for one that is there.

use askama::Template;
use axum::response::Response;
use ostiary_app::AdminError;
use ostiary_httpkit::{CsrfForm, Path, Problem, routes};
use ostiary_model::Group;
use serde::Deserialize;

use super::keeper::{Keeper, Rail, Section};
use super::person_form::Up;
use crate::done::{Done, Note};
use crate::form::{self, About, Field};
use crate::frame::Frame;
use crate::notice::Notice;

/// The page.
#[derive(Template)]
#[template(path = "panel/group_form.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) notice: Option<Notice>,
    pub(crate) up: Up,
    pub(crate) heading: String,
    pub(crate) hint: &'static str,
    pub(crate) field: Field,
    pub(crate) verb: &'static str,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Form {
    name: String,
}

/// The empty form.
pub(crate) async fn show_new(keeper: Keeper) -> Response {
    keeper.ok(&new_page(&keeper, Field::default()))
}

/// Adds the group.
pub(crate) async fn submit_new(keeper: Keeper, CsrfForm(form): CsrfForm<Form>) -> Result<Response, Problem> {
    match keeper.app().group_add(&keeper.door.ctx, &form.name).await {
        Ok(group) => Ok(keeper.done(&routes::group(&group), &Note::new(Done::GroupAdded, group.name.as_str()))),
        Err(error) => refused(&keeper, new_page(&keeper, Field::new(form.name)), error),
    }
}

/// The form with the name.
pub(crate) async fn show_edit(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    Ok(keeper.ok(&edit_page(&keeper, &group, Field::new(group.name.as_str()))))
}

/// Renames the group.
pub(crate) async fn submit_edit(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    match keeper.app().group_rename(&keeper.door.ctx, group.id, &form.name).await {
        Ok(()) => {
            let group = keeper.group(&group.id.to_string())?;
            Ok(keeper.done(&routes::group(&group), &Note::new(Done::GroupSaved, group.name.as_str())))
        }
        Err(error) => refused(&keeper, edit_page(&keeper, &group, Field::new(form.name)), error),
    }
}

fn new_page(keeper: &Keeper, field: Field) -> Page {
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        notice: None,
        up: Up { href: routes::GROUPS.to_owned(), label: "Groups".to_owned() },
        heading: "Add a group".to_owned(),
        hint: "Applications see this name, such as Editors.",
        field,
        verb: "Add",
    }
}

fn edit_page(keeper: &Keeper, group: &Group, field: Field) -> Page {
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        notice: None,
        up: Up { href: routes::group(group), label: group.name.to_string() },
        heading: format!("Rename {}", group.name),
        hint: "Applications see the new name at the next sign-in. Roles that hang from the old one stop working.",
        field,
        verb: "Rename",
    }
}

fn refused(keeper: &Keeper, mut page: Page, error: AdminError) -> Result<Response, Problem> {
    let (about, words) = form::refusal(error)?;
    page.notice = Some(form::notice(about, &words));
    page.field.error = (about == About::GroupName).then_some(words);
    Ok(keeper.again(&page))
}
