//! People and groups in memory: loaded at start, fed by the change log, read by every door.
//!
//! A write costs what it changes: a change names a row, the row is fetched again and its place in
//! the indexes renewed. Password hashes and other secrets never come here. Searches and the
//! panel's lists are in the modules below; who may see what is decided by `model::may`.

mod column;
mod compare;
mod entry;
mod index;
#[cfg(test)]
mod nested_tests;
mod panel;
mod pictures;
mod places;
mod plan;
#[cfg(test)]
mod plan_tests;
mod search;
mod state;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod view;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ostiary_model::{Dn, Email, Folded, Group, GroupId, Role, Schema, User, UserId};
use ostiary_store::{Change, ChangeKind, Error, Store};
use tokio::sync::Mutex;

use self::entry::{Person, Text, Unit};
use self::state::{Row, Seats, State};
use self::tree::Tree;
use self::values::Values;

pub use self::panel::{Found, GroupRow, Page, PeopleSort, PeopleState, SortKey};
pub use self::search::{Cursor, NoSuchObject, Query, Scope, Stepped, Taken};
pub use self::state::Target;
pub use self::tree::PosixDefaults;
pub use self::view::{Reader, View};

/// So many changes are not followed one by one.
const MANY: usize = 1000;

/// How many people and groups there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Accounts, open and closed.
    pub people: usize,
    /// Groups.
    pub groups: usize,
}

/// The directory of a running Ostiary.
pub struct Directory {
    tree: Tree,
    state: RwLock<State>,
    /// Held by whoever brings the state up to date, so that changes are applied in their order.
    following: Mutex<()>,
}

impl Directory {
    /// Loads everything that `store` has into a tree under `base`.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn load(store: &Store, base: &Dn, posix: PosixDefaults) -> Result<Self, Error> {
        let state = RwLock::new(State::new(store.directory_snapshot().await?, &Seats::default()));
        Ok(Self { tree: Tree::new(base, posix), state, following: Mutex::new(()) })
    }

    /// Applies what was committed since the last time, by this process or another. When it
    /// returns, everything is visible that was committed before it was called.
    ///
    /// # Errors
    /// When the store does not answer. What was not applied is applied the next time.
    pub async fn catch_up(&self, store: &Store) -> Result<(), Error> {
        let _turn = self.following.lock().await;
        loop {
            let seq = self.read().seq;
            match store.directory_changes(seq).await? {
                Some(changes) if changes.is_empty() => return Ok(()),
                Some(changes) if changes.len() < MANY && !changes.iter().any(is_of_schema) => {
                    self.apply(store, &changes).await?;
                }
                // Too far behind to follow, or so far that reading everything at once is quicker; or
                // values are to be read by other rules.
                _ => {
                    let snapshot = store.directory_snapshot().await?;
                    let seats = self.read().seats().clone();
                    let state = State::new(snapshot, &seats);
                    tracing::info!(seq = state.seq, "directory loaded again");
                    // Forgetting what there was takes a while: nobody waits for it.
                    drop(self.write(|old| std::mem::replace(old, state)));
                }
            }
        }
    }

    /// Fetches the rows that `changes` name and shows them all at once, so that nobody sees half
    /// of a transaction.
    async fn apply(&self, store: &Store, changes: &[Change]) -> Result<(), Error> {
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            rows.push(match change.kind {
                ChangeKind::User(id) => Row::User(id, store.user_entry(id).await?.map(Box::new)),
                ChangeKind::Group(id) => Row::Group(id, store.group_entry(id).await?),
                ChangeKind::Membership(member) => Row::Membership(member, store.membership_exists(member).await?),
                ChangeKind::Nesting(nesting) => Row::Nesting(nesting, store.nesting_exists(nesting).await?),
                ChangeKind::Schema => continue,
            });
        }
        self.write(|state| {
            rows.into_iter().for_each(|row| state.set(row));
            state.seq = changes.last().map_or(state.seq, |change| change.seq);
        });
        Ok(())
    }

    /// The number of the last change that is shown.
    pub(crate) fn seq(&self) -> i64 {
        self.read().seq
    }

    /// The account with this id.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.read().person(id).map(|person| Arc::clone(&person.user))
    }

    /// The account with this user name.
    #[must_use]
    pub fn user_by_name(&self, name: &Folded) -> Option<Arc<User>> {
        let state = self.read();
        state.person_at(state.person_named(name.as_str())?).map(|person| Arc::clone(&person.user))
    }

    /// The account with this e-mail address, primary or not.
    #[must_use]
    pub fn user_by_email(&self, email: &Folded) -> Option<Arc<User>> {
        let state = self.read();
        state.person_at(state.person_with_mail(email.as_str())?).map(|person| Arc::clone(&person.user))
    }

    /// The further addresses of an account, in their order.
    #[must_use]
    pub fn addresses_of(&self, user: UserId) -> Vec<Email> {
        let state = self.read();
        let further = state.person(user).into_iter().flat_map(|person| &person.further);
        further.map(|(address, _)| address.clone()).collect()
    }

    /// The values of a schema attribute that an account has itself, as LDAP writes them; none of a
    /// picture.
    #[must_use]
    pub fn values_of_user(&self, user: UserId, number: u32) -> Vec<String> {
        self.read().person(user).map(|person| texts(&person.values, number)).unwrap_or_default()
    }

    /// The same of a group.
    #[must_use]
    pub fn values_of_group(&self, group: GroupId, number: u32) -> Vec<String> {
        self.read().unit(group).map(|unit| texts(&unit.values, number)).unwrap_or_default()
    }

    /// How many pictures an account has as values of a schema attribute.
    #[must_use]
    pub fn pictures_of_user(&self, user: UserId, number: u32) -> usize {
        self.read().person(user).map_or(0, |person| pictures(&person.values, number))
    }

    /// The same of a group.
    #[must_use]
    pub fn pictures_of_group(&self, group: GroupId, number: u32) -> usize {
        self.read().unit(group).map_or(0, |unit| pictures(&unit.values, number))
    }

    /// The attributes that are defined beside the built-in ones.
    #[must_use]
    pub fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.read().schema)
    }

    /// What people have in POSIX systems who have nothing of their own.
    #[must_use]
    pub const fn posix_defaults(&self) -> &PosixDefaults {
        &self.tree.posix
    }

    /// The group with this id.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<Arc<Group>> {
        self.read().unit(id).map(|unit| Arc::clone(&unit.group))
    }

    /// The group with this name.
    #[must_use]
    pub fn group_by_name(&self, name: &Folded) -> Option<Arc<Group>> {
        let state = self.read();
        state.unit_at(state.unit_named(name.as_str())?).map(|unit| Arc::clone(&unit.group))
    }

    /// All groups that an account is in, directly or through another, by name.
    #[must_use]
    pub fn groups_of(&self, user: UserId) -> Vec<Arc<Group>> {
        let state = self.read();
        let Some(person) = state.person(user) else { return Vec::new() };
        by_name(state.groups_of(person).iter().filter_map(|place| state.unit_at(*place)))
    }

    /// The groups that an account is in itself, by name.
    #[must_use]
    pub fn direct_groups_of(&self, user: UserId) -> Vec<Arc<Group>> {
        let state = self.read();
        by_name(state.person(user).into_iter().flat_map(|person| &person.groups).filter_map(|at| state.unit_at(*at)))
    }

    /// The accounts that are in a group themselves, by user name.
    #[must_use]
    pub fn members_of(&self, group: GroupId) -> Vec<Arc<User>> {
        let state = self.read();
        let members = state.unit(group).into_iter().flat_map(|unit| &unit.members);
        people(members.filter_map(|place| state.person_at(*place)))
    }

    /// Everybody who is in a group, directly or through another, by user name.
    #[must_use]
    pub fn effective_members_of(&self, group: GroupId) -> Vec<Arc<User>> {
        let state = self.read();
        let places = state.unit_place(group).map(|place| state.everybody_in(place)).unwrap_or_default();
        people(places.into_iter().filter_map(|place| state.person_at(place)))
    }

    /// The groups that are in a group directly, by name.
    #[must_use]
    pub fn subgroups_of(&self, group: GroupId) -> Vec<Arc<Group>> {
        let state = self.read();
        by_name(state.unit(group).into_iter().flat_map(|unit| &unit.children).filter_map(|at| state.unit_at(*at)))
    }

    /// The groups that a group is in directly, by name.
    #[must_use]
    pub fn parents_of(&self, group: GroupId) -> Vec<Arc<Group>> {
        let state = self.read();
        by_name(state.unit(group).into_iter().flat_map(|unit| &unit.parents).filter_map(|at| state.unit_at(*at)))
    }

    /// Whether rights hang from a group, or from one that it is in.
    #[must_use]
    pub fn has_rights(&self, group: &Group) -> bool {
        let state = self.read();
        let mut above = state.unit(group.id).into_iter().flat_map(|unit| &unit.above);
        group.is_built_in() || above.any(|at| state.unit_at(*at).is_some_and(|unit| unit.group.is_built_in()))
    }

    /// Who may change the members of a group, by user name.
    #[must_use]
    pub fn managers_of(&self, group: GroupId) -> Vec<Arc<User>> {
        let state = self.read();
        let managers = state.unit(group).into_iter().flat_map(|unit| &unit.managers);
        people(managers.filter_map(|id| state.person(*id)))
    }

    /// The groups whose members an account may change, by name.
    #[must_use]
    pub fn managed_by(&self, user: UserId) -> Vec<Arc<Group>> {
        let state = self.read();
        by_name(state.units().map(|(_, unit)| unit).filter(|unit| unit.managers.contains(&user)))
    }

    /// The distinguished name of an account's entry (RFC 4514).
    #[must_use]
    pub fn person_dn(&self, user: &User) -> String {
        let mut dn = String::new();
        self.tree.person_into(user.profile.username.as_str(), &mut dn);
        dn
    }

    /// The distinguished name of a group's entry (RFC 4514).
    #[must_use]
    pub fn group_dn(&self, group: &Group) -> String {
        let mut dn = String::new();
        self.tree.group_into(group.name.as_str(), &mut dn);
        dn
    }

    /// What an account may do, by the groups that it is in.
    #[must_use]
    pub fn role(&self, user: UserId) -> Role {
        self.read().role(user)
    }

    /// How many people and groups there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.read().counts()
    }

    /// Waits for a writer that is replacing a few entries at most. A panic of another thread in
    /// the middle of that would have left indexes that are checked at every use.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

const fn is_of_schema(change: &Change) -> bool {
    matches!(change.kind, ChangeKind::Schema)
}

fn texts(values: &Values, number: u32) -> Vec<String> {
    let mut texts = Vec::new();
    values.of(number).iter().for_each(|value| value.write(&mut |text| texts.push(text.to_owned())));
    texts
}

fn pictures(values: &Values, number: u32) -> usize {
    values.of(number).iter().filter(|value| matches!(value, values::Held::Picture)).count()
}

fn by_name<'a>(units: impl Iterator<Item = &'a Unit>) -> Vec<Arc<Group>> {
    let mut units: Vec<_> = units.collect();
    units.sort_by(|left, right| left.name.cmp(&right.name));
    units.into_iter().map(|unit| Arc::clone(&unit.group)).collect()
}

/// By user name.
fn people<'a>(persons: impl Iterator<Item = &'a Person>) -> Vec<Arc<User>> {
    let mut persons: Vec<_> = persons.collect();
    persons.sort_unstable_by_key(|person| person.folded(Text::Username));
    persons.into_iter().map(|person| Arc::clone(&person.user)).collect()
}
