//! The attributes that people and groups have, and the object classes that were added.

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::routes::{ATTRIBUTES, below, segment};
use ostiary_model::{AttributeDef, AttributeKind, ObjectClass};

use super::keeper::{Keeper, Rail, Section};
use crate::frame::Frame;

/// The page.
#[derive(Template)]
#[template(path = "panel/attributes.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) custom: Vec<Row>,
    pub(crate) built_in: Vec<Row>,
    pub(crate) classes: Vec<ClassRow>,
}

/// An attribute in the list.
pub(crate) struct Row {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) on: &'static str,
    pub(crate) seen_by: &'static str,
    pub(crate) changed_by: &'static str,
}

/// An object class in the list.
pub(crate) struct ClassRow {
    pub(crate) delete: String,
    pub(crate) name: String,
    pub(crate) on: &'static str,
}

/// The page.
pub(crate) async fn show(keeper: Keeper) -> Response {
    let schema = keeper.app().directory().schema();
    let (built_in, custom): (Vec<&AttributeDef>, Vec<&AttributeDef>) = schema.defs().partition(|def| def.is_built_in());
    keeper.ok(&Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Attributes).at_start(),
        custom: custom.into_iter().map(row).collect(),
        built_in: built_in.into_iter().map(row).collect(),
        classes: schema.classes().iter().map(class_row).collect(),
    })
}

fn row(def: &AttributeDef) -> Row {
    Row {
        href: href(def),
        name: def.name.as_str().to_owned(),
        kind: kind_words(def.kind, def.is_list),
        on: on(def.on_users, def.on_groups),
        seen_by: if def.is_visible { "Everybody" } else { "Administrators" },
        changed_by: match (def.is_editable, def.on_users) {
            (true, true) => "People, on their own entry",
            _ => "Administrators",
        },
    }
}

fn class_row(class: &ObjectClass) -> ClassRow {
    let name = class.name.as_str();
    ClassRow {
        delete: below(&format!("{ATTRIBUTES}/object-classes/{}", segment(name)), "delete"),
        name: name.to_owned(),
        on: on(class.on_users, class.on_groups),
    }
}

/// The page of an attribute.
pub(super) fn href(def: &AttributeDef) -> String {
    format!("{ATTRIBUTES}/{}", def.number)
}

/// What the values of an attribute are, and how many there may be.
pub(super) fn kind_words(kind: AttributeKind, is_list: bool) -> String {
    let (_, words) = KINDS.iter().find(|(own, _)| *own == kind).copied().unwrap_or((kind, ""));
    if is_list { format!("{words}, several") } else { words.to_owned() }
}

/// What values can be.
pub(super) const KINDS: [(AttributeKind, &str); 5] = [
    (AttributeKind::String, "Text"),
    (AttributeKind::Integer, "Whole number"),
    (AttributeKind::Boolean, "Yes or no"),
    (AttributeKind::DateTime, "Date and time"),
    (AttributeKind::Jpeg, "Picture"),
];

const fn on(users: bool, groups: bool) -> &'static str {
    match (users, groups) {
        (true, true) => "People and groups",
        (true, false) => "People",
        (false, true) => "Groups",
        (false, false) => "Nothing",
    }
}
