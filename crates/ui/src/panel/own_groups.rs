//! The panel of people who manage single groups: which these are, and who is in each. They see the
//! names of members and nothing else of them, and cannot look through the directory: whom they add
//! they name, as somebody does over LDAP.

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::Problem;
use ostiary_httpkit::routes::{self, below};
use ostiary_model::{Folded, Group, User};

use super::group::{Member, People, people_in};
use super::groups::Row;
use super::keeper::{Manager, Rail};
use super::members::{self, Form};
use crate::done::{Done, Note};
use crate::form::Field;
use crate::frame::Frame;
use crate::notice::Notice;
use crate::words;

/// The list.
#[derive(Template)]
#[template(path = "panel/own_groups.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) caption: String,
    pub(crate) rows: Vec<Row>,
}

/// One of them.
#[derive(Template)]
#[template(path = "panel/own_group.html")]
pub(crate) struct One {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) notice: Option<Notice>,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) who: Field,
    pub(crate) people: People,
}

/// All that `manager` manages.
pub(super) fn list(manager: &Manager) -> Response {
    let directory = manager.app().directory();
    let groups = manager.groups();
    manager.ok(&Page {
        frame: manager.frame(),
        rail: manager.rail().at_start(),
        caption: format!("{} that you manage", words::count(groups.len(), "group", "groups")),
        rows: groups.iter().map(|group| Row::new(group, directory.members_of(group.id).len())).collect(),
    })
}

/// Who is in one of them.
///
/// # Errors
/// A [`Problem`] when it is none of theirs.
pub(super) fn show(manager: &Manager, name: &str, asked: Option<usize>) -> Result<Response, Problem> {
    let group = manager.group(name)?;
    Ok(manager.ok(&page(manager, &group, asked)))
}

/// Puts somebody in, or takes them out.
///
/// # Errors
/// A [`Problem`] when the group is none of theirs, who is to go is not in it, or the form not as we
/// write it.
pub(super) async fn submit(manager: &Manager, name: &str, form: &Form) -> Result<Response, Problem> {
    let group = manager.group(name)?;
    let (user, joins) = match (&form.who, &form.add, &form.remove) {
        (Some(who), None, None) => match named(manager, who) {
            Some(user) => (user, true),
            None => {
                return Ok(refused(
                    manager,
                    &group,
                    who,
                    "Nobody has this user name or e-mail address. Check how it is written.",
                ));
            }
        },
        (None, ..) => members::meant(manager, form)?,
        _ => return Err(Problem::unreadable("The form names two people")),
    };
    let full_name = user.profile.full_name();

    let is_changed = members::change(manager, &group, &user, joins).await?;

    if let (Some(who), false) = (&form.who, is_changed) {
        return Ok(refused(manager, &group, who, &format!("{full_name} is in {} already.", group.name)));
    }
    // Not in it, so nobody whom they see: an id that they came by tells them no name.
    if !joins && !is_changed {
        return Err(Problem::not_found());
    }
    let href = routes::group(&group);
    let (done, undo) = if joins { (Done::Joined, "remove") } else { (Done::Left, "add") };
    let note = Note::new(done, full_name).group(group.name.as_str());
    Ok(manager.done(&href, &note.undo(below(&href, "members"), undo, user.id.to_string())))
}

/// Whoever has this user name or address, in any spelling.
fn named(manager: &Manager, who: &str) -> Option<std::sync::Arc<User>> {
    let (directory, who) = (manager.app().directory(), Folded::new(who.trim()));
    directory.user_by_name(&who).or_else(|| directory.user_by_email(&who))
}

fn refused(manager: &Manager, group: &Group, who: &str, words: &str) -> Response {
    let mut page = page(manager, group, None);
    page.notice = Some(Notice::bad("One field needs another look").line(words));
    page.who = Field { value: who.to_owned(), error: Some(words.to_owned()) };
    manager.again(&page)
}

fn page(manager: &Manager, group: &Group, asked: Option<usize>) -> One {
    One {
        frame: manager.frame(),
        rail: manager.rail(),
        notice: None,
        href: routes::group(group),
        name: group.name.to_string(),
        who: Field::default(),
        people: people_in(manager, group, asked, Member::plain),
    }
}
