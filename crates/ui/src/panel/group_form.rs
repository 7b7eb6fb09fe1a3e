//! A new group, and what is to be different about one that is there.

use askama::Template;
use axum::response::Response;
use ostiary_app::{AdminError, Conflict, GroupChange, NewGroup};
use ostiary_httpkit::{CsrfForm, Path, Problem, routes};
use ostiary_model::Group;

use super::keeper::{Keeper, Rail, Section};
use super::person_fields::number_typed;
use super::person_form::Up;
use super::typed::Typed;
use super::values::{self, Kept, ValueField};
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
    /// Whether the name stays, because rights hang from it.
    pub(crate) is_fixed: bool,
    pub(crate) form: Fields,
    pub(crate) verb: &'static str,
}

/// The form as it stands on the page.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) name: Field,
    pub(crate) gid_number: Field,
    pub(crate) values: Vec<ValueField>,
}

/// What comes in.
type Sent = CsrfForm<Vec<(String, String)>>;

/// The empty form.
pub(crate) async fn show_new(keeper: Keeper) -> Response {
    let kept = values::of_group(keeper.app().directory(), None);
    let form = Fields { values: values::fields(&kept, None), ..Fields::default() };
    keeper.ok(&new_page(&keeper, form))
}

/// Adds the group.
pub(crate) async fn submit_new(keeper: Keeper, CsrfForm(sent): Sent) -> Result<Response, Problem> {
    let typed = Typed::new(sent);
    let kept = values::of_group(keeper.app().directory(), None);
    let mut form = Fields::typed(&typed, &kept);
    let name = typed.needed("name")?.to_owned();

    let notice = match read(&typed, &kept, &mut form) {
        Err(notice) => notice,
        Ok(change) => {
            let new = NewGroup { name, change: GroupChange { name: None, ..change } };
            match keeper.app().group_add_with(&keeper.door.ctx, &new).await {
                Ok(group) => {
                    let note = Note::new(Done::GroupAdded, group.name.as_str());
                    return Ok(keeper.done(&routes::group(&group), &note));
                }
                Err(error) => form.refuse(error)?,
            }
        }
    };

    let mut page = new_page(&keeper, form);
    page.notice = Some(notice);
    Ok(keeper.again(&page))
}

/// The form with what is known.
pub(crate) async fn show_edit(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    let kept = values::of_group(keeper.app().directory(), Some(group.id));
    let form = Fields {
        name: Field::new(group.name.as_str()),
        gid_number: Field::new(group.gid_number.map(|number| number.to_string()).unwrap_or_default()),
        values: values::fields(&kept, None),
    };
    Ok(keeper.ok(&edit_page(&keeper, &group, form)))
}

/// Saves it.
pub(crate) async fn submit_edit(keeper: Keeper, Path(name): Path, CsrfForm(sent): Sent) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    let typed = Typed::new(sent);
    let kept = values::of_group(keeper.app().directory(), Some(group.id));
    let mut form = Fields::typed(&typed, &kept);

    let notice = match read(&typed, &kept, &mut form) {
        Err(notice) => notice,
        Ok(change) => match keeper.app().group_change(&keeper.door.ctx, group.id, &change).await {
            Ok(()) => {
                let group = keeper.group(&group.id.to_string())?;
                return Ok(keeper.done(&routes::group(&group), &Note::new(Done::GroupSaved, group.name.as_str())));
            }
            Err(error) => form.refuse(error)?,
        },
    };

    let mut page = edit_page(&keeper, &group, form);
    page.notice = Some(notice);
    Ok(keeper.again(&page))
}

impl Fields {
    fn typed(typed: &Typed, kept: &[Kept]) -> Self {
        Self {
            name: Field::new(typed.text("name")),
            gid_number: Field::new(typed.text("gid_number")),
            values: values::fields(kept, Some(typed)),
        }
    }

    /// Says at the field that a refusal is about what is wrong, and at the top of the page.
    fn refuse(&mut self, error: AdminError) -> Result<Notice, Problem> {
        if let Some((attribute, words)) = values::refusal(&error) {
            if attribute == "gidNumber" {
                self.gid_number.error = Some(words.clone());
            }
            if let Some(label) = values::place(&mut self.values, attribute, &words) {
                return Ok(Notice::bad("One field needs another look").line(format!("{label}: {words}")));
            }
        }
        let is_of_number = matches!(error, AdminError::Conflict(Conflict::PosixNumber));
        let (about, words) = form::refusal(error)?;
        if is_of_number {
            self.gid_number.error = Some(words.clone());
        }
        if about == About::GroupName {
            self.name.error = Some(words.clone());
        }
        Ok(match self.gid_number.error {
            Some(_) => Notice::bad("One field needs another look").line(words),
            None => form::notice(about, &words),
        })
    }
}

fn read(typed: &Typed, kept: &[Kept], form: &mut Fields) -> Result<GroupChange, Notice> {
    let gid_number = number_typed(typed.get("gid_number"), &mut form.gid_number).flatten();
    if let Some(words) = &form.gid_number.error {
        return Err(Notice::bad("One field needs another look").line(words.clone()));
    }
    Ok(GroupChange {
        name: typed.get("name").map(str::to_owned),
        gid_number,
        values: values::changes(kept, typed),
        ..GroupChange::default()
    })
}

fn new_page(keeper: &Keeper, form: Fields) -> Page {
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        notice: None,
        up: Up { href: routes::GROUPS.to_owned(), label: "Groups".to_owned() },
        heading: "Add a group".to_owned(),
        hint: "Applications see this name, such as Editors.",
        is_fixed: false,
        form,
        verb: "Add",
    }
}

fn edit_page(keeper: &Keeper, group: &Group, form: Fields) -> Page {
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        notice: None,
        up: Up { href: routes::group(group), label: group.name.to_string() },
        heading: format!("Edit {}", group.name),
        hint: "Applications see a new name at the next sign-in. Roles that hang from the old one stop working.",
        is_fixed: group.is_built_in(),
        form,
        verb: "Save",
    }
}
