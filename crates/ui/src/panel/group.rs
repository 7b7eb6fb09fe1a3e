//! One group and its members; deleting it.

use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::routes::{self, GROUPS};
use ostiary_httpkit::{CsrfForm, Path, Problem, Query};
use ostiary_model::{Folded, Group, User};
use serde::Deserialize;

use super::ask::{self, Ask, Typed};
use super::keeper::{Keeper, Rail, Section};
use super::paging::{PER_PAGE, Paging, page_of};
use crate::done::{Done, Note};
use crate::form;
use crate::frame::Frame;
use crate::notice::Notice;
use crate::words::{self, When};

/// The page.
#[derive(Template)]
#[template(path = "panel/group.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) is_built_in: bool,
    pub(crate) count: String,
    pub(crate) members: Vec<Member>,
    pub(crate) paging: Option<Paging>,
    pub(crate) dn: String,
    pub(crate) added: When,
}

/// Somebody in the group.
pub(crate) struct Member {
    pub(crate) href: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) is_disabled: bool,
}

impl From<&Arc<User>> for Member {
    fn from(user: &Arc<User>) -> Self {
        Self {
            href: routes::person(user),
            id: user.id.to_string(),
            name: user.profile.full_name(),
            username: user.profile.username.to_string(),
            is_disabled: user.state.is_disabled(),
        }
    }
}

/// Which page of the members.
#[derive(Deserialize)]
pub(crate) struct Asked {
    page: Option<usize>,
}

/// The name, typed once more.
#[derive(Deserialize)]
pub(crate) struct Named {
    name: String,
}

/// The page.
pub(crate) async fn show(keeper: Keeper, Path(name): Path, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;

    let members = keeper.app().directory().members_of(group.id);

    let page = page_of(asked.page, members.len());
    let href = routes::group(&group);
    Ok(keeper.ok(&Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        name: group.name.to_string(),
        about: about(&group).to_owned(),
        is_built_in: group.is_built_in(),
        count: words::count(members.len(), "person", "people"),
        paging: Paging::new(page, members.len(), |page| format!("{href}?page={page}")),
        members: members.iter().skip((page - 1) * PER_PAGE).take(PER_PAGE).map(Member::from).collect(),
        dn: keeper.app().directory().group_dn(&group),
        added: When::new(keeper.door.ctx.now, group.created_at),
        href,
    }))
}

/// What a group is for, where that is known.
pub(super) fn about(group: &Group) -> &'static str {
    match group.name.as_str() {
        ostiary_model::ADMIN_GROUP => "Administers everything, with two steps",
        ostiary_model::PASSWORD_MANAGER_GROUP => "For programs that set passwords; there is no such way in yet",
        ostiary_model::STRICT_READONLY_GROUP => "Reads the whole directory, for service accounts",
        _ => "",
    }
}

/// Asks before a group is removed.
pub(crate) async fn ask_delete(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    Ok(keeper.ok(&ask_page(&keeper, delete_question(&keeper, &group, None), None)))
}

/// Removes a group, once its name was typed.
pub(crate) async fn delete(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(named): CsrfForm<Named>,
) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    if Folded::new(&named.name) != group.name.folded() {
        let error = format!("This is not the name of the group. Type {}.", group.name);
        let notice = Notice::bad("Nothing was deleted").line(error.clone());
        return Ok(keeper.again(&ask_page(&keeper, delete_question(&keeper, &group, Some(error)), Some(notice))));
    }
    match keeper.app().group_delete(&keeper.door.ctx, group.id).await {
        Ok(()) => Ok(keeper.done(GROUPS, &Note::new(Done::GroupDeleted, group.name.as_str()))),
        Err(error) => {
            let (about, words) = form::refusal(error)?;
            let notice = form::notice(about, &words);
            Ok(keeper.again(&ask_page(&keeper, delete_question(&keeper, &group, None), Some(notice))))
        }
    }
}

fn delete_question(keeper: &Keeper, group: &Group, error: Option<String>) -> Ask {
    let members = keeper.app().directory().members_of(group.id).len();
    let leaving = match members {
        0 => "nobody is in it,".to_owned(),
        1 => "1 person leaves it,".to_owned(),
        _ => format!("{} leave it,", words::count(members, "person", "people")),
    };
    Ask {
        title: format!("Delete the group {}?", group.name),
        lead: "At once and for good:".to_owned(),
        points: vec![leaving, "roles in applications that hang from it end at the next sign-in,".to_owned()],
        entry: Some(keeper.app().directory().group_dn(group)),
        after: "The people themselves stay.".to_owned(),
        typed: Some(Typed { label: "Group name", wanted: group.name.to_string(), error }),
        verb: "Delete",
        is_bad: true,
        back: routes::group(group),
        ..Ask::default()
    }
}

fn ask_page(keeper: &Keeper, ask: Ask, notice: Option<Notice>) -> ask::Page {
    ask::Page { frame: keeper.frame(), rail: keeper.rail(Section::Groups), notice, ask }
}
