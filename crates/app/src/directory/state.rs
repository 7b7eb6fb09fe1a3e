//! The entries themselves and the indexes over them. Small steps only: set one person, one
//! group, one membership; each leaves all indexes right.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ostiary_model::{
    ADMIN_GROUP, Folded, Group, GroupId, Membership, PASSWORD_MANAGER_GROUP, Role, STRICT_READONLY_GROUP, User, UserId,
};
use ostiary_store::Snapshot;

use super::Counts;

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
    pub(super) email: Folded,
    pub(super) full_name: Folded,
    pub(super) given_name: Folded,
    pub(super) family_name: Folded,
    pub(super) groups: BTreeSet<GroupId>,
}

impl Person {
    fn new(user: User, groups: BTreeSet<GroupId>) -> Self {
        let profile = &user.profile;
        Self {
            name: profile.username.folded(),
            email: profile.email.folded(),
            full_name: Folded::new(&profile.full_name()),
            given_name: Folded::new(&profile.given_name),
            family_name: Folded::new(&profile.family_name),
            groups,
            user: Arc::new(user),
        }
    }
}

/// A group and who is in it.
pub(super) struct Unit {
    pub(super) group: Arc<Group>,
    pub(super) name: Folded,
    pub(super) members: BTreeSet<UserId>,
}

/// How a row stands now; `None` and false when it is gone.
pub(super) enum Row {
    User(UserId, Option<User>),
    Group(GroupId, Option<Group>),
    Membership(Membership, bool),
}

#[derive(Default)]
pub(super) struct State {
    /// The last change that is contained.
    pub(super) seq: i64,
    persons: HashMap<UserId, Person>,
    units: HashMap<GroupId, Unit>,
    /// In this order people are listed.
    pub(super) by_name: BTreeMap<Folded, UserId>,
    by_email: HashMap<Folded, UserId>,
    by_full_name: HashMap<Folded, BTreeSet<UserId>>,
    /// In this order groups are listed.
    pub(super) by_unit_name: BTreeMap<Folded, GroupId>,
}

impl State {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let mut state = Self { seq: snapshot.seq, ..Self::default() };
        for user in snapshot.users {
            state.user_set(user.id, Some(user));
        }
        for group in snapshot.groups {
            state.group_set(group.id, Some(group));
        }
        for member in snapshot.memberships {
            state.member_set(member, true);
        }
        state
    }

    /// Makes an entry what its row says. Doing it twice changes nothing.
    pub(super) fn set(&mut self, row: Row) {
        match row {
            Row::User(id, user) => self.user_set(id, user),
            Row::Group(id, group) => self.group_set(id, group),
            Row::Membership(member, there) => self.member_set(member, there),
        }
    }

    fn user_set(&mut self, id: UserId, user: Option<User>) {
        let groups = match self.persons.remove(&id) {
            None => BTreeSet::new(),
            Some(old) => {
                // A name may have gone to another account in the meantime.
                remove_if(&mut self.by_name, &old.name, id);
                if self.by_email.get(&old.email) == Some(&id) {
                    self.by_email.remove(&old.email);
                }
                self.full_name_remove(&old.full_name, id);
                old.groups
            }
        };
        let Some(user) = user else {
            for group in groups {
                if let Some(unit) = self.units.get_mut(&group) {
                    unit.members.remove(&id);
                }
            }
            return;
        };
        let person = Person::new(user, groups);
        self.by_name.insert(person.name.clone(), id);
        self.by_email.insert(person.email.clone(), id);
        self.by_full_name.entry(person.full_name.clone()).or_default().insert(id);
        self.persons.insert(id, person);
    }

    fn full_name_remove(&mut self, name: &Folded, id: UserId) {
        if let Some(bearers) = self.by_full_name.get_mut(name) {
            bearers.remove(&id);
            if bearers.is_empty() {
                self.by_full_name.remove(name);
            }
        }
    }

    fn group_set(&mut self, id: GroupId, group: Option<Group>) {
        let members = match self.units.remove(&id) {
            None => BTreeSet::new(),
            Some(old) => {
                remove_if(&mut self.by_unit_name, &old.name, id);
                old.members
            }
        };
        let Some(group) = group else {
            for member in members {
                if let Some(person) = self.persons.get_mut(&member) {
                    person.groups.remove(&id);
                }
            }
            return;
        };
        let name = group.name.folded();
        self.by_unit_name.insert(name.clone(), id);
        self.units.insert(id, Unit { group: Arc::new(group), name, members });
    }

    /// A membership of which an end is not known is left out: that end was deleted, or comes with
    /// a later change.
    fn member_set(&mut self, member: Membership, there: bool) {
        let (Some(person), Some(unit)) = (self.persons.get_mut(&member.user), self.units.get_mut(&member.group)) else {
            return;
        };
        if there {
            person.groups.insert(member.group);
            unit.members.insert(member.user);
        } else {
            person.groups.remove(&member.group);
            unit.members.remove(&member.user);
        }
    }

    pub(super) fn person(&self, id: UserId) -> Option<&Person> {
        self.persons.get(&id)
    }

    pub(super) fn unit(&self, id: GroupId) -> Option<&Unit> {
        self.units.get(&id)
    }

    pub(super) fn person_by_name(&self, folded: &str) -> Option<UserId> {
        self.by_name.get(folded).copied()
    }

    pub(super) fn person_by_email(&self, folded: &str) -> Option<UserId> {
        self.by_email.get(folded).copied()
    }

    pub(super) fn persons_by_full_name(&self, folded: &str) -> impl Iterator<Item = UserId> {
        self.by_full_name.get(folded).into_iter().flatten().copied()
    }

    pub(super) fn unit_by_name(&self, folded: &str) -> Option<GroupId> {
        self.by_unit_name.get(folded).copied()
    }

    /// The groups of a person, by name.
    pub(super) fn units_of(&self, user: UserId) -> Vec<&Unit> {
        let groups = self.persons.get(&user).into_iter().flat_map(|person| &person.groups);
        let mut units: Vec<_> = groups.filter_map(|id| self.units.get(id)).collect();
        units.sort_by(|left, right| left.name.cmp(&right.name));
        units
    }

    /// The members of a group, by user name.
    pub(super) fn persons_in(&self, group: GroupId) -> Vec<&Person> {
        let members = self.units.get(&group).into_iter().flat_map(|unit| &unit.members);
        let mut persons: Vec<_> = members.filter_map(|id| self.persons.get(id)).collect();
        persons.sort_by(|left, right| left.name.cmp(&right.name));
        persons
    }

    pub(super) fn role(&self, user: UserId) -> Role {
        let Some(person) = self.persons.get(&user) else { return Role::Regular };
        let is_in = |name: &str| self.unit_by_name(name).is_some_and(|group| person.groups.contains(&group));
        if is_in(ADMIN_GROUP) {
            Role::Admin
        } else if is_in(PASSWORD_MANAGER_GROUP) {
            Role::PasswordManager
        } else if is_in(STRICT_READONLY_GROUP) {
            Role::StrictReadonly
        } else {
            Role::Regular
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { people: self.persons.len(), groups: self.units.len() }
    }
}

fn remove_if<I: PartialEq + Copy>(index: &mut BTreeMap<Folded, I>, name: &Folded, id: I) {
    if index.get(name) == Some(&id) {
        index.remove(name);
    }
}
