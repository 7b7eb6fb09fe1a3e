//! Deleting an attribute with all its values, and taking an object class away.

use axum::response::Response;
use ostiary_app::directory::{self, PeopleSort, PeopleState};
use ostiary_httpkit::routes::ATTRIBUTES;
use ostiary_httpkit::{CsrfForm, Path, Problem};
use ostiary_model::{AttributeDef, ObjectClass};
use serde::Deserialize;

use super::ask::{Ask, Page, Typed};
use super::attribute_form::named;
use super::attributes::href;
use super::keeper::{Keeper, Section};
use crate::done::{Done, Note};
use crate::form;
use crate::notice::Notice;
use crate::words;

/// The name, typed once more.
#[derive(Deserialize)]
pub(crate) struct Named {
    name: String,
}

/// Nothing but the token.
#[derive(Deserialize)]
pub(crate) struct Sure {}

/// Asks before an attribute goes.
pub(crate) async fn ask(keeper: Keeper, Path(number): Path) -> Result<Response, Problem> {
    let def = deletable(&keeper, &number)?;
    Ok(keeper.ok(&page(&keeper, question(&keeper, &def, None), None)))
}

/// Deletes it, once its name was typed.
pub(crate) async fn delete(
    keeper: Keeper,
    Path(number): Path,
    CsrfForm(typed): CsrfForm<Named>,
) -> Result<Response, Problem> {
    let def = deletable(&keeper, &number)?;
    if !typed.name.trim().eq_ignore_ascii_case(def.name.as_str()) {
        let error = format!("This is not the name of the attribute. Type {}.", def.name.as_str());
        let notice = Notice::bad("Nothing was deleted").line(error.clone());
        return Ok(keeper.again(&page(&keeper, question(&keeper, &def, Some(error)), Some(notice))));
    }
    match keeper.app().attribute_delete(&keeper.door.ctx, def.number).await {
        Ok(()) => Ok(keeper.done(ATTRIBUTES, &Note::new(Done::AttributeDeleted, def.name.as_str()))),
        Err(error) => {
            let (about, words) = form::refusal(error)?;
            let notice = form::notice(about, &words);
            Ok(keeper.again(&page(&keeper, question(&keeper, &def, None), Some(notice))))
        }
    }
}

/// Asks before an object class goes.
pub(crate) async fn ask_class(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let class = class(&keeper, &name)?;
    let ask = Ask {
        title: format!("Remove the object class {}?", class.name.as_str()),
        lead: "At once, programs that look for entries of this class find none of ours.".to_owned(),
        after: "Entries keep everything else. You can add the class again at any time.".to_owned(),
        verb: "Remove",
        is_bad: true,
        back: ATTRIBUTES.to_owned(),
        ..Ask::default()
    };
    Ok(keeper.ok(&page(&keeper, ask, None)))
}

/// Takes it away.
pub(crate) async fn delete_class(
    keeper: Keeper,
    Path(name): Path,
    CsrfForm(Sure {}): CsrfForm<Sure>,
) -> Result<Response, Problem> {
    let class = class(&keeper, &name)?;
    let name = class.name.as_str();
    keeper.app().object_class_delete(&keeper.door.ctx, name).await.map_err(form::problem)?;
    Ok(keeper.done(ATTRIBUTES, &Note::new(Done::ClassDeleted, name)))
}

fn deletable(keeper: &Keeper, number: &str) -> Result<AttributeDef, Problem> {
    named(keeper, number).and_then(|def| if def.is_built_in() { Err(Problem::not_found()) } else { Ok(def) })
}

fn class(keeper: &Keeper, name: &str) -> Result<ObjectClass, Problem> {
    let schema = keeper.app().directory().schema();
    let found = schema.classes().iter().find(|class| class.name.as_str().eq_ignore_ascii_case(name));
    found.cloned().ok_or_else(Problem::not_found)
}

fn question(keeper: &Keeper, def: &AttributeDef, error: Option<String>) -> Ask {
    let name = def.name.as_str();
    Ask {
        title: format!("Delete the attribute {name}?"),
        lead: "At once and for good:".to_owned(),
        points: vec![losing(keeper, def), "programs that ask for it over LDAP find nothing.".to_owned()],
        after: "A new attribute of this name begins empty.".to_owned(),
        typed: Some(Typed { label: "Attribute name", wanted: name.to_owned(), error }),
        verb: "Delete",
        is_bad: true,
        back: href(def),
        ..Ask::default()
    }
}

/// How many entries have values of it.
fn losing(keeper: &Keeper, def: &AttributeDef) -> String {
    let (directory, now) = (keeper.app().directory(), keeper.door.ctx.now);
    let filter = format!("({}=*)", def.name.as_str());
    let first = directory::Page { number: 1, size: 1 };
    let people = directory.find_people(now, &filter, PeopleState::Any, PeopleSort::default(), first);
    let groups = directory.find_groups(now, &filter, first);
    let counts = [
        (people.map_or(0, |found| found.total), "person", "people"),
        (groups.map_or(0, |found| found.total), "group", "groups"),
    ];
    let some: Vec<String> = counts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| words::count(count, one, many))
        .collect();
    let all: usize = counts.iter().map(|(count, ..)| count).sum();
    match all {
        0 => "nobody has a value of it,".to_owned(),
        1 => format!("{} loses what it holds,", words::listed(&some)),
        _ => format!("{} lose what it holds,", words::listed(&some)),
    }
}

fn page(keeper: &Keeper, ask: Ask, notice: Option<Notice>) -> Page {
    Page { frame: keeper.frame(), rail: keeper.rail(Section::Attributes), notice, ask }
}
