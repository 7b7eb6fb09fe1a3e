//! Searching: which entries in a part of the tree match a filter.
//!
//! A search is a [`Cursor`] that is moved a slice at a time, so that a long one neither blocks
//! others nor gathers its result in memory, and so that pages of results can be asked for. Where
//! the filter names values that are indexed it looks at those entries alone; where not, it walks.
//! Results come in one order: base, branches, people, groups; the last two as they stand in memory.

use std::vec;

use ostiary_model::{Assertion, Attribute, Dn, Filter, Folded, GroupId, Pattern, Reference, Rule, Truth, UserId};
use thiserror::Error;

use super::Directory;
use super::compare::refers_to;
use super::index::{Place, Term};
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
    /// How many entries one slice looks at: fewer where the filter has many terms.
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
    Listed(vec::IntoIter<Target>),
    /// The base and the branches, from this one on.
    Heads(usize),
    /// People from this place on.
    People(u32),
    /// Groups from this place on.
    Groups(u32),
    Done,
}

const HEADS: [Target; 3] = [Target::Base, Target::People, Target::Groups];

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
                list.sort_unstable();
                list.dedup();
                Plan::Listed(list.into_iter())
            }
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
        for _ in 0..cursor.slice {
            let Some(found) = cursor.look(&state, &self.tree, reader) else { return Stepped::Over };
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
    /// Goes through the entries of `list` in this order, those that match `query`'s filter.
    #[must_use]
    pub fn through(query: Query, list: Vec<Target>) -> Self {
        let region = Region { target: Target::Base, scope: Scope::Subtree };
        Self { query, region, plan: Plan::Listed(list.into_iter()), slice: 1024 }
    }

    /// What was asked for.
    #[must_use]
    pub const fn query(&self) -> &Query {
        &self.query
    }

    /// The entry that is looked at now, if `reader` may see it; `None` when there is none left.
    fn look<'a>(&mut self, state: &'a State, tree: &'a Tree, reader: Reader) -> Option<Option<View<'a>>> {
        loop {
            return match &self.plan {
                Plan::Done => None,
                Plan::Listed(rest) => {
                    let target = rest.as_slice().first()?;
                    Some(View::new(state, tree, reader, *target))
                }
                Plan::Heads(at) => match HEADS.get(*at) {
                    Some(head) if self.region.contains(*head) => Some(View::new(state, tree, reader, *head)),
                    Some(_) => Some(None),
                    None => {
                        self.plan = if self.region.has_people() { Plan::People(0) } else { self.after_people() };
                        continue;
                    }
                },
                Plan::People(place) if *place < state.person_places() => {
                    Some(state.person_at(*place).and_then(|person| View::person(state, tree, reader, person)))
                }
                Plan::People(_) => {
                    self.plan = self.after_people();
                    continue;
                }
                Plan::Groups(place) if *place < state.unit_places() => {
                    Some(state.unit_at(*place).and_then(|unit| View::unit(state, tree, reader, unit)))
                }
                Plan::Groups(_) => {
                    self.plan = Plan::Done;
                    continue;
                }
            };
        }
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

/// A list outside of which nothing can match, if there is a short one: a single entry, what a
/// regular reader sees, or what the indexes say of the filter.
fn candidates(state: &State, tree: &Tree, reader: Reader, region: Region, filter: &Filter) -> Option<Vec<Target>> {
    if region.scope == Scope::Base || matches!(region.target, Target::Person(_) | Target::Group(_)) {
        return Some(vec![region.target]);
    }
    if !reader.sees_all() {
        let own = state.person(reader.user).map(|person| state.groups_of(person)).unwrap_or_default();
        let own = own.into_iter().filter_map(|place| state.unit_at(place));
        let managed = state.units().filter(|unit| unit.managers.contains(&reader.user));
        let mut list = vec![Target::Base, Target::People, Target::Groups, Target::Person(reader.user)];
        list.extend(own.chain(managed).map(|unit| Target::Group(unit.group.id)));
        return Some(list);
    }
    indexed(state, tree, filter)
}

/// The entries that `filter` can match, if indexes can tell. May hold more, never fewer.
fn indexed(state: &State, tree: &Tree, filter: &Filter) -> Option<Vec<Target>> {
    match filter {
        Filter::Undefined => Some(Vec::new()),
        Filter::And(terms) => shortest(state, tree, terms),
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
        Filter::Parts(attribute, pattern) => by_part(state, *attribute, pattern),
        Filter::InChain(attribute, reference) => by_chain(state, tree, *attribute, reference),
        _ => None,
    }
}

/// The list of the term that has the shortest one. A term that names at most one entry ends the
/// search for a shorter one.
fn shortest(state: &State, tree: &Tree, terms: &[Filter]) -> Option<Vec<Target>> {
    let mut best: Option<Vec<Target>> = None;
    for term in terms {
        let Some(list) = indexed(state, tree, term) else { continue };
        if best.as_ref().is_none_or(|best| list.len() < best.len()) {
            best = Some(list);
        }
        if best.as_ref().is_some_and(|best| best.len() <= 1) {
            break;
        }
    }
    best
}

fn by_value(state: &State, tree: &Tree, attribute: Attribute, value: &Assertion) -> Option<Vec<Target>> {
    let term = match value {
        Assertion::Reference(reference) => return by_reference(state, tree, attribute, reference),
        Assertion::Uuid(id) if attribute == Attribute::EntryUuid => {
            return Some(vec![Target::Person((*id).into()), Target::Group((*id).into())]);
        }
        Assertion::Text(text) => Term::Text(text.as_str()),
        Assertion::Integer(number) => Term::Number(*number),
        _ => return None,
    };
    let entries = |attribute| state.bearers(attribute, term).iter().filter_map(|place| target_at(state, *place));
    Some(match attribute {
        // A group has its name under LLDAP's alias, too.
        Attribute::Uid => entries(Attribute::Uid).chain(entries(Attribute::Cn).filter(is_group)).collect(),
        Attribute::DisplayName => entries(Attribute::Cn).collect(),
        Attribute::Cn | Attribute::Mail | Attribute::GivenName | Attribute::Sn | Attribute::UidNumber => {
            entries(attribute).collect()
        }
        Attribute::GidNumber | Attribute::GroupNumber => entries(attribute).collect(),
        Attribute::MemberUid => member_uid(state, value),
        Attribute::Ou | Attribute::Dc | Attribute::O => HEADS.to_vec(),
        // Shells and home folders are there without being stored.
        Attribute::Custom(custom) if custom.rule != Rule::Exact => entries(attribute).collect(),
        _ => return None,
    })
}

fn by_part(state: &State, attribute: Attribute, pattern: &Pattern) -> Option<Vec<Target>> {
    let part = pattern.longest_part().filter(|part| !part.contains('\0'))?;
    let counts = state.counts();
    // From a quarter of all on, walking is as quick as jumping.
    let most = (counts.people + counts.groups) / 4;
    let entries = |attribute| {
        let places = state.bearers_of_part(attribute, part, most)?;
        Some(places.into_iter().filter_map(|place| target_at(state, place)).collect::<Vec<_>>())
    };
    match attribute {
        Attribute::Uid => {
            let mut list = entries(Attribute::Uid)?;
            list.extend(entries(Attribute::Cn)?.into_iter().filter(is_group));
            Some(list)
        }
        Attribute::Cn | Attribute::DisplayName => entries(Attribute::Cn),
        Attribute::Mail | Attribute::GivenName | Attribute::Sn => entries(attribute),
        Attribute::Ou | Attribute::Dc | Attribute::O => Some(HEADS.to_vec()),
        // Shells and home folders are there without being stored.
        Attribute::Custom(custom) if custom.rule != Rule::Exact => entries(attribute),
        _ => None,
    }
}

fn is_group(target: &Target) -> bool {
    matches!(target, Target::Group(_))
}

fn target_at(state: &State, place: Place) -> Option<Target> {
    Some(match place {
        Place::Person(place) => Target::Person(state.person_at(place)?.user.id),
        Place::Unit(place) => Target::Group(state.unit_at(place)?.group.id),
    })
}

fn groups_at(state: &State, places: impl IntoIterator<Item = u32>) -> Vec<Target> {
    places.into_iter().filter_map(|place| target_at(state, Place::Unit(place))).collect()
}

/// The groups of the account with this very user name.
fn member_uid(state: &State, value: &Assertion) -> Vec<Target> {
    let Assertion::Text(name) = value else { return Vec::new() };
    let person = state.person_by_name(Folded::new(name.as_str()).as_str());
    person.map(|person| groups_at(state, state.groups_of(person))).unwrap_or_default()
}

fn by_reference(state: &State, tree: &Tree, attribute: Attribute, reference: &Reference) -> Option<Vec<Target>> {
    Some(match (attribute, refers_to(state, tree, attribute, reference)) {
        (Attribute::SubschemaSubentry, _) => return None,
        (_, None) => Vec::new(),
        (Attribute::EntryDn, Some(entry)) => vec![entry],
        (Attribute::MemberOf, Some(Target::Group(id))) => everything_in(state, id),
        (Attribute::Member | Attribute::UniqueMember, Some(Target::Person(id))) => {
            groups_at(state, state.person(id).into_iter().flat_map(|person| person.groups.iter().copied()))
        }
        (Attribute::Member | Attribute::UniqueMember, Some(Target::Group(id))) => {
            groups_at(state, state.unit(id).into_iter().flat_map(|unit| unit.parents.iter().copied()))
        }
        _ => Vec::new(),
    })
}

fn by_chain(state: &State, tree: &Tree, attribute: Attribute, reference: &Reference) -> Option<Vec<Target>> {
    match (attribute, refers_to(state, tree, attribute, reference)) {
        (Attribute::Member | Attribute::UniqueMember, Some(Target::Person(id))) => {
            let person = state.person(id);
            Some(person.map(|person| groups_at(state, state.groups_of(person))).unwrap_or_default())
        }
        (Attribute::Member | Attribute::UniqueMember, Some(Target::Group(id))) => {
            Some(groups_at(state, state.unit(id).into_iter().flat_map(|unit| unit.above.iter().copied())))
        }
        _ => by_reference(state, tree, attribute, reference),
    }
}

/// Everybody in a group and every group in it.
fn everything_in(state: &State, id: GroupId) -> Vec<Target> {
    let Some(place) = state.unit_place(id) else { return Vec::new() };
    let people = state.everybody_in(place).into_iter().filter_map(|place| target_at(state, Place::Person(place)));
    let groups = state.below(place).into_iter().filter(|inner| *inner != place);
    people.chain(groups.filter_map(|place| target_at(state, Place::Unit(place)))).collect()
}
