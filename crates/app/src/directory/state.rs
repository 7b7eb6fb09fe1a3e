//! The entries themselves and the indexes over them. Small steps only: set one person, one group,
//! one membership; each leaves all indexes right and costs what it changes.
//!
//! People and groups stand in two lists and refer to each other by their places there. What a
//! change takes away leaves its place to the next one that comes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ostiary_model::{
    ADMIN_GROUP, Attribute, GroupEntry, GroupId, Membership, Nesting, PASSWORD_MANAGER_GROUP, Role,
    STRICT_READONLY_GROUP, Schema, UserEntry, UserId,
};
use ostiary_store::Snapshot;

use super::Counts;
use super::column::Column;
use super::entry::{Indexed, Person, Text, Unit};
use super::index::{Bearers, Index, Place, Term};
use super::places::Places;

/// One entry of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The base.
    Base,
    /// The branch of people.
    People,
    /// The branch of groups.
    Groups,
    /// A person.
    Person(UserId),
    /// A group.
    Group(GroupId),
}

/// How a row stands now; `None` and false when it is gone.
pub(super) enum Row {
    User(UserId, Option<Box<UserEntry>>),
    Group(GroupId, Option<GroupEntry>),
    Membership(Membership, bool),
    Nesting(Nesting, bool),
}

/// Where everybody stands.
#[derive(Clone, Default)]
pub(super) struct Seats {
    persons: HashMap<UserId, u32>,
    units: HashMap<GroupId, u32>,
}

#[derive(Default)]
pub(super) struct State {
    /// The last change that is contained.
    pub(super) seq: i64,
    pub(super) schema: Arc<Schema>,
    persons: Places<Person>,
    units: Places<Unit>,
    seats: Seats,
    index: Index,
    columns: HashMap<Attribute, Column>,
    /// The places of the three groups that rights hang from, the highest first.
    role_places: [Option<u32>; 3],
}

/// The groups that rights hang from, the highest first.
const ROLES: [(&str, Role); 3] = [
    (ADMIN_GROUP, Role::Admin),
    (PASSWORD_MANAGER_GROUP, Role::PasswordManager),
    (STRICT_READONLY_GROUP, Role::StrictReadonly),
];

/// Something with its place.
type Seated<'a, T> = (u32, &'a mut T);

impl State {
    /// Who has a place in `before` keeps it: searches that are on their way go by places.
    pub(super) fn new(snapshot: Snapshot, before: &Seats) -> Self {
        let Snapshot { seq, schema, users, groups, memberships, nestings } = snapshot;
        let persons = users.iter().map(|entry| entry.user.id);
        let units = groups.iter().map(|entry| entry.group.id);
        let mut seats = Seats {
            persons: persons.filter_map(|id| Some((id, *before.persons.get(&id)?))).collect(),
            units: units.filter_map(|id| Some((id, *before.units.get(&id)?))).collect(),
        };
        let mut state = Self {
            seq,
            schema: Arc::new(schema),
            persons: Places::with(&seats.persons.values().copied().collect(), users.len()),
            units: Places::with(&seats.units.values().copied().collect(), groups.len()),
            ..Self::default()
        };
        seats.persons.reserve(users.len() - seats.persons.len());
        state.seats = seats;
        state.index.reserve(users.len() * 4);
        for entry in users {
            state.user_set(entry.user.id, Some(entry));
        }
        for entry in groups {
            state.group_set(entry.group.id, Some(entry));
        }
        for member in memberships {
            if let Some(((person_place, person), (unit_place, unit))) = state.ends_of(member) {
                person.groups.push(unit_place);
                unit.members.push(person_place);
            }
        }
        state.units.iter_mut().for_each(|unit| unit.members.sort_unstable());
        for nesting in nestings {
            state.nesting_link(nesting, true);
        }
        (0..state.units.len()).for_each(|place| state.find_above(place));
        state
    }

    /// Makes an entry what its row says. Doing it twice changes nothing.
    pub(super) fn set(&mut self, row: Row) {
        match row {
            Row::User(id, entry) => self.user_set(id, entry.map(|entry| *entry)),
            Row::Group(id, entry) => self.group_set(id, entry),
            Row::Membership(member, there) => self.member_set(member, there),
            Row::Nesting(nesting, there) => {
                if let Some(child) = self.nesting_link(nesting, there) {
                    self.reached(child, |unit| &unit.children).into_iter().for_each(|place| self.find_above(place));
                }
            }
        }
    }

    fn user_set(&mut self, id: UserId, entry: Option<UserEntry>) {
        let schema = Arc::clone(&self.schema);
        let place = self.seats.persons.get(&id).copied();
        let old = place.and_then(|place| self.persons.take(place));
        let terms = old.as_ref().map(|old| old.terms(&schema)).unwrap_or_default();
        let Some(entry) = entry else {
            let (Some(place), Some(old)) = (place, &old) else { return };
            self.index_set(Place::Person(place), &terms, &[]);
            for group in &old.groups {
                if let Some(unit) = self.units.get_mut(*group) {
                    unit.member_set(place, false);
                }
            }
            self.seats.persons.remove(&id);
            self.persons.give_back(place);
            return;
        };
        let Some(place) = place.or_else(|| self.persons.open()) else { return };
        let groups = old.as_ref().map(|old| old.groups.clone()).unwrap_or_default();
        let person = Person::new(&schema, entry, groups);
        self.index_set(Place::Person(place), &terms, &person.terms(&schema));
        self.seats.persons.insert(id, place);
        self.persons.put(place, person);
    }

    fn group_set(&mut self, id: GroupId, entry: Option<GroupEntry>) {
        let schema = Arc::clone(&self.schema);
        let place = self.seats.units.get(&id).copied();
        let mut old = place.and_then(|place| self.units.take(place));
        let Some(entry) = entry else {
            let (Some(place), Some(old)) = (place, &old) else { return };
            self.index_set(Place::Unit(place), &old.terms(&schema), &[]);
            self.seats.units.remove(&id);
            self.unit_forget(place, old);
            self.units.give_back(place);
            self.find_roles();
            return;
        };
        let Some(place) = place.or_else(|| self.units.open()) else { return };
        let mut unit = Unit::new(&schema, entry);
        if let Some(old) = &mut old {
            unit.members = std::mem::take(&mut old.members);
            unit.children = std::mem::take(&mut old.children);
            unit.parents = std::mem::take(&mut old.parents);
            unit.above = std::mem::take(&mut old.above);
        }
        let terms = old.as_ref().map(|old| old.terms(&schema)).unwrap_or_default();
        self.index_set(Place::Unit(place), &terms, &unit.terms(&schema));
        self.seats.units.insert(id, place);
        self.units.put(place, unit);
        self.find_roles();
    }

    /// Makes index and columns right for an entry that had `old` and has `new`. An attribute whose
    /// values stay is left alone: most changes are of none of them, and a value that many have takes
    /// long to find among them.
    fn index_set(&mut self, place: Place, old: &[Indexed<'_>], new: &[Indexed<'_>]) {
        let stays = |attribute: Attribute| {
            let is_of = |(own, _): &&Indexed<'_>| *own == attribute;
            !old.is_empty() && old.iter().filter(is_of).eq(new.iter().filter(is_of))
        };
        for (attribute, term) in old.iter().filter(|(attribute, _)| !stays(*attribute)) {
            self.index.remove(*attribute, *term, place);
            if let (Term::Text(_), Some(column)) = (term, self.columns.get_mut(attribute)) {
                column.remove(place);
            }
        }
        for (attribute, term) in new.iter().filter(|(attribute, _)| !stays(*attribute)) {
            self.index.insert(*attribute, *term, place);
            if let Term::Text(text) = term {
                self.columns.entry(*attribute).or_default().insert(place, text);
            }
        }
    }

    fn find_roles(&mut self) {
        self.role_places = ROLES.map(|(name, _)| self.unit_named(name));
    }

    /// Takes a group out of everything that refers to it.
    fn unit_forget(&mut self, place: u32, old: &Unit) {
        for member in &old.members {
            if let Some(person) = self.persons.get_mut(*member) {
                person.groups.retain(|group| *group != place);
            }
        }
        for parent in &old.parents {
            if let Some(unit) = self.units.get_mut(*parent) {
                unit.children.retain(|child| *child != place);
            }
        }
        for child in &old.children {
            if let Some(unit) = self.units.get_mut(*child) {
                unit.parents.retain(|parent| *parent != place);
            }
        }
        for child in &old.children {
            self.reached(*child, |unit| &unit.children).into_iter().for_each(|place| self.find_above(place));
        }
    }

    fn member_set(&mut self, member: Membership, there: bool) {
        let Some(((person_place, person), (unit_place, unit))) = self.ends_of(member) else { return };
        person.groups.retain(|group| *group != unit_place);
        if there {
            person.groups.push(unit_place);
        }
        unit.member_set(person_place, there);
    }

    /// Person and group with their places. A membership of which an end is not known is left out: that
    /// end was deleted, or comes with a later change.
    fn ends_of(&mut self, member: Membership) -> Option<(Seated<'_, Person>, Seated<'_, Unit>)> {
        let person = *self.seats.persons.get(&member.user)?;
        let unit = *self.seats.units.get(&member.group)?;
        Some(((person, self.persons.get_mut(person)?), (unit, self.units.get_mut(unit)?)))
    }

    /// As for a membership. Gives the place of the inner group: what is above it and all in it has
    /// to be found anew.
    fn nesting_link(&mut self, nesting: Nesting, there: bool) -> Option<u32> {
        let child_place = *self.seats.units.get(&nesting.child)?;
        let parent_place = *self.seats.units.get(&nesting.parent)?;
        let child = self.units.get_mut(child_place)?;
        child.parents.retain(|parent| *parent != parent_place);
        if there {
            child.parents.push(parent_place);
        }
        let parent = self.units.get_mut(parent_place)?;
        parent.children.retain(|child| *child != child_place);
        if there {
            parent.children.push(child_place);
        }
        Some(child_place)
    }

    /// Finds anew which groups are above one.
    fn find_above(&mut self, place: u32) {
        let above = self.reached(place, |unit| &unit.parents);
        if let Some(unit) = self.units.get_mut(place) {
            unit.above = above.into_iter().skip(1).collect();
        }
    }

    /// `start`, and then every group that steps of one kind lead to from it. Ends in a circle, too,
    /// which no transaction lets come about.
    fn reached(&self, start: u32, steps: impl Fn(&Unit) -> &[u32]) -> Vec<u32> {
        let (mut seen, mut reached, mut at) = (HashSet::new(), vec![start], 0);
        while let Some(place) = reached.get(at).copied() {
            let next = self.units.get(place).map_or(&[][..], &steps);
            reached.extend(next.iter().filter(|place| **place != start && seen.insert(**place)));
            at += 1;
        }
        reached
    }

    pub(super) fn person(&self, id: UserId) -> Option<&Person> {
        self.persons.get(self.person_place(id)?)
    }

    pub(super) fn unit(&self, id: GroupId) -> Option<&Unit> {
        self.units.get(self.unit_place(id)?)
    }

    pub(super) fn person_at(&self, place: u32) -> Option<&Person> {
        self.persons.get(place)
    }

    pub(super) fn unit_at(&self, place: u32) -> Option<&Unit> {
        self.units.get(place)
    }

    pub(super) fn person_place(&self, id: UserId) -> Option<u32> {
        self.seats.persons.get(&id).copied()
    }

    pub(super) fn unit_place(&self, id: GroupId) -> Option<u32> {
        self.seats.units.get(&id).copied()
    }

    /// Where an entry stands; `None` when it is gone.
    pub(super) fn place(&self, target: Target) -> Option<Place> {
        Some(match target {
            Target::Base => Place::Base,
            Target::People => Place::People,
            Target::Groups => Place::Groups,
            Target::Person(id) => Place::Person(self.person_place(id)?),
            Target::Group(id) => Place::Unit(self.unit_place(id)?),
        })
    }

    /// Where everybody stands.
    pub(super) const fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Every place that people have or had.
    pub(super) fn person_places(&self) -> u32 {
        self.persons.len()
    }

    /// Every place that groups have or had.
    pub(super) fn unit_places(&self) -> u32 {
        self.units.len()
    }

    pub(super) fn persons(&self) -> impl Iterator<Item = (u32, &Person)> {
        self.persons.iter()
    }

    pub(super) fn units(&self) -> impl Iterator<Item = (u32, &Unit)> {
        self.units.iter()
    }

    /// The entries that may have a value with `part` in it, if they are at most `most`.
    pub(super) fn bearers_of_part(&self, attribute: Attribute, part: &str, most: usize) -> Option<Vec<Place>> {
        self.columns.get(&attribute).map_or(Some(Vec::new()), |column| column.find(part, most))
    }

    /// The entries that may have a value.
    pub(super) fn bearers(&self, attribute: Attribute, term: Term<'_>) -> Bearers<'_> {
        self.index.get(attribute, term)
    }

    /// The place of the person with this user name, which is folded.
    pub(super) fn person_named(&self, name: &str) -> Option<u32> {
        self.person_with(Attribute::Uid, name, |person| person.folded(Text::Username) == name)
    }

    /// The place of the person with this address, which is folded.
    pub(super) fn person_with_mail(&self, mail: &str) -> Option<u32> {
        self.person_with(Attribute::Mail, mail, |person| person.mails().any(|own| own == mail))
    }

    fn person_with(&self, attribute: Attribute, value: &str, is_it: impl Fn(&Person) -> bool) -> Option<u32> {
        self.bearers(attribute, Term::Text(value)).places().find_map(|place| match place {
            Place::Person(place) => Some(place).filter(|place| self.persons.get(*place).is_some_and(&is_it)),
            _ => None,
        })
    }

    /// The place of the group with this name, which is folded.
    pub(super) fn unit_named(&self, name: &str) -> Option<u32> {
        self.bearers(Attribute::Uid, Term::Text(name)).places().find_map(|place| match place {
            Place::Unit(place) => {
                Some(place).filter(|place| self.units.get(*place).is_some_and(|unit| unit.name.as_str() == name))
            }
            _ => None,
        })
    }

    /// The places of all groups that a person is in, directly or through another, each once.
    pub(super) fn groups_of<'a>(&self, person: &'a Person) -> Cow<'a, [u32]> {
        let mut groups = Cow::Borrowed(person.groups.as_slice());
        for unit in person.groups.iter().filter_map(|place| self.units.get(*place)) {
            if !unit.above.is_empty() {
                groups.to_mut().extend_from_slice(&unit.above);
            }
        }
        if let Cow::Owned(groups) = &mut groups {
            groups.sort_unstable();
            groups.dedup();
        }
        groups
    }

    /// Whether a person is in a group, directly or through another.
    pub(super) fn is_in(&self, person: &Person, group: u32) -> bool {
        person.groups.contains(&group)
            || person.groups.iter().any(|own| self.units.get(*own).is_some_and(|unit| unit.above.contains(&group)))
    }

    /// The places of a group and of all groups in it.
    pub(super) fn below(&self, group: u32) -> Vec<u32> {
        self.reached(group, |unit| &unit.children)
    }

    /// Everybody who is in a group, directly or through another, each once, by place.
    pub(super) fn everybody_in(&self, group: u32) -> Vec<u32> {
        let groups = self.below(group);
        let mut members: Vec<u32> =
            groups.iter().filter_map(|place| self.units.get(*place)).flat_map(|unit| &unit.members).copied().collect();
        if groups.len() > 1 {
            members.sort_unstable();
            members.dedup();
        }
        members
    }

    pub(super) fn role(&self, user: UserId) -> Role {
        let Some(person) = self.person(user).filter(|person| !person.groups.is_empty()) else { return Role::Regular };
        let mut roles = self.role_places.iter().zip(ROLES);
        let highest = roles.find(|(place, _)| place.is_some_and(|place| self.is_in(person, place)));
        highest.map_or(Role::Regular, |(_, (_, role))| role)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { people: self.seats.persons.len(), groups: self.seats.units.len() }
    }
}
