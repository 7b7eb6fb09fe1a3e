//! Lists for the administration pages and the command line: people and groups by words or filter,
//! sorted, a page at a time, with counts.
//!
//! Shows everything: whoever calls has asked whether its reader may administer.

use std::cmp::Ordering;
use std::sync::Arc;

use ostiary_model::{Filter, Folded, Group, InvalidFilter, Schema, Timestamp, Truth, User};

use super::entry::{Person, Text, Unit};
use super::index::Place;
use super::state::State;
use super::view::{Reader, View};
use super::{Directory, people};

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

    /// Whether it finds the entry at `place`, of which `has` says whether a word is in it.
    fn finds(
        &self,
        directory: &Directory,
        state: &State,
        now: Timestamp,
        place: Place,
        has: impl Fn(&str) -> bool,
    ) -> bool {
        match self {
            Self::Words(words) => words.iter().all(|word| has(word)),
            Self::Filter(filter) => View::at(state, &directory.tree, Reader::everything(now), place)
                .is_some_and(|view| filter.evaluate(&view) == Truth::True),
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
        let is_found = |(place, person): &(u32, &Person)| {
            let has = |word: &str| has_word(&state, person, word);
            which.holds(&person.user, now) && search.finds(self, &state, now, Place::Person(*place), has)
        };
        let found = state.persons().filter(is_found).map(|(_, person)| person).collect();
        Ok(page.cut(found, |left, right| sort.order(now, left, right), |person| Arc::clone(&person.user)))
    }

    /// The programs' accounts that are open, by name.
    pub fn service_accounts(&self, now: Timestamp) -> Vec<Arc<User>> {
        let state = self.read();
        let persons = state.persons().map(|(_, person)| person);
        people(persons.filter(|person| person.user.is_service && person.user.is_open(now)))
    }

    /// The groups whose name `search` finds, or an LDAP filter does; by name.
    ///
    /// # Errors
    /// When `search` begins as a filter and is none.
    pub fn find_groups(&self, now: Timestamp, search: &str, page: Page) -> Result<Found<GroupRow>, InvalidFilter> {
        let state = self.read();
        let search = Search::read(search, &state.schema)?;
        let is_found = |(place, unit): &(u32, &Unit)| {
            search.finds(self, &state, now, Place::Unit(*place), |word| unit.name.as_str().contains(word))
        };
        let found = state.units().filter(is_found).map(|(_, unit)| unit).collect();
        let row = |unit: &Unit| GroupRow { group: Arc::clone(&unit.group), members: unit.members.len() };
        Ok(page.cut(found, |left, right| left.name.cmp(&right.name), row))
    }
}

/// Whether `word` is in a name, an address or the name of a group of somebody.
fn has_word(state: &State, person: &Person, word: &str) -> bool {
    let names = [Text::Username, Text::FullName, Text::GivenName, Text::FamilyName].map(|text| person.folded(text));
    let groups = person.groups.iter().filter_map(|place| Some(state.unit_at(*place)?.name.as_str()));
    names.into_iter().chain(person.mails()).chain(groups).any(|text| text.contains(word))
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
        let [left_name, right_name] = [left, right].map(|one| (one.folded(Text::FullName), one.folded(Text::Username)));
        let by_name = left_name.cmp(&right_name);
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
    /// The rows of this page. No more than they are sorted: with many people that takes longer than
    /// anything else, and meanwhile nobody may write.
    fn cut<T, R>(self, mut all: Vec<&T>, order: impl Fn(&T, &T) -> Ordering, row: impl Fn(&T) -> R) -> Found<R> {
        let total = all.len();
        let start = self.number.saturating_sub(1).saturating_mul(self.size).min(total);
        let end = start.saturating_add(self.size).min(total);
        let order = |left: &&T, right: &&T| order(left, right);
        if end < total {
            all.select_nth_unstable_by(end, order);
            all.truncate(end);
        }
        if (1..end).contains(&start) {
            all.select_nth_unstable_by(start, order);
        }
        let mut rows = all.split_off(start);
        rows.sort_unstable_by(order);
        Found { rows: rows.into_iter().map(row).collect(), total }
    }
}
