//! One group: who and what is in it, what it is in, who manages it; deleting it.

use std::collections::HashSet;
use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::routes::{self, GROUPS};
use ostiary_httpkit::{CsrfForm, Path, Problem, Query};
use ostiary_model::{Folded, Group, Timestamp, User, UserId};
use serde::Deserialize;

use super::ask::{self, Ask, Typed};
use super::badges::{self, Badge};
use super::keeper::{Inside, Insider, Keeper, Rail, Section};
use super::own_groups;
use super::paging::{PER_PAGE, Paging, page_of};
use super::values::{self, Shown};
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
    pub(crate) people: People,
    pub(crate) children: Vec<Linked>,
    pub(crate) parents: Vec<Linked>,
    pub(crate) managers: Vec<Member>,
    /// Whether managers change nothing, because rights hang from a group above.
    pub(crate) has_rights: bool,
    pub(crate) attributes: Vec<Shown>,
    /// Whether one of them has a value.
    pub(crate) has_values: bool,
    pub(crate) gid: Option<i64>,
    pub(crate) dn: String,
    pub(crate) added: When,
}

/// Who is in a group.
pub(crate) struct People {
    pub(crate) count: String,
    /// In the group itself; those of one page.
    pub(crate) members: Vec<Member>,
    pub(crate) paging: Option<Paging>,
    /// Who is in the group through another alone; the first of them.
    pub(crate) others: Vec<Member>,
    pub(crate) others_count: String,
}

/// Somebody in the group.
pub(crate) struct Member {
    /// Their page, for those who may see it.
    pub(crate) href: Option<String>,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) badges: Vec<Badge>,
    /// The groups in this one that they are in.
    pub(crate) through: String,
}

impl Member {
    /// `user` in a list.
    pub(crate) fn new(user: &User, now: Timestamp) -> Self {
        Self { href: Some(routes::person(user)), badges: badges::beside(user, now), ..Self::plain(user) }
    }

    /// `user` in a list of somebody who sees no more than the name.
    pub(crate) fn plain(user: &User) -> Self {
        Self {
            href: None,
            id: user.id.to_string(),
            name: user.profile.full_name(),
            username: user.profile.username.to_string(),
            badges: Vec::new(),
            through: String::new(),
        }
    }
}

/// A group in this one, or one that this is in.
pub(crate) struct Linked {
    pub(crate) href: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) people: String,
}

/// Which page of the members.
#[derive(Deserialize)]
pub(crate) struct Asked {
    pub(super) page: Option<usize>,
}

/// The name, typed once more.
#[derive(Deserialize)]
pub(crate) struct Named {
    name: String,
}

/// The page.
pub(crate) async fn show(inside: Inside, Path(name): Path, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    match inside {
        Inside::Keeper(keeper) => {
            let group = keeper.group(&name)?;
            Ok(keeper.ok(&page(&keeper, &group, asked.page)))
        }
        Inside::Manager(manager) => own_groups::show(&manager, &name, asked.page),
    }
}

fn page(keeper: &Keeper, group: &Group, asked: Option<usize>) -> Page {
    let directory = keeper.app().directory();
    let now = keeper.door.ctx.now;
    let kept = values::of_group(directory, Some(group.id));
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        name: group.name.to_string(),
        about: about(group).to_owned(),
        is_built_in: group.is_built_in(),
        people: people_in(keeper, group, asked, |user| Member::new(user, now)),
        parents: directory.parents_of(group.id).iter().map(|group| linked(keeper, group)).collect(),
        managers: directory.managers_of(group.id).iter().map(|user| Member::new(user, now)).collect(),
        has_rights: directory.has_rights(group),
        has_values: values::any(&kept),
        attributes: values::shown(&kept, now),
        gid: group.gid_number,
        dn: directory.group_dn(group),
        added: When::new(now, group.created_at),
        children: directory.subgroups_of(group.id).iter().map(|group| linked(keeper, group)).collect(),
        href: routes::group(group),
    }
}

/// Who is in `group`, on the page that was asked for; each as `member` shows them.
pub(super) fn people_in(
    inside: &Insider,
    group: &Group,
    asked: Option<usize>,
    member: impl Fn(&User) -> Member,
) -> People {
    let directory = inside.app().directory();
    let (direct, all) = (directory.members_of(group.id), directory.effective_members_of(group.id));
    let ids: HashSet<UserId> = direct.iter().map(|user| user.id).collect();
    let others: Vec<&Arc<User>> = all.iter().filter(|user| !ids.contains(&user.id)).collect();
    let children = directory.subgroups_of(group.id);
    let member = |user: &Arc<User>| Member { through: through(inside, user, &children), ..member(user) };

    let page = page_of(asked, direct.len());
    let href = routes::group(group);
    People {
        count: counted(direct.len(), all.len()),
        paging: Paging::new(page, direct.len(), |page| format!("{href}?page={page}")),
        members: direct.iter().skip((page - 1) * PER_PAGE).take(PER_PAGE).map(member).collect(),
        others: others.iter().take(PER_PAGE).map(|user| member(user)).collect(),
        others_count: match others.len() {
            many if many > PER_PAGE => {
                format!("The first {PER_PAGE} of {} through other groups", words::count(many, "person", "people"))
            }
            many => format!("{} through other groups", words::count(many, "person", "people")),
        },
    }
}

fn counted(direct: usize, all: usize) -> String {
    match direct == all {
        true => words::count(direct, "person", "people"),
        false => format!("{} directly, {} in all", words::count(direct, "person", "people"), words::figures(all)),
    }
}

fn linked(keeper: &Keeper, group: &Group) -> Linked {
    let people = keeper.app().directory().effective_members_of(group.id).len();
    Linked {
        href: routes::group(group),
        id: group.id.to_string(),
        name: group.name.to_string(),
        people: words::count(people, "person", "people"),
    }
}

/// The groups among `children` that somebody is in.
fn through(inside: &Insider, user: &User, children: &[Arc<Group>]) -> String {
    if children.is_empty() {
        return String::new();
    }
    let own = inside.app().directory().groups_of(user.id);
    let is_in = |child: &&Arc<Group>| own.iter().any(|group| group.id == child.id);
    words::listed(&children.iter().filter(is_in).map(|child| child.name.to_string()).collect::<Vec<_>>())
}

/// What a group is for, where that is known.
pub(super) fn about(group: &Group) -> &'static str {
    match group.name.as_str() {
        ostiary_model::ADMIN_GROUP => "Administers everything, with two steps",
        ostiary_model::PASSWORD_MANAGER_GROUP => "Sets passwords of people who are no administrators, for programs",
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
    // Also those who are in it through another group.
    let members = keeper.app().directory().effective_members_of(group.id).len();
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
