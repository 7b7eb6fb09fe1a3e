//! Putting one person into a group, and taking them out of one.

use std::str::FromStr;

use askama::Template;
use axum::response::Response;
use ostiary_app::{AdminError, directory};
use ostiary_httpkit::routes::{self, below};
use ostiary_httpkit::{CsrfForm, Path, Problem};
use ostiary_model::{Folded, GroupId, User};
use serde::Deserialize;

use super::keeper::{Keeper, Rail, Section};
use super::person_form::Up;
use crate::done::{Done, Note};
use crate::form::{self, About};
use crate::frame::Frame;
use crate::notice::Notice;

/// The page.
#[derive(Template)]
#[template(path = "panel/add_to_group.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) notice: Option<Notice>,
    pub(crate) up: Up,
    pub(crate) heading: String,
    pub(crate) action: String,
    pub(crate) carried: Vec<(&'static str, String)>,
    /// Who, when it is about several.
    pub(crate) who: Vec<String>,
    pub(crate) groups: Vec<String>,
    /// The one among them that was chosen before.
    pub(crate) chosen: String,
    /// What is wrong with the group that was chosen.
    pub(crate) error: Option<String>,
    pub(crate) nothing_left: String,
}

impl Page {
    pub(crate) fn is_chosen(&self, group: &str) -> bool {
        self.chosen == group
    }

    /// Says at the field what is wrong with the group that was chosen.
    pub(super) fn refuse(&mut self, about: About, words: String, chosen: &str) {
        self.notice = Some(form::notice(about, &words));
        self.error = Some(words);
        self.chosen = chosen.to_owned();
    }
}

/// What the forms send: the name of a group to join, or the id of one to leave.
#[derive(Deserialize)]
pub(crate) struct Form {
    pub(super) group: Option<String>,
    pub(super) remove: Option<String>,
}

/// The groups to choose from.
pub(crate) async fn show(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    Ok(keeper.ok(&page(&keeper, &user)))
}

/// Puts the person into a group, or takes them out.
pub(crate) async fn submit(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;
    let directory = keeper.app().directory();
    let (group, joins) = match (&form.group, &form.remove) {
        (Some(name), None) => (directory.group_by_name(&Folded::new(name)), true),
        (None, Some(id)) => (GroupId::from_str(id).ok().and_then(|id| directory.group(id)), false),
        _ => return Err(Problem::unreadable("The form names no group, or two")),
    };
    let chosen = form.group.unwrap_or_default();
    let Some(group) = group else {
        return refused(&keeper, &user, AdminError::NoSuchGroup(chosen.clone()), &chosen);
    };

    let ctx = &keeper.door.ctx;
    let changed = match joins {
        true => keeper.app().member_add(ctx, user.id, group.id).await,
        false => keeper.app().member_remove(ctx, user.id, group.id).await,
    };

    let here = routes::person(&user);
    let undo = below(&here, "groups");
    let (who, name) = (user.profile.full_name(), group.name.as_str());
    match changed {
        Ok(_) if joins => {
            let note = Note::new(Done::Joined, who).group(name).undo(undo, "remove", group.id.to_string());
            Ok(keeper.done(&here, &note))
        }
        Ok(_) => Ok(keeper.done(&here, &Note::new(Done::Left, who).group(name).undo(undo, "group", name))),
        Err(error) => refused(&keeper, &user, error, &chosen),
    }
}

fn page(keeper: &Keeper, user: &User) -> Page {
    let name = user.profile.full_name();
    let is_in = keeper.app().directory().direct_groups_of(user.id);
    let groups = group_names(keeper).into_iter().filter(|name| !is_in.iter().any(|group| group.name.as_str() == name));
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People),
        notice: None,
        heading: format!("Add {name} to a group"),
        action: below(&routes::person(user), "groups"),
        carried: Vec::new(),
        who: Vec::new(),
        groups: groups.collect(),
        chosen: String::new(),
        error: None,
        nothing_left: format!("{name} is in every group already."),
        up: Up { href: routes::person(user), label: name },
    }
}

/// The names of all groups.
pub(super) fn group_names(keeper: &Keeper) -> Vec<String> {
    // Without words to search for, the search cannot be malformed.
    let found = keeper.app().directory().find_groups(keeper.door.ctx.now, "", directory::Page::ALL);
    found.map(|found| found.rows.iter().map(|row| row.group.name.to_string()).collect()).unwrap_or_default()
}

fn refused(keeper: &Keeper, user: &User, error: AdminError, chosen: &str) -> Result<Response, Problem> {
    let (about, words) = form::refusal(error)?;
    let mut page = page(keeper, user);
    page.refuse(about, words, chosen);
    Ok(keeper.again(&page))
}
