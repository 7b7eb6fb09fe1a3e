//! Searching: which entries in a part of the tree match a filter.
//!
//! A search is a [`Cursor`] that is moved a slice at a time, so that a long one neither blocks
//! others nor gathers its result in memory, and so that pages of results can be asked for. Where
//! the filter names values that are indexed it looks at those entries alone; where not, it walks.
//! Results come in one order: base, branches, people, groups; the last two as they stand in memory.

use std::vec;

use ostiary_model::{Dn, Filter, Folded, Truth, UserId};
use thiserror::Error;

use super::Directory;
use super::index::Place;
use super::plan::{HEADS, plan};
use super::state::{State, Target};
use super::tree::{Found, Tree};
use super::view::{Reader, View};

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
    /// How many entries one slice looks at: fewer where the filter has many terms or groups are large.
    slice: usize,
}

/// What becomes of an entry that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken; more are wanted.
    GoOn,
    /// It was taken; the next ones later.
    Enough,
    /// It was not taken, and is found again the next time.
    No,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// There may be more.
    More,
    /// Everything was found.
    Over,
}

#[derive(Debug)]
enum Plan {
    /// These and no others can match.
    Listed(vec::IntoIter<Place>),
    /// The base and the branches, from this one on.
    Heads(usize),
    /// People from this place on.
    People(u32),
    /// Groups from this place on.
    Groups(u32),
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
            Some(places) => Plan::Listed(places.into_iter()),
            None => Plan::Heads(0),
        };
        drop(state);
        let slice = (65_536 / query.filter.size().max(1)).clamp(16, 1024);
        Ok(Cursor { query, region, plan, slice })
    }

    /// Hands entries that match to `take` as they are found, until it has enough, or a slice has
    /// been looked at: then others have their turn. `reader` is asked for again, since rights may
    /// have changed since the search began.
    pub fn step(&self, reader: Reader, cursor: &mut Cursor, take: &mut dyn FnMut(&View<'_>) -> Taken) -> Stepped {
        let state = self.read();
        let mut left = cursor.slice;
        while left > 0 {
            let Some(found) = cursor.look(&state, &self.tree, reader) else { return Stepped::Over };
            left = left.saturating_sub(found.as_ref().map_or(1, View::weight));
            let Some(view) = found.filter(|view| cursor.query.filter.evaluate(view) == Truth::True) else {
                cursor.advance();
                continue;
            };
            match take(&view) {
                Taken::GoOn => cursor.advance(),
                Taken::Enough => {
                    cursor.advance();
                    return Stepped::More;
                }
                Taken::No => return Stepped::More,
            }
        }
        Stepped::More
    }

    /// The next entries that match, maybe none; `None` when the search is over.
    pub fn next(&self, reader: Reader, cursor: &mut Cursor) -> Option<Vec<Target>> {
        let mut found = Vec::new();
        let stepped = self.step(reader, cursor, &mut |view| {
            found.push(view.target());
            Taken::GoOn
        });
        (stepped == Stepped::More || !found.is_empty()).then_some(found)
    }

    /// The entry that `dn` names, if `reader` may see it.
    ///
    /// # Errors
    /// [`NoSuchObject`].
    pub fn find(&self, reader: Reader, dn: &Dn) -> Result<Target, NoSuchObject> {
        let state = self.read();
        let seen = |place: Place| View::at(&state, &self.tree, reader, place).map(|view| view.target());
        let nearest = match self.tree.resolve(&state, dn) {
            Found::Entry(place) => match seen(place) {
                Some(target) => return Ok(target),
                None => Some(above(place)),
            },
            Found::Nearest(nearest) => nearest.map(|place| seen(place).map_or(above(place), |_| place)),
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
        let state = self.read();
        let person = match self.tree.resolve(&state, dn) {
            Found::Entry(Place::Person(place)) => state.person_at(place),
            _ => None,
        };
        person.map(|person| person.id).ok_or_else(|| self.tree.user_name(dn).unwrap_or_else(|| dn.folded()))
    }

    /// The distinguished name of an account.
    #[must_use]
    pub fn dn_of(&self, user: UserId) -> Option<String> {
        let state = self.read();
        self.tree.name_of(&state, Place::Person(state.person_place(user)?))
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

    /// The entry that is looked at now, if it is meant and `reader` may see it; `None` when there is
    /// none left.
    fn look<'a>(&mut self, state: &'a State, tree: &'a Tree, reader: Reader) -> Option<Option<View<'a>>> {
        let place = loop {
            match &self.plan {
                Plan::Done => return None,
                Plan::Listed(rest) => break *rest.as_slice().first()?,
                Plan::Heads(at) => match HEADS.get(*at) {
                    Some(head) => break *head,
                    None => self.plan = if self.region.has_people() { Plan::People(0) } else { self.after_people() },
                },
                Plan::People(place) if *place < state.person_places() => break Place::Person(*place),
                Plan::People(_) => self.plan = self.after_people(),
                Plan::Groups(place) if *place < state.unit_places() => break Place::Unit(*place),
                Plan::Groups(_) => self.plan = Plan::Done,
            }
        };
        // A place that somebody else has by now may be outside.
        Some(View::at(state, tree, reader, place).filter(|view| self.region.contains(view.target())))
    }

    fn after_people(&self) -> Plan {
        if self.region.has_groups() { Plan::Groups(0) } else { Plan::Done }
    }

    fn advance(&mut self) {
        match &mut self.plan {
            Plan::Done => {}
            Plan::Listed(rest) => drop(rest.next()),
            Plan::Heads(at) => *at += 1,
            Plan::People(place) | Plan::Groups(place) => *place += 1,
        }
    }
}

/// Where an entry stands that may not be seen: what is above it may.
const fn above(place: Place) -> Place {
    match place {
        Place::Base => Place::Base,
        Place::People | Place::Person(_) => Place::People,
        Place::Groups | Place::Unit(_) => Place::Groups,
    }
}

/// The places outside of which nothing can match, if they are few: a single entry, what a regular
/// reader sees, or what the indexes say of the filter.
fn candidates(state: &State, tree: &Tree, reader: Reader, region: Region, filter: &Filter) -> Option<Vec<Place>> {
    if region.scope == Scope::Base || matches!(region.target, Target::Person(_) | Target::Group(_)) {
        return Some(state.place(region.target).into_iter().collect());
    }
    if reader.sees_all() {
        return plan(state, tree, filter);
    }
    let own = state.person_place(reader.user);
    let groups = own.and_then(|place| state.person_at(place)).map(|person| state.groups_of(person)).unwrap_or_default();
    let managed = state.units().filter(|(_, unit)| unit.managers.contains(&reader.user)).map(|(place, _)| place);
    let mut places = HEADS.to_vec();
    places.extend(own.map(Place::Person));
    places.extend(groups.iter().copied().chain(managed).map(Place::Unit));
    places.sort_unstable();
    places.dedup();
    Some(places)
}
