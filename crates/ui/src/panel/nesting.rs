//! Groups in a group: putting one in, taking one out, seen from either.

use std::str::FromStr;
use std::sync::Arc;

use axum::response::Response;
use ostiary_app::AdminError;
use ostiary_httpkit::routes::{self, below};
use ostiary_httpkit::{CsrfForm, Path, Problem};
use ostiary_model::{Folded, Group, GroupId, Nesting};

use super::add_to_group::{self, Form, Page};
use super::keeper::{Keeper, Section};
use super::person_form::Up;
use crate::done::{Done, Note};
use crate::form;

/// From which of the two the page looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The page is of the outer group: others come in.
    Outer,
    /// The page is of the inner group: it goes into others.
    Inner,
}

/// The groups that could be put into this one.
pub(crate) async fn show_children(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    show(&keeper, &name, Side::Outer)
}

/// The groups that this one could be put into.
pub(crate) async fn show_parents(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    show(&keeper, &name, Side::Inner)
}

/// Puts a group into this one, or takes it out.
pub(crate) async fn submit_children(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    submit(&keeper, &name, &form, Side::Outer).await
}

/// Puts this group into another, or takes it out.
pub(crate) async fn submit_parents(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(form): CsrfForm<Form>,
) -> Result<Response, Problem> {
    submit(&keeper, &name, &form, Side::Inner).await
}

impl Side {
    const fn step(self) -> &'static str {
        match self {
            Self::Outer => "groups",
            Self::Inner => "parents",
        }
    }

    const fn nesting(self, here: &Group, other: &Group) -> Nesting {
        match self {
            Self::Outer => Nesting { child: other.id, parent: here.id },
            Self::Inner => Nesting { child: here.id, parent: other.id },
        }
    }
}

fn show(keeper: &Keeper, name: &str, side: Side) -> Result<Response, Problem> {
    let group = keeper.group(name)?;
    Ok(keeper.ok(&page(keeper, &group, side)))
}

async fn submit(keeper: &Keeper, name: &str, form: &Form, side: Side) -> Result<Response, Problem> {
    let here = keeper.group(name)?;
    let directory = keeper.app().directory();
    let (other, joins) = match (&form.group, &form.remove) {
        (Some(name), None) => (directory.group_by_name(&Folded::new(name)), true),
        (None, Some(id)) => (GroupId::from_str(id).ok().and_then(|id| directory.group(id)), false),
        _ => return Err(Problem::unreadable("The form names no group, or two")),
    };
    let Some(other) = other else {
        let chosen = form.group.clone().unwrap_or_default();
        return refused(keeper, (&here, None), side, AdminError::NoSuchGroup(chosen));
    };

    let ctx = &keeper.door.ctx;
    let nesting = side.nesting(&here, &other);
    let changed = match joins {
        true => keeper.app().nesting_add(ctx, nesting).await,
        false => keeper.app().nesting_remove(ctx, nesting).await,
    };

    if let Err(error) = changed {
        return refused(keeper, (&here, Some(&other)), side, error);
    }
    let (child, parent) = if side == Side::Outer { (&other, &here) } else { (&here, &other) };
    let undo = below(&routes::group(&here), side.step());
    let note = Note::new(if joins { Done::Nested } else { Done::Unnested }, child.name.as_str());
    let note = note.group(parent.name.as_str());
    let note = match joins {
        true => note.undo(undo, "remove", other.id.to_string()),
        false => note.undo(undo, "group", other.name.as_str()),
    };
    Ok(keeper.done(&routes::group(&here), &note))
}

fn page(keeper: &Keeper, group: &Arc<Group>, side: Side) -> Page {
    let directory = keeper.app().directory();
    let linked = match side {
        Side::Outer => directory.subgroups_of(group.id),
        Side::Inner => directory.parents_of(group.id),
    };
    let is_left = |name: &String| {
        let other = directory.group_by_name(&Folded::new(name));
        other.is_some_and(|other| {
            // What rights hang from is in no other group.
            let fits = side == Side::Inner || !other.is_built_in();
            fits && other.id != group.id && !linked.iter().any(|own| own.id == other.id)
        })
    };
    let name = &group.name;
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups),
        notice: None,
        heading: match side {
            Side::Outer => format!("Put a group into {name}"),
            Side::Inner => format!("Put {name} into a group"),
        },
        action: below(&routes::group(group), side.step()),
        carried: Vec::new(),
        who: Vec::new(),
        groups: add_to_group::group_names(keeper).into_iter().filter(is_left).collect(),
        chosen: String::new(),
        error: None,
        nothing_left: "There is no other group that could be chosen.".to_owned(),
        up: Up { href: routes::group(group), label: name.to_string() },
    }
}

fn refused(
    keeper: &Keeper,
    (here, other): (&Arc<Group>, Option<&Group>),
    side: Side,
    error: AdminError,
) -> Result<Response, Problem> {
    let cycle = match (&error, other) {
        (AdminError::Cycle, Some(other)) => Some(in_a_circle(here, other, side)),
        _ => None,
    };
    let (about, words) = form::refusal(error)?;
    let words = cycle.unwrap_or(words);
    let mut page = page(keeper, here, side);
    page.refuse(about, words, other.map_or("", |other| other.name.as_str()));
    Ok(keeper.again(&page))
}

fn in_a_circle(here: &Group, other: &Group, side: Side) -> String {
    let (child, parent) = if side == Side::Outer { (other, here) } else { (here, other) };
    match child.id == parent.id {
        true => format!("{} cannot be in itself. Choose another group.", child.name),
        false => format!(
            "{parent} is in {child} already, so {child} cannot be in {parent}. Choose another group.",
            parent = parent.name,
            child = child.name
        ),
    }
}
