//! All groups: search, pages, and how many people are in each.

use askama::Template;
use axum::response::Response;
use ostiary_app::directory::{self, GroupRow};
use ostiary_httpkit::Query;
use ostiary_httpkit::routes::{self, GROUPS, segment};
use ostiary_model::Group;
use serde::Deserialize;

use super::group::about;
use super::keeper::{Inside, Rail, Section};
use super::own_groups;
use super::paging::{PER_PAGE, Paging, page_of};
use crate::frame::Frame;
use crate::words;

/// The page.
#[derive(Template)]
#[template(path = "panel/groups.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) q: String,
    pub(crate) filter_error: Option<String>,
    pub(crate) caption: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) paging: Option<Paging>,
    /// Whether there are no groups but those that rights hang from.
    pub(crate) is_first: bool,
}

/// A group in the list.
pub(crate) struct Row {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) members: String,
    pub(crate) about: &'static str,
}

/// What the address says.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    page: Option<usize>,
}

/// The list.
pub(crate) async fn show(inside: Inside, Query(asked): Query<Asked>) -> Response {
    let keeper = match inside {
        Inside::Keeper(keeper) => keeper,
        Inside::Manager(manager) => return own_groups::list(&manager),
    };
    let found = keeper.app().directory().find_groups(keeper.door.ctx.now, &asked.q, directory::Page::ALL);

    let (rows, error) = match found {
        Ok(found) => (found.rows, None),
        Err(error) => (Vec::new(), Some(format!("{error}."))),
    };
    let total = rows.len();
    let number = page_of(asked.page, total);
    let address = |page| match asked.q.as_str() {
        "" => format!("{GROUPS}?page={page}"),
        q => format!("{GROUPS}?q={}&page={page}", segment(q)),
    };
    keeper.ok(&Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::Groups).at_start(),
        filter_error: error,
        caption: words::count(total, "group", "groups"),
        is_first: asked.q.is_empty() && rows.iter().all(|row| row.group.is_built_in()),
        rows: rows.iter().skip((number - 1) * PER_PAGE).take(PER_PAGE).map(Row::from).collect(),
        paging: Paging::new(number, total, address),
        q: asked.q,
    })
}

impl From<&GroupRow> for Row {
    fn from(row: &GroupRow) -> Self {
        Self::new(&row.group, row.members)
    }
}

impl Row {
    /// A group with so many people in it themselves.
    pub(super) fn new(group: &Group, members: usize) -> Self {
        Self {
            href: routes::group(group),
            name: group.name.to_string(),
            members: words::count(members, "person", "people"),
            about: about(group),
        }
    }
}
