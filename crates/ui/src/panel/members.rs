//! Putting people into a group, found by search; taking them out.

use std::str::FromStr;
use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use ostiary_app::directory::{self, PeopleSort, PeopleState};
use ostiary_httpkit::routes::{self, below, segment};
use ostiary_httpkit::{CsrfForm, Path, Problem, Query, see_other};
use ostiary_model::{Group, User, UserId};
use serde::Deserialize;

use super::group::Member;
use super::keeper::{Inside, Insider, Keeper, Rail, Section};
use super::own_groups;
use super::people::Nobody;
use crate::done::{Done, Note};
use crate::form;
use crate::frame::Frame;
use crate::words;

/// So many are shown; who wants more searches closer.
const SHOWN: usize = 20;

/// The page.
#[derive(Template)]
#[template(path = "panel/members.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) href: String,
    pub(crate) name: String,
    /// What the page is for, before the group's name.
    pub(crate) heading: &'static str,
    /// Where its forms go.
    pub(crate) action: String,
    /// What somebody is who needs no button.
    pub(crate) is_already: &'static str,
    pub(crate) q: String,
    pub(crate) filter_error: Option<String>,
    pub(crate) caption: String,
    pub(crate) rows: Vec<Candidate>,
    pub(crate) nobody: Nobody,
}

/// Somebody who was found.
pub(crate) struct Candidate {
    pub(crate) person: Member,
    pub(crate) is_in: bool,
}

/// What the address says.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(super) q: String,
}

/// What the forms send: the id of who joins or leaves, and what was searched for; or, where there is
/// nothing to search in, a name.
#[derive(Deserialize)]
pub(crate) struct Form {
    pub(super) add: Option<String>,
    pub(super) remove: Option<String>,
    pub(super) who: Option<String>,
    #[serde(default)]
    pub(super) q: String,
}

/// Which list of the group's people is added to.
pub(super) struct List {
    pub(super) heading: &'static str,
    pub(super) step: &'static str,
    pub(super) is_already: &'static str,
    /// Who is in it.
    pub(super) people: Vec<Arc<User>>,
}

/// The search, and whom it found.
pub(crate) async fn show(inside: Inside, Path(name): Path, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let keeper = match inside {
        Inside::Keeper(keeper) => keeper,
        // Their form is on the page of the group.
        Inside::Manager(manager) => return Ok(see_other(&routes::group(&*manager.group(&name)?))),
    };
    let group = keeper.group(&name)?;
    let people = keeper.app().directory().members_of(group.id);
    let list = List { heading: "Add members to", step: "members", is_already: "Member", people };
    Ok(keeper.ok(&page(&keeper, &group, asked.q, &list)))
}

/// Puts somebody in, or takes them out.
pub(crate) async fn submit(
    inside: Inside,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let keeper = match inside {
        Inside::Keeper(keeper) => keeper,
        Inside::Manager(manager) => return own_groups::submit(&manager, &name, &form).await,
    };
    let group = keeper.group(&name)?;
    let (user, joins) = meant(&keeper, &form)?;

    change(&keeper, &group, &user, joins).await?;

    let done = if joins { Done::Joined } else { Done::Left };
    Ok(said(&keeper, &group, ("members", &form.q), (done, joins), &user))
}

/// Puts `user` into `group`, or takes them out. False when nothing was to be done.
pub(super) async fn change(inside: &Insider, group: &Group, user: &User, joins: bool) -> Result<bool, Problem> {
    let ctx = &inside.door.ctx;
    let changed = match joins {
        true => inside.app().member_add(ctx, user.id, group.id).await,
        false => inside.app().member_remove(ctx, user.id, group.id).await,
    };
    changed.map_err(form::problem)
}

/// Whom the form means, and whether they come in.
pub(super) fn meant(inside: &Insider, form: &Form) -> Result<(Arc<User>, bool), Problem> {
    let (id, joins) = match (&form.add, &form.remove) {
        (Some(id), None) => (id, true),
        (None, Some(id)) => (id, false),
        _ => return Err(Problem::unreadable("The form names nobody, or two")),
    };
    let user = UserId::from_str(id).ok().and_then(|id| inside.app().directory().user(id));
    Ok((user.ok_or_else(Problem::not_found)?, joins))
}

/// On to the page that says what was done, with the way back.
pub(super) fn said(
    keeper: &Keeper,
    group: &Group,
    (step, q): (&str, &str),
    (done, joins): (Done, bool),
    user: &User,
) -> Response {
    let here = routes::group(group);
    let list = below(&here, step);
    let undo = if joins { "remove" } else { "add" };
    let note = Note::new(done, user.profile.full_name()).group(group.name.as_str());
    let note = note.undo(list.clone(), undo, user.id.to_string());
    let back = if joins { format!("{list}?q={}", segment(q)) } else { here };
    keeper.done(&back, &note)
}

/// The page that adds to `list`.
pub(super) fn page(keeper: &Keeper, group: &Group, q: String, list: &List) -> Page {
    let now = keeper.door.ctx.now;
    let part = directory::Page { number: 1, size: SHOWN };
    let found = keeper.app().directory().find_people(now, &q, PeopleState::Any, PeopleSort::default(), part);
    let (people, total, filter_error) = match found {
        Ok(found) => (found.rows, found.total, None),
        Err(error) => (Vec::new(), 0, Some(format!("{error}."))),
    };
    let is_in = |user: &User| list.people.iter().any(|own| own.id == user.id);
    let count = words::count(total, "person", "people");
    let caption = if total > people.len() { format!("The first {} of {count}", people.len()) } else { count };
    let text = match &filter_error {
        Some(_) => "Correct the filter, or search for words.".to_owned(),
        None if q.is_empty() => "There is nobody yet.".to_owned(),
        None => format!("Nobody has “{q}” in name, e-mail address or groups."),
    };
    let href = routes::group(group);
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        name: group.name.to_string(),
        heading: list.heading,
        action: below(&href, list.step),
        is_already: list.is_already,
        filter_error,
        caption,
        rows: people.iter().map(|user| Candidate { person: Member::new(user, now), is_in: is_in(user) }).collect(),
        nobody: Nobody { title: "Nobody matches".to_owned(), text },
        href,
        q,
    }
}
