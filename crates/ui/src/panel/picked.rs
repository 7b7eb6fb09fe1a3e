//! Something with several people at once, picked in the list: into a group, or closed.
//!
//! The first form says who and what; the page that answers it asks; its own form does it.

use std::str::FromStr;
use std::sync::Arc;

use axum::response::Response;
use ostiary_app::AdminError;
use ostiary_httpkit::routes::{PEOPLE, PEOPLE_PICKED};
use ostiary_httpkit::{CsrfForm, Problem, see_other};
use ostiary_model::{Folded, User, UserId};

use super::add_to_group;
use super::ask::{Ask, Page};
use super::keeper::{Keeper, Section};
use super::person_form::Up;
use crate::done::{Done, Note};
use crate::form;
use crate::notice::Notice;
use crate::words;

/// What can be done with several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Group,
    Disable,
}

/// The form, read.
struct Picked {
    deed: Deed,
    people: Vec<Arc<User>>,
    /// The group, once it was chosen.
    group: Option<String>,
    is_sure: bool,
}

/// Asks, or does it.
pub(crate) async fn submit(
    keeper: Keeper,
    CsrfForm(fields): CsrfForm<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let picked = read(&keeper, &fields)?;
    if picked.people.is_empty() {
        return Ok(see_other(PEOPLE));
    }
    match (picked.deed, &picked.group) {
        (Deed::Group, Some(group)) if !group.is_empty() => join(&keeper, &picked, group).await,
        (Deed::Group, _) => Ok(keeper.ok(&group_page(&keeper, &picked))),
        (Deed::Disable, _) if picked.is_sure => disable(&keeper, &picked).await,
        (Deed::Disable, _) => Ok(keeper.ok(&disable_page(&keeper, &picked, None))),
    }
}

fn read(keeper: &Keeper, fields: &[(String, String)]) -> Result<Picked, Problem> {
    let one = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let deed = match one("do").as_deref() {
        Some("group") => Deed::Group,
        Some("disable") => Deed::Disable,
        _ => return Err(Problem::unreadable("The form does not say what to do")),
    };
    let directory = keeper.app().directory();
    let mut people: Vec<Arc<User>> = Vec::new();
    for (_, id) in fields.iter().filter(|(name, _)| name == "user") {
        // Who was deleted in the meantime needs nothing any more.
        if let Some(user) = UserId::from_str(id).ok().and_then(|id| directory.user(id))
            && !people.iter().any(|picked| picked.id == user.id)
        {
            people.push(user);
        }
    }
    Ok(Picked { deed, people, group: one("group"), is_sure: one("sure").is_some() })
}

async fn join(keeper: &Keeper, picked: &Picked, name: &str) -> Result<Response, Problem> {
    let Some(group) = keeper.app().directory().group_by_name(&Folded::new(name)) else {
        return joining_refused(keeper, picked, false, AdminError::NoSuchGroup(name.to_owned()));
    };

    for (done, user) in picked.people.iter().enumerate() {
        if let Err(error) = keeper.app().member_add(&keeper.door.ctx, user.id, group.id).await {
            return joining_refused(keeper, picked, done > 0, error);
        }
    }

    let note = Note::new(Done::ManyJoined, picked.people.len().to_string()).group(group.name.as_str());
    Ok(keeper.done(PEOPLE, &note))
}

async fn disable(keeper: &Keeper, picked: &Picked) -> Result<Response, Problem> {
    for user in &picked.people {
        if let Err(error) = keeper.app().person_disable(&keeper.door.ctx, user.id).await {
            let (_, words) = form::refusal(error)?;
            let notice = Notice::bad(format!("{} was not disabled", user.profile.full_name()))
                .line(words)
                .line("Those before in the list are disabled, those after are not.");
            return Ok(keeper.again(&disable_page(keeper, picked, Some(notice))));
        }
    }
    Ok(keeper.done(PEOPLE, &Note::new(Done::ManyDisabled, picked.people.len().to_string())))
}

fn joining_refused(keeper: &Keeper, picked: &Picked, is_begun: bool, error: AdminError) -> Result<Response, Problem> {
    let (about, words) = form::refusal(error)?;
    let mut page = group_page(keeper, picked);
    page.refuse(about, words, picked.group.as_deref().unwrap_or_default());
    page.notice = page.notice.map(|notice| match is_begun {
        true => notice.line("Those before in the list are in the group now, those after are not."),
        false => notice,
    });
    Ok(keeper.again(&page))
}

fn group_page(keeper: &Keeper, picked: &Picked) -> add_to_group::Page {
    let how_many = words::count(picked.people.len(), "person", "people");
    add_to_group::Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People),
        notice: None,
        up: Up { href: PEOPLE.to_owned(), label: "People".to_owned() },
        heading: format!("Add {how_many} to a group"),
        action: PEOPLE_PICKED.to_owned(),
        carried: carried("group", picked),
        who: names(picked),
        groups: add_to_group::group_names(keeper),
        chosen: String::new(),
        error: None,
        nothing_left: "There is no group yet.".to_owned(),
    }
}

fn disable_page(keeper: &Keeper, picked: &Picked, notice: Option<Notice>) -> Page {
    let how_many = words::count(picked.people.len(), "person", "people");
    let mut carried = carried("disable", picked);
    carried.push(("sure", "1".to_owned()));
    let ask = Ask {
        title: format!("Disable {how_many}?"),
        lead: "At once, these lose all sessions, and nobody can sign in with their accounts:".to_owned(),
        points: names(picked),
        after: "Their entries and groups stay. You can enable each account again at any time.".to_owned(),
        action: PEOPLE_PICKED.to_owned(),
        carried,
        verb: "Disable",
        is_bad: true,
        back: PEOPLE.to_owned(),
        ..Ask::default()
    };
    Page { frame: keeper.frame(), rail: keeper.rail(Section::People), notice, ask }
}

fn names(picked: &Picked) -> Vec<String> {
    picked.people.iter().map(|user| user.profile.full_name()).collect()
}

fn carried(deed: &str, picked: &Picked) -> Vec<(&'static str, String)> {
    let mut fields = vec![("do", deed.to_owned())];
    fields.extend(picked.people.iter().map(|user| ("user", user.id.to_string())));
    fields
}
