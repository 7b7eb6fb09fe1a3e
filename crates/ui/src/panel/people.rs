//! Everybody: search, sort, pages, and a pick of several.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::response::Response;
use ostiary_app::directory::{self, PeopleSort, PeopleState, SortKey};
use ostiary_httpkit::routes::{self, PEOPLE, segment};
use ostiary_httpkit::{CertificatesShown, Problem, Query};
use ostiary_model::User;
use serde::Deserialize;

use super::badges::{self, Badge};
use super::keeper::{Keeper, Rail, Section};
use super::paging::{PER_PAGE, Paging, page_of};
use super::system;
use crate::face::Face;
use crate::frame::Frame;
use crate::words::{self, When};

/// The page.
#[derive(Template)]
#[template(path = "panel/people.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    /// What the page System has more about, when it cannot wait.
    pub(crate) pressing: Option<system::Pressing>,
    pub(crate) q: String,
    pub(crate) filter_error: Option<String>,
    pub(crate) states: Vec<Choice>,
    pub(crate) sort_kept: Option<String>,
    pub(crate) caption: String,
    pub(crate) heads: Vec<Head>,
    pub(crate) rows: Vec<Row>,
    pub(crate) paging: Option<Paging>,
    pub(crate) nobody: Nobody,
}

/// A choice of the state list.
pub(crate) struct Choice {
    pub(crate) value: &'static str,
    pub(crate) label: &'static str,
    pub(crate) is_chosen: bool,
}

/// The head of a column.
pub(crate) struct Head {
    pub(crate) label: &'static str,
    pub(crate) href: Option<String>,
    /// The value of `aria-sort`; empty when the list is not sorted by it.
    pub(crate) order: &'static str,
}

/// A person in the list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) face: Face,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) groups: Vec<String>,
    pub(crate) has_totp: bool,
    pub(crate) seen: Option<When>,
    pub(crate) badges: Vec<Badge>,
}

/// What stands there when nobody is found.
pub(crate) struct Nobody {
    pub(crate) title: String,
    pub(crate) text: String,
}

/// What the address says.
#[derive(Deserialize, Default, Clone)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    sort: String,
    page: Option<usize>,
}

/// The list.
pub(crate) async fn show(
    keeper: Keeper,
    Extension(certificates): Extension<CertificatesShown>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let directory = keeper.app().directory();
    let which = state_of(&asked.state);
    let sort = sort_of(&asked.sort);
    let part = |number| directory::Page { number, size: PER_PAGE };

    let found = directory.find_people(keeper.door.ctx.now, &asked.q, which, sort, part(asked.page.unwrap_or(1).max(1)));
    let (found, number, error) = match found {
        Ok(found) => {
            let number = page_of(asked.page, found.total);
            // An address from before people were deleted may lie beyond the end.
            let found = match asked.page {
                Some(beyond) if beyond > number => {
                    directory.find_people(keeper.door.ctx.now, &asked.q, which, sort, part(number))
                }
                _ => Ok(found),
            };
            (found.ok(), number, None)
        }
        Err(error) => (None, 1, Some(format!("{error}."))),
    };

    let (rows, total) = found.map(|found| (found.rows, found.total)).unwrap_or_default();
    let rows = rows.iter().map(|user| row(&keeper, user)).collect();
    let mut page = page(&keeper, asked, number, Listed { rows, total, error });
    page.pressing = system::pressing(&certificates.now(), keeper.door.ctx.now);
    Ok(keeper.ok(&page))
}

struct Listed {
    rows: Vec<Row>,
    total: usize,
    error: Option<String>,
}

fn page(keeper: &Keeper, asked: Asked, number: usize, listed: Listed) -> Page {
    let sort = sort_of(&asked.sort);
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People).at_start(),
        pressing: None,
        states: states(state_of(&asked.state)),
        sort_kept: (!asked.sort.is_empty()).then(|| asked.sort.clone()),
        caption: format!("{}, {}", words::count(listed.total, "person", "people"), by(sort)),
        heads: heads(&asked, sort),
        rows: listed.rows,
        paging: Paging::new(number, listed.total, |page| address(&asked, &asked.sort, page)),
        nobody: nobody(&asked, listed.error.is_some()),
        filter_error: listed.error,
        q: asked.q,
    }
}

fn row(keeper: &Keeper, user: &Arc<User>) -> Row {
    let groups = keeper.app().directory().groups_of(user.id);
    Row {
        id: user.id.to_string(),
        href: routes::person(user),
        face: Face::of(user),
        name: user.profile.full_name(),
        email: user.profile.email.to_string(),
        groups: groups.iter().map(|group| group.name.to_string()).collect(),
        has_totp: user.has_totp,
        seen: user.last_sign_in_at.map(|at| When::new(keeper.door.ctx.now, at)),
        badges: badges::of(user, keeper.door.ctx.now),
    }
}

fn state_of(text: &str) -> PeopleState {
    match text {
        "active" => PeopleState::Active,
        "disabled" => PeopleState::Disabled,
        _ => PeopleState::Any,
    }
}

fn states(chosen: PeopleState) -> Vec<Choice> {
    [
        ("", "All", PeopleState::Any),
        ("active", "Active", PeopleState::Active),
        ("disabled", "Disabled", PeopleState::Disabled),
    ]
    .into_iter()
    .map(|(value, label, state)| Choice { value, label, is_chosen: state == chosen })
    .collect()
}

fn sort_of(text: &str) -> PeopleSort {
    let (descending, key) = match text.strip_prefix('-') {
        Some(key) => (true, key),
        None => (false, text),
    };
    match key {
        "seen" => PeopleSort { key: SortKey::Seen, descending },
        "state" => PeopleSort { key: SortKey::State, descending },
        "name" => PeopleSort { key: SortKey::Name, descending },
        _ => PeopleSort::default(),
    }
}

fn by(sort: PeopleSort) -> &'static str {
    match (sort.key, sort.descending) {
        (SortKey::Name, false) => "by name",
        (SortKey::Name, true) => "by name, from the end",
        (SortKey::Seen, true) => "by last sign-in, latest first",
        (SortKey::Seen, false) => "by last sign-in, earliest first",
        (SortKey::State, false) => "by state, active first",
        (SortKey::State, true) => "by state, disabled first",
    }
}

fn heads(asked: &Asked, sort: PeopleSort) -> Vec<Head> {
    let plain = |label| Head { label, href: None, order: "" };
    // The latest first is what somebody wants who sorts by time.
    let sorted = |label, key, name: &str, first_descending: bool| {
        let is_it = sort.key == key;
        let descending = if is_it { !sort.descending } else { first_descending };
        let wanted = if descending { format!("-{name}") } else { name.to_owned() };
        let order = match (is_it, sort.descending) {
            (false, _) => "",
            (true, false) => "ascending",
            (true, true) => "descending",
        };
        Head { label, href: Some(address(asked, &wanted, 1)), order }
    };
    vec![
        sorted("Person", SortKey::Name, "name", false),
        plain("Groups"),
        plain("Second step"),
        sorted("Last sign-in", SortKey::Seen, "seen", true),
        sorted("State", SortKey::State, "state", false),
    ]
}

fn address(asked: &Asked, sort: &str, page: usize) -> String {
    let parts = [("q", asked.q.as_str()), ("state", asked.state.as_str()), ("sort", sort)];
    let mut query: Vec<String> = parts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", segment(value)))
        .collect();
    if page > 1 {
        query.push(format!("page={page}"));
    }
    if query.is_empty() { PEOPLE.to_owned() } else { format!("{PEOPLE}?{}", query.join("&")) }
}

fn nobody(asked: &Asked, is_broken: bool) -> Nobody {
    let text = match (is_broken, asked.q.is_empty()) {
        (true, _) => "Correct the filter, or search for words.".to_owned(),
        (false, true) => "Nobody is in this state.".to_owned(),
        (false, false) => format!("Nobody has “{}” in name, e-mail address or groups.", asked.q),
    };
    Nobody { title: "Nobody matches".to_owned(), text }
}
