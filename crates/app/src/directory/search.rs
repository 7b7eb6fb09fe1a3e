//! Searching: which entries in a part of the tree match a filter.
//!
//! A search is a [`Cursor`] that is moved a slice at a time, so that a long one neither blocks
//! others nor gathers its result in memory, and so that pages of results can be asked for. Where
//! the filter names values that are indexed it looks at those entries alone; where not, it walks.
//! Results come in one order: base, branches, people by user name, groups by name.

use std::ops::Bound;
use std::vec;

use ostiary_model::{Assertion, Attribute, Dn, Filter, Folded, GroupId, Truth, UserId};
use thiserror::Error;

use super::Directory;
use super::state::{State, Target};
use super::tree::{Found, Tree};
use super::view::{Reader, View, refers_to};

/// How much of the tree is meant (RFC 4511 section 4.5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The base of the search alone.
    Base,
    /// What stands directly below it.
    One,
    /// It and everything below.
    Subtree,
    /// Everything below it (draft-sermersheim-ldap-subordinate-scope).
    Children,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Where to begin.
    pub base: Dn,
    /// How far to go.
    pub scope: Scope,
    /// What must match.
    pub filter: Filter,
}

/// There is no such entry, or it may not be seen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no such object")]
pub struct NoSuchObject {
    /// The name of the deepest entry on the way that may be seen; empty when there is none (RFC 4511
    /// section 4.1.9).
    pub matched: String,
}

/// A search on its way.
#[derive(Debug)]
pub struct Cursor {
    query: Query,
    region: Region,
    plan: Plan,
    /// How many entries one slice looks at: fewer where the filter has many terms.
    slice: usize,
}

#[derive(Debug)]
enum Plan {
    /// These and no others can match.
    Listed(vec::IntoIter<Target>),
    Heads(vec::IntoIter<Target>),
    /// People after this name.
    People(Bound<Folded>),
    /// Groups after this name.
    Groups(Bound<Folded>),
    Done,
}

/// The entries that base and scope mean.
#[derive(Debug, Clone, Copy)]
struct Region {
    target: Target,
    scope: Scope,
}

impl Region {
    fn contains(self, entry: Target) -> bool {
        let is_target = entry == self.target;
        let parent = match entry {
            Target::Base => None,
            Target::People | Target::Groups => Some(Target::Base),
            Target::Person(_) => Some(Target::People),
            Target::Group(_) => Some(Target::Groups),
        };
        let is_below = parent == Some(self.target) || (self.target == Target::Base && entry != Target::Base);
        match self.scope {
            Scope::Base => is_target,
            Scope::One => parent == Some(self.target),
            Scope::Subtree => is_target || is_below,
            Scope::Children => is_below,
        }
    }

    fn has_people(self) -> bool {
        self.scope != Scope::Base
            && (self.target == Target::People || (self.target == Target::Base && self.scope != Scope::One))
    }

    fn has_groups(self) -> bool {
        self.scope != Scope::Base
            && (self.target == Target::Groups || (self.target == Target::Base && self.scope != Scope::One))
    }
}

impl Directory {
    /// Begins a search as `reader`.
    ///
    /// # Errors
    /// [`NoSuchObject`] when the base is not there for `reader`.
    pub fn search(&self, reader: Reader, query: Query) -> Result<Cursor, NoSuchObject> {
        let target = self.find(reader, &query.base)?;
        let region = Region { target, scope: query.scope };
        let state = self.read();
        let plan = match candidates(&state, &self.tree, reader, region, &query.filter) {
            Some(mut list) => {
                list.retain(|entry| region.contains(*entry));
                list.sort_by_cached_key(|entry| place(&state, *entry));
                list.dedup();
                Plan::Listed(list.into_iter())
            }
            None => Plan::Heads(vec![Target::Base, Target::People, Target::Groups].into_iter()),
        };
        drop(state);
        let slice = (65_536 / query.filter.size().max(1)).clamp(16, 1024);
        Ok(Cursor { query, region, plan, slice })
    }

    /// The next entries that match, maybe none; `None` when the search is over. `reader` is asked
    /// for again, since rights may have changed since the search began.
    pub fn next(&self, reader: Reader, cursor: &mut Cursor) -> Option<Vec<Target>> {
        let state = self.read();
        let slice = cursor.advance(&state)?;
        let matches = |entry: &Target| {
            View::new(&state, &self.tree, reader, *entry)
                .is_some_and(|view| cursor.query.filter.evaluate(&view) == Truth::True)
        };
        Some(slice.into_iter().filter(matches).collect())
    }

    /// The entry that `dn` names, if `reader` may see it.
    ///
    /// # Errors
    /// [`NoSuchObject`].
    pub fn find(&self, reader: Reader, dn: &Dn) -> Result<Target, NoSuchObject> {
        let state = self.read();
        let sees = |target: &Target| View::new(&state, &self.tree, reader, *target).is_some();
        let nearest = match self.tree.resolve(&state, dn) {
            Found::Entry(target) if sees(&target) => return Ok(target),
            Found::Entry(Target::Person(_)) => Some(Target::People),
            Found::Entry(_) => Some(Target::Groups),
            Found::Nearest(Some(Target::Person(id))) if !sees(&Target::Person(id)) => Some(Target::People),
            Found::Nearest(Some(Target::Group(id))) if !sees(&Target::Group(id)) => Some(Target::Groups),
            Found::Nearest(nearest) => nearest,
        };
        let matched = nearest.and_then(|nearest| self.tree.name_of(&state, nearest)).unwrap_or_default();
        Err(NoSuchObject { matched })
    }

    /// Shows an entry to `with`. `None` when it is gone or `reader` may not see it.
    pub fn view<T>(&self, reader: Reader, target: Target, with: impl FnOnce(&View<'_>) -> T) -> Option<T> {
        let state = self.read();
        View::new(&state, &self.tree, reader, target).map(|view| with(&view))
    }

    /// The account that `dn` names.
    ///
    /// # Errors
    /// The form under which the name is counted when it names none: one person's name is the same
    /// in any spelling.
    pub fn account(&self, dn: &Dn) -> Result<UserId, Folded> {
        match self.tree.resolve(&self.read(), dn) {
            Found::Entry(Target::Person(id)) => Ok(id),
            _ => Err(self.tree.user_name(dn).unwrap_or_else(|| dn.folded())),
        }
    }

    /// The distinguished name of an account.
    #[must_use]
    pub fn dn_of(&self, user: UserId) -> Option<String> {
        self.tree.name_of(&self.read(), Target::Person(user))
    }

    /// The name of the base.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.tree.base_text
    }
}

impl Cursor {
    /// What was asked for.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// The next entries to look at.
    fn advance(&mut self, state: &State) -> Option<Vec<Target>> {
        let region = self.region;
        let mut slice = Vec::new();
        match &mut self.plan {
            Plan::Done => return None,
            Plan::Listed(rest) => {
                slice.extend(rest.by_ref().take(self.slice));
                if slice.is_empty() {
                    self.plan = Plan::Done;
                    return None;
                }
            }
            Plan::Heads(heads) => {
                slice.extend(heads.filter(|head| region.contains(*head)));
                self.plan = if region.has_people() { Plan::People(Bound::Unbounded) } else { after_people(region) };
            }
            Plan::People(from) => {
                let range = (std::mem::replace(from, Bound::Unbounded), Bound::Unbounded);
                let mut last = None;
                for (name, id) in state.by_name.range(range).take(self.slice) {
                    slice.push(Target::Person(*id));
                    last = Some(name);
                }
                self.plan = match last {
                    Some(name) if slice.len() == self.slice => Plan::People(Bound::Excluded(name.clone())),
                    _ => after_people(region),
                };
            }
            Plan::Groups(from) => {
                let range = (std::mem::replace(from, Bound::Unbounded), Bound::Unbounded);
                let mut last = None;
                for (name, id) in state.by_unit_name.range(range).take(self.slice) {
                    slice.push(Target::Group(*id));
                    last = Some(name);
                }
                self.plan = match last {
                    Some(name) if slice.len() == self.slice => Plan::Groups(Bound::Excluded(name.clone())),
                    _ => Plan::Done,
                };
            }
        }
        Some(slice)
    }
}

const fn done_or_groups(has_groups: bool) -> Plan {
    if has_groups { Plan::Groups(Bound::Unbounded) } else { Plan::Done }
}

fn after_people(region: Region) -> Plan {
    done_or_groups(region.has_groups())
}

/// Where an entry stands in the order of results.
fn place(state: &State, entry: Target) -> (u8, Option<Folded>) {
    match entry {
        Target::Base => (0, None),
        Target::People => (1, None),
        Target::Groups => (2, None),
        Target::Person(id) => (3, state.person(id).map(|person| person.name.clone())),
        Target::Group(id) => (4, state.unit(id).map(|unit| unit.name.clone())),
    }
}

/// A list outside of which nothing can match, if there is a short one: a single entry, what a
/// regular reader sees, or what the indexes say of the filter.
fn candidates(state: &State, tree: &Tree, reader: Reader, region: Region, filter: &Filter) -> Option<Vec<Target>> {
    if region.scope == Scope::Base || matches!(region.target, Target::Person(_) | Target::Group(_)) {
        return Some(vec![region.target]);
    }
    if !reader.sees_all() {
        let own = state.person(reader.user).into_iter().flat_map(|person| &person.groups);
        let mut list = vec![Target::Base, Target::People, Target::Groups, Target::Person(reader.user)];
        list.extend(own.map(|group| Target::Group(*group)));
        return Some(list);
    }
    indexed(state, tree, filter)
}

/// The entries that `filter` can match, if indexes can tell. May hold more, never fewer.
fn indexed(state: &State, tree: &Tree, filter: &Filter) -> Option<Vec<Target>> {
    match filter {
        Filter::Undefined => Some(Vec::new()),
        Filter::And(terms) => terms.iter().filter_map(|term| indexed(state, tree, term)).min_by_key(Vec::len),
        Filter::Or(terms) => {
            // Many terms may name the same entries again and again: then a walk is shorter.
            let counts = state.counts();
            let (mut list, most) = (Vec::new(), counts.people + counts.groups);
            for term in terms {
                list.append(&mut indexed(state, tree, term)?);
                if list.len() > most {
                    return None;
                }
            }
            Some(list)
        }
        Filter::Equal(attribute, value) => by_value(state, tree, *attribute, value),
        _ => None,
    }
}

fn by_value(state: &State, tree: &Tree, attribute: Attribute, value: &Assertion) -> Option<Vec<Target>> {
    let person = |id: UserId| Target::Person(id);
    let group = |id: GroupId| Target::Group(id);
    Some(match (attribute, value) {
        (Attribute::Uid, Assertion::Text(name)) => {
            let persons = state.person_by_name(name.as_str()).map(person).into_iter();
            persons.chain(state.unit_by_name(name.as_str()).map(group)).collect()
        }
        (Attribute::Cn | Attribute::DisplayName, Assertion::Text(name)) => {
            let persons = state.persons_by_full_name(name.as_str()).map(person);
            persons.chain(state.unit_by_name(name.as_str()).map(group)).collect()
        }
        (Attribute::Mail, Assertion::Text(name)) => {
            state.person_by_email(name.as_str()).map(person).into_iter().collect()
        }
        (Attribute::Ou | Attribute::Dc | Attribute::O, _) => vec![Target::Base, Target::People, Target::Groups],
        (Attribute::EntryUuid, Assertion::Uuid(id)) => vec![person((*id).into()), group((*id).into())],
        (
            Attribute::EntryDn | Attribute::Member | Attribute::UniqueMember | Attribute::MemberOf,
            Assertion::Reference(reference),
        ) => match (attribute, refers_to(state, tree, attribute, reference)) {
            (_, None) => Vec::new(),
            (Attribute::EntryDn, Some(entry)) => vec![entry],
            (Attribute::MemberOf, Some(Target::Group(id))) => {
                state.unit(id).into_iter().flat_map(|unit| &unit.members).copied().map(person).collect()
            }
            (_, Some(Target::Person(id))) if attribute != Attribute::MemberOf => {
                state.person(id).into_iter().flat_map(|person| &person.groups).copied().map(group).collect()
            }
            _ => Vec::new(),
        },
        _ => return None,
    })
}
