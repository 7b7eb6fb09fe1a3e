//! Putting people into a group, found by search; taking them out.

use std::str::FromStr;
use std::sync::Arc;

use askama::Template;
use axum::response::Response;
use ostiary_app::directory::{self, PeopleSort, PeopleState};
use ostiary_httpkit::routes::{self, below, segment};
use ostiary_httpkit::{CsrfForm, Path, Problem, Query};
use ostiary_model::{Group, User, UserId};
use serde::Deserialize;

use super::group::Member;
use super::keeper::{Keeper, Rail, Section};
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
    pub(crate) q: String,
    pub(crate) caption: String,
    pub(crate) rows: Vec<Candidate>,
    pub(crate) nobody: Nobody,
}

/// Somebody who was found.
pub(crate) struct Candidate {
    pub(crate) person: Member,
    pub(crate) is_member: bool,
}

/// What the address says.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
}

/// What the forms send: the id of who joins or leaves, and what was searched for.
#[derive(Deserialize)]
pub(crate) struct Form {
    add: Option<String>,
    remove: Option<String>,
    #[serde(default)]
    q: String,
}

/// The search, and whom it found.
pub(crate) async fn show(keeper: Keeper, Path(name): Path, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    let part = directory::Page { number: 1, size: SHOWN };

    let found = keeper.app().directory().find_people(
        keeper.door.ctx.now,
        &asked.q,
        PeopleState::Any,
        PeopleSort::default(),
        part,
    );

    let (people, total) = found.map(|found| (found.rows, found.total)).unwrap_or_default();
    Ok(keeper.ok(&page(&keeper, &group, asked.q, (&people, total))))
}

/// Puts somebody in, or takes them out.
pub(crate) async fn submit(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let group = keeper.group(&name)?;
    let (id, joins) = match (&form.add, &form.remove) {
        (Some(id), None) => (id, true),
        (None, Some(id)) => (id, false),
        _ => return Err(Problem::unreadable("The form names nobody, or two")),
    };
    let user = UserId::from_str(id).ok().and_then(|id| keeper.app().directory().user(id));
    let user = user.ok_or_else(Problem::not_found)?;

    let ctx = &keeper.door.ctx;
    let changed = match joins {
        true => keeper.app().member_add(ctx, user.id, group.id).await,
        false => keeper.app().member_remove(ctx, user.id, group.id).await,
    };

    changed.map_err(form::problem)?;
    let here = routes::group(&group);
    let members = below(&here, "members");
    let (done, undo) = if joins { (Done::Joined, "remove") } else { (Done::Left, "add") };
    let note = Note::new(done, user.profile.full_name()).group(group.name.as_str()).undo(members.clone(), undo, id);
    let back = if joins { format!("{members}?q={}", segment(&form.q)) } else { here };
    Ok(keeper.done(&back, &note))
}

fn page(keeper: &Keeper, group: &Group, q: String, (people, total): (&[Arc<User>], usize)) -> Page {
    let directory = keeper.app().directory();
    let is_member = |user: &User| directory.groups_of(user.id).iter().any(|own| own.id == group.id);
    let count = words::count(total, "person", "people");
    let caption = if total > people.len() { format!("The first {} of {count}", people.len()) } else { count };
    let text = if q.is_empty() {
        "There is nobody yet.".to_owned()
    } else {
        format!("Nobody has “{q}” in name, e-mail address or groups.")
    };
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        href: routes::group(group),
        name: group.name.to_string(),
        caption,
        rows: people.iter().map(|user| Candidate { person: user.into(), is_member: is_member(user) }).collect(),
        nobody: Nobody { title: "Nobody matches".to_owned(), text },
        q,
    }
}
