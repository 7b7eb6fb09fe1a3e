//! The entries themselves and the indexes over them. Small steps only: set one person, one group,
//! one membership; each leaves all indexes right and costs what it changes.
//!
//! People and groups stand in two lists and refer to each other by their places there. What a
//! change takes away leaves its place to the next one that comes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ostiary_model::{
    ADMIN_GROUP, Attribute, Email, Folded, Group, GroupEntry, GroupId, Membership, Nesting, PASSWORD_MANAGER_GROUP,
    Role, STRICT_READONLY_GROUP, Schema, User, UserEntry, UserId, Value,
};
use ostiary_store::Snapshot;

use super::Counts;
use super::column::Column;
use super::index::{Index, Place, Term};
use super::places::Places;
use super::values::Values;

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

/// An account with its texts folded for comparison.
pub(super) struct Person {
    pub(super) user: Arc<User>,
    pub(super) name: Folded,
    pub(super) full_name: Box<str>,
    pub(super) full_name_folded: Folded,
    pub(super) given_name: Folded,
    pub(super) family_name: Folded,
    /// The primary address first.
    pub(super) emails: Box<[Folded]>,
    /// The further ones, as they were given.
    pub(super) addresses: Box<[Email]>,
    pub(super) values: Values,
    /// The groups that they are in directly, by place.
    pub(super) groups: Vec<u32>,
}

impl Person {
    fn new(schema: &Schema, entry: UserEntry, groups: Vec<u32>) -> Self {
        let UserEntry { user, addresses, values } = entry;
        let profile = &user.profile;
        let full_name = profile.full_name();
        let primary = profile.email.folded();
        Self {
            name: profile.username.folded(),
            full_name_folded: Folded::new(&full_name),
            full_name: full_name.into(),
            given_name: Folded::new(&profile.given_name),
            family_name: Folded::new(&profile.family_name),
            emails: std::iter::once(primary).chain(addresses.iter().map(Email::folded)).collect(),
            addresses: addresses.into(),
            values: Values::new(schema, values),
            groups,
            user: Arc::new(user),
        }
    }

    /// What the index holds of it.
    fn terms(&self, schema: &Schema, each: &mut dyn FnMut(Attribute, Term<'_>)) {
        each(Attribute::Uid, Term::Text(self.name.as_str()));
        each(Attribute::Cn, Term::Text(self.full_name_folded.as_str()));
        for (attribute, text) in [(Attribute::GivenName, &self.given_name), (Attribute::Sn, &self.family_name)] {
            if !text.as_str().is_empty() {
                each(attribute, Term::Text(text.as_str()));
            }
        }
        self.emails.iter().for_each(|email| each(Attribute::Mail, Term::Text(email.as_str())));
        for (attribute, number) in
            [(Attribute::UidNumber, self.user.uid_number), (Attribute::GidNumber, self.user.primary_group())]
        {
            if let Some(number) = number {
                each(attribute, Term::Number(number));
            }
        }
        value_terms(schema, &self.values, each);
    }
}

/// A group and who is in it.
pub(super) struct Unit {
    pub(super) group: Arc<Group>,
    pub(super) name: Folded,
    pub(super) values: Values,
    pub(super) managers: Vec<UserId>,
    /// People who are in it directly, by place.
    pub(super) members: BTreeSet<u32>,
    /// Groups that are in it directly, by place.
    pub(super) children: Vec<u32>,
    /// Groups that it is in directly, by place.
    pub(super) parents: Vec<u32>,
    /// All groups that it is in, over as many steps as it takes.
    pub(super) above: Vec<u32>,
}

impl Unit {
    fn terms(&self, schema: &Schema, each: &mut dyn FnMut(Attribute, Term<'_>)) {
        each(Attribute::Cn, Term::Text(self.name.as_str()));
        each(Attribute::GroupNumber, Term::Number(self.group.number));
        if let Some(number) = self.group.gid_number {
            each(Attribute::GidNumber, Term::Number(number));
        }
        value_terms(schema, &self.values, each);
    }
}

fn value_terms(schema: &Schema, values: &Values, each: &mut dyn FnMut(Attribute, Term<'_>)) {
    for (number, value) in values.all() {
        let Some(attribute) = schema.attribute_by_number(number) else { continue };
        match value.compared() {
            Value::Text(text) => each(attribute, Term::Text(text)),
            Value::Integer(number) => each(attribute, Term::Number(number)),
            _ => {}
        }
    }
}

/// How a row stands now; `None` and false when it is gone.
pub(super) enum Row {
    User(UserId, Option<Box<UserEntry>>),
    Group(GroupId, Option<GroupEntry>),
    Membership(Membership, bool),
    Nesting(Nesting, bool),
}

#[derive(Default)]
pub(super) struct State {
    /// The last change that is contained.
    pub(super) seq: i64,
    pub(super) schema: Arc<Schema>,
    persons: Places<Person>,
    units: Places<Unit>,
    person_places: HashMap<UserId, u32>,
    unit_places: HashMap<GroupId, u32>,
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

impl State {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let mut state = Self { seq: snapshot.seq, schema: Arc::new(snapshot.schema), ..Self::default() };
        state.persons.reserve(snapshot.users.len());
        state.person_places.reserve(snapshot.users.len());
        state.index.reserve(snapshot.users.len() * 6);
        for entry in snapshot.users {
            state.user_set(entry.user.id, Some(entry));
        }
        for entry in snapshot.groups {
            state.group_set(entry.group.id, Some(entry));
        }
        for member in snapshot.memberships {
            state.member_set(member, true);
        }
        for nesting in snapshot.nestings {
            state.nesting_set(nesting, true);
        }
        state
    }

    /// Makes an entry what its row says. Doing it twice changes nothing.
    pub(super) fn set(&mut self, row: Row) {
        match row {
            Row::User(id, entry) => self.user_set(id, entry.map(|entry| *entry)),
            Row::Group(id, entry) => self.group_set(id, entry),
            Row::Membership(member, there) => self.member_set(member, there),
            Row::Nesting(nesting, there) => self.nesting_set(nesting, there),
        }
    }

    fn user_set(&mut self, id: UserId, entry: Option<UserEntry>) {
        let schema = Arc::clone(&self.schema);
        let place = self.person_places.get(&id).copied();
        let old = place.and_then(|place| self.persons.take(place));
        if let (Some(place), Some(old)) = (place, &old) {
            old.terms(&schema, &mut |attribute, term| self.term_remove(attribute, term, Place::Person(place)));
        }
        let Some(entry) = entry else {
            let Some(place) = place else { return };
            for group in old.into_iter().flat_map(|old| old.groups) {
                if let Some(unit) = self.units.get_mut(group) {
                    unit.members.remove(&place);
                }
            }
            self.person_places.remove(&id);
            self.persons.give_back(place);
            return;
        };
        let Some(place) = place.or_else(|| self.persons.open()) else { return };
        let person = Person::new(&schema, entry, old.map_or_else(Vec::new, |old| old.groups));
        person.terms(&schema, &mut |attribute, term| self.term_insert(attribute, term, Place::Person(place)));
        self.person_places.insert(id, place);
        self.persons.put(place, person);
    }

    fn group_set(&mut self, id: GroupId, entry: Option<GroupEntry>) {
        let schema = Arc::clone(&self.schema);
        let place = self.unit_places.get(&id).copied();
        let old = place.and_then(|place| self.units.take(place));
        if let (Some(place), Some(old)) = (place, &old) {
            old.terms(&schema, &mut |attribute, term| self.term_remove(attribute, term, Place::Unit(place)));
        }
        let Some(entry) = entry else {
            let (Some(place), Some(old)) = (place, old) else { return };
            self.unit_places.remove(&id);
            self.unit_forget(place, &old);
            self.units.give_back(place);
            self.find_roles();
            return;
        };
        let Some(place) = place.or_else(|| self.units.open()) else { return };
        let GroupEntry { group, values, managers } = entry;
        let mut unit = Unit {
            name: group.name.folded(),
            group: Arc::new(group),
            values: Values::new(&schema, values),
            managers,
            members: BTreeSet::new(),
            children: Vec::new(),
            parents: Vec::new(),
            above: Vec::new(),
        };
        if let Some(old) = old {
            Unit { members: unit.members, children: unit.children, parents: unit.parents, above: unit.above, .. } = old;
        }
        unit.terms(&schema, &mut |attribute, term| self.term_insert(attribute, term, Place::Unit(place)));
        self.unit_places.insert(id, place);
        self.units.put(place, unit);
        self.find_roles();
    }

    fn term_insert(&mut self, attribute: Attribute, term: Term<'_>, place: Place) {
        self.index.insert(attribute, term, place);
        if let Term::Text(text) = term {
            self.columns.entry(attribute).or_default().insert(place, text);
        }
    }

    fn term_remove(&mut self, attribute: Attribute, term: Term<'_>, place: Place) {
        self.index.remove(attribute, term, place);
        if let (Term::Text(_), Some(column)) = (term, self.columns.get_mut(&attribute)) {
            column.remove(place);
        }
    }

    fn find_roles(&mut self) {
        self.role_places =
            ROLES.map(|(name, _)| self.unit_by_name(name).and_then(|unit| self.unit_place(unit.group.id)));
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
        old.children.iter().for_each(|child| self.climb(*child));
    }

    /// A membership of which an end is not known is left out: that end was deleted, or comes with
    /// a later change.
    fn member_set(&mut self, member: Membership, there: bool) {
        let places = (self.person_places.get(&member.user), self.unit_places.get(&member.group));
        let (Some(&person_place), Some(&unit_place)) = places else { return };
        let (Some(person), Some(unit)) = (self.persons.get_mut(person_place), self.units.get_mut(unit_place)) else {
            return;
        };
        person.groups.retain(|group| *group != unit_place);
        if there {
            person.groups.push(unit_place);
            unit.members.insert(person_place);
        } else {
            unit.members.remove(&person_place);
        }
    }

    /// As for a membership.
    fn nesting_set(&mut self, nesting: Nesting, there: bool) {
        let places = (self.unit_places.get(&nesting.child), self.unit_places.get(&nesting.parent));
        let (Some(&child_place), Some(&parent_place)) = places else { return };
        if let Some(child) = self.units.get_mut(child_place) {
            child.parents.retain(|parent| *parent != parent_place);
            if there {
                child.parents.push(parent_place);
            }
        }
        if let Some(parent) = self.units.get_mut(parent_place) {
            parent.children.retain(|child| *child != child_place);
            if there {
                parent.children.push(child_place);
            }
        }
        self.climb(child_place);
    }

    /// Finds anew which groups are above `start` and above all that are in it.
    fn climb(&mut self, start: u32) {
        for place in self.reached(start, |unit| &unit.children) {
            let mut above = self.reached(place, |unit| &unit.parents);
            above.retain(|other| *other != place);
            if let Some(unit) = self.units.get_mut(place) {
                unit.above = above;
            }
        }
    }

    /// `start` and every group that steps of one kind lead to from it. Ends in a circle, too, which
    /// no transaction lets come about.
    fn reached(&self, start: u32, steps: impl Fn(&Unit) -> &[u32]) -> Vec<u32> {
        let (mut seen, mut at) = (vec![start], 0);
        while let Some(place) = seen.get(at) {
            let next = self.units.get(*place).map_or(&[][..], &steps);
            let new: Vec<u32> = next.iter().filter(|place| !seen.contains(place)).copied().collect();
            seen.extend(new);
            at += 1;
        }
        seen
    }

    pub(super) fn person(&self, id: UserId) -> Option<&Person> {
        self.persons.get(*self.person_places.get(&id)?)
    }

    pub(super) fn unit(&self, id: GroupId) -> Option<&Unit> {
        self.units.get(*self.unit_places.get(&id)?)
    }

    pub(super) fn person_at(&self, place: u32) -> Option<&Person> {
        self.persons.get(place)
    }

    pub(super) fn unit_at(&self, place: u32) -> Option<&Unit> {
        self.units.get(place)
    }

    pub(super) fn unit_place(&self, id: GroupId) -> Option<u32> {
        self.unit_places.get(&id).copied()
    }

    /// Every place that people have or had.
    pub(super) fn person_places(&self) -> u32 {
        u32::try_from(self.persons.len()).unwrap_or(u32::MAX)
    }

    /// Every place that groups have or had.
    pub(super) fn unit_places(&self) -> u32 {
        u32::try_from(self.units.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn persons(&self) -> impl Iterator<Item = &Person> {
        self.persons.iter()
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter()
    }

    /// The entries that may have a value with `part` in it, if they are at most `most`.
    pub(super) fn bearers_of_part(&self, attribute: Attribute, part: &str, most: usize) -> Option<Vec<Place>> {
        self.columns.get(&attribute).map_or(Some(Vec::new()), |column| column.find(part, most))
    }

    /// The entries that may have a value.
    pub(super) fn bearers(&self, attribute: Attribute, term: Term<'_>) -> &[Place] {
        self.index.get(attribute, term)
    }

    pub(super) fn person_by_name(&self, folded: &str) -> Option<&Person> {
        self.persons_with(Attribute::Uid, folded).find(|person| person.name.as_str() == folded)
    }

    pub(super) fn person_by_email(&self, folded: &str) -> Option<&Person> {
        self.persons_with(Attribute::Mail, folded).find(|person| person.emails.iter().any(|own| own.as_str() == folded))
    }

    fn persons_with<'a>(&'a self, attribute: Attribute, folded: &str) -> impl Iterator<Item = &'a Person> {
        self.bearers(attribute, Term::Text(folded)).iter().filter_map(|place| match place {
            Place::Person(place) => self.persons.get(*place),
            Place::Unit(_) => None,
        })
    }

    pub(super) fn unit_by_name(&self, folded: &str) -> Option<&Unit> {
        let places = self.bearers(Attribute::Cn, Term::Text(folded)).iter();
        let mut units = places.filter_map(|place| match place {
            Place::Unit(place) => self.units.get(*place),
            Place::Person(_) => None,
        });
        units.find(|unit| unit.name.as_str() == folded)
    }

    /// The places of all groups that a person is in, directly or through another, each once.
    pub(super) fn groups_of(&self, person: &Person) -> Vec<u32> {
        let mut groups = person.groups.clone();
        for group in &person.groups {
            if let Some(unit) = self.units.get(*group) {
                groups.extend_from_slice(&unit.above);
            }
        }
        if groups.len() > person.groups.len() {
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
        Counts { people: self.person_places.len(), groups: self.unit_places.len() }
    }
}
