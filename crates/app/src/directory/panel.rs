//! Lists for the administration pages and the command line: people and groups by words or filter,
//! sorted, a page at a time, with counts.
//!
//! Shows everything: whoever calls has asked whether its reader may administer.

use std::cmp::Ordering;
use std::sync::Arc;

use ostiary_model::{Filter, Folded, Group, InvalidFilter, Schema, Timestamp, Truth, User};

use super::Directory;
use super::state::{Person, State, Unit};
use super::view::{Reader, View};

/// Which people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeopleState {
    /// All.
    #[default]
    Any,
    /// Those whose account is open.
    Active,
    /// Those whose account is closed.
    Disabled,
}

/// What people are sorted by; names decide between equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortKey {
    /// Full name.
    #[default]
    Name,
    /// Last sign-in; those who never signed in come last in either direction.
    Seen,
    /// Open accounts before closed ones.
    State,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeopleSort {
    /// By what.
    pub key: SortKey,
    /// From the end.
    pub descending: bool,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Counted from 1; what is beyond the last page is empty.
    pub number: usize,
    /// Rows on a page.
    pub size: usize,
}

impl Page {
    /// Everything on one page.
    pub const ALL: Self = Self { number: 1, size: usize::MAX };
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The rows of the page.
    pub rows: Vec<T>,
    /// How many there are on all pages.
    pub total: usize,
}

/// A group in a list.
#[derive(Debug, Clone)]
pub struct GroupRow {
    /// The group.
    pub group: Arc<Group>,
    /// How many people are in it themselves.
    pub members: usize,
}

/// What a search box holds.
enum Search {
    /// All of these words must be somewhere.
    Words(Vec<String>),
    /// An LDAP filter: it begins with a parenthesis.
    Filter(Filter),
}

impl Search {
    fn read(text: &str, schema: &Schema) -> Result<Self, InvalidFilter> {
        if text.trim_start().starts_with('(') {
            return Filter::parse(text, schema).map(Self::Filter);
        }
        Ok(Self::Words(Folded::new(text).as_str().split_whitespace().map(str::to_owned).collect()))
    }

    fn finds(&self, view: Option<View<'_>>, texts: &[&str]) -> bool {
        match self {
            Self::Words(words) => words.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str()))),
            Self::Filter(filter) => view.is_some_and(|view| filter.evaluate(&view) == Truth::True),
        }
    }
}

impl Directory {
    /// The people whom `search` finds: all words in name, user name, e-mail address or the names of
    /// their groups, or an LDAP filter.
    ///
    /// # Errors
    /// When `search` begins as a filter and is none.
    pub fn find_people(
        &self,
        now: Timestamp,
        search: &str,
        which: PeopleState,
        sort: PeopleSort,
        page: Page,
    ) -> Result<Found<Arc<User>>, InvalidFilter> {
        let state = self.read();
        let search = Search::read(search, &state.schema)?;
        let reader = Reader::everything(now);
        let mut found: Vec<&Person> = state
            .persons()
            .filter(|person| which.holds(&person.user, now) && self.finds_person(&search, &state, reader, person))
            .collect();
        found.sort_by(|left, right| sort.order(now, left, right));
        Ok(page.cut(&found, |person| Arc::clone(&person.user)))
    }

    /// The programs' accounts that are open, by name.
    pub fn service_accounts(&self, now: Timestamp) -> Vec<Arc<User>> {
        let state = self.read();
        let mut found: Vec<&Person> =
            state.persons().filter(|person| person.user.is_service && person.user.is_open(now)).collect();
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found.into_iter().map(|person| Arc::clone(&person.user)).collect()
    }

    /// The groups whose name `search` finds, or an LDAP filter does; by name.
    ///
    /// # Errors
    /// When `search` begins as a filter and is none.
    pub fn find_groups(&self, now: Timestamp, search: &str, page: Page) -> Result<Found<GroupRow>, InvalidFilter> {
        let state = self.read();
        let search = Search::read(search, &state.schema)?;
        let reader = Reader::everything(now);
        let is_found = |unit: &&Unit| search.finds(View::unit(&state, &self.tree, reader, unit), &[unit.name.as_str()]);
        let mut found: Vec<&Unit> = state.units().filter(is_found).collect();
        found.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(page.cut(&found, |unit| GroupRow { group: Arc::clone(&unit.group), members: unit.members.len() }))
    }

    fn finds_person(&self, search: &Search, state: &State, reader: Reader, person: &Person) -> bool {
        let mut texts = vec![
            person.name.as_str(),
            person.full_name_folded.as_str(),
            person.given_name.as_str(),
            person.family_name.as_str(),
        ];
        texts.extend(person.emails.iter().map(Folded::as_str));
        texts.extend(person.groups.iter().filter_map(|place| Some(state.unit_at(*place)?.name.as_str())));
        search.finds(View::person(state, &self.tree, reader, person), &texts)
    }
}

impl PeopleState {
    fn holds(self, user: &User, now: Timestamp) -> bool {
        match self {
            Self::Any => true,
            Self::Active => user.is_open(now),
            Self::Disabled => !user.is_open(now),
        }
    }
}

impl PeopleSort {
    fn order(self, now: Timestamp, left: &Person, right: &Person) -> Ordering {
        let by_name = (&left.full_name_folded, &left.name).cmp(&(&right.full_name_folded, &right.name));
        let direct = |order: Ordering| if self.descending { order.reverse() } else { order };
        match self.key {
            SortKey::Name => direct(by_name),
            SortKey::State => direct(right.user.is_open(now).cmp(&left.user.is_open(now))).then(by_name),
            SortKey::Seen => {
                let seen = |person: &Person| person.user.last_sign_in_at;
                let never = seen(left).is_none().cmp(&seen(right).is_none());
                never.then_with(|| direct(seen(left).cmp(&seen(right)))).then(by_name)
            }
        }
    }
}

impl Page {
    fn cut<T, R>(self, all: &[T], row: impl Fn(&T) -> R) -> Found<R> {
        let skipped = self.number.saturating_sub(1).saturating_mul(self.size);
        Found { rows: all.iter().skip(skipped).take(self.size).map(row).collect(), total: all.len() }
    }
}
