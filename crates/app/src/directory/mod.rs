//! People and groups in memory: loaded at start, fed by the change log, read by every door.
//!
//! A write costs what it changes: a change names a row, the row is fetched again and its place in
//! the indexes renewed. Password hashes and other secrets never come here. Searches and the
//! panel's lists are in the modules below; who may see what is decided by `model::may`.

mod panel;
mod search;
mod state;
#[cfg(test)]
mod tests;
mod tree;
mod view;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ostiary_model::{Dn, Folded, Group, GroupId, Role, User, UserId};
use ostiary_store::{Change, ChangeKind, Error, Store};
use tokio::sync::Mutex;

use self::state::{Row, State};
use self::tree::Tree;

pub use self::panel::{Found, GroupRow, Page, PeopleSort, PeopleState, SortKey};
pub use self::search::{Cursor, NoSuchObject, Query, Scope};
pub use self::state::Target;
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
    pub async fn load(store: &Store, base: &Dn) -> Result<Self, Error> {
        let state = RwLock::new(State::new(store.directory_snapshot().await?));
        Ok(Self { tree: Tree::new(base), state, following: Mutex::new(()) })
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
                Some(changes) if changes.len() < MANY => self.apply(store, &changes).await?,
                // Too far behind to follow, or so far that reading everything at once is quicker.
                _ => {
                    let state = State::new(store.directory_snapshot().await?);
                    tracing::info!(seq = state.seq, "directory loaded again");
                    self.write(|old| *old = state);
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
                ChangeKind::User(id) => Row::User(id, store.user_by_id(id).await?),
                ChangeKind::Group(id) => Row::Group(id, store.group_by_id(id).await?),
                ChangeKind::Membership(member) => Row::Membership(member, store.membership_exists(member).await?),
            });
        }
        self.write(|state| {
            rows.into_iter().for_each(|row| state.set(row));
            state.seq = changes.last().map_or(state.seq, |change| change.seq);
        });
        Ok(())
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
        state.person(state.person_by_name(name.as_str())?).map(|person| Arc::clone(&person.user))
    }

    /// The account with this e-mail address.
    #[must_use]
    pub fn user_by_email(&self, email: &Folded) -> Option<Arc<User>> {
        let state = self.read();
        state.person(state.person_by_email(email.as_str())?).map(|person| Arc::clone(&person.user))
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
        state.unit(state.unit_by_name(name.as_str())?).map(|unit| Arc::clone(&unit.group))
    }

    /// The groups that an account is in, by name.
    #[must_use]
    pub fn groups_of(&self, user: UserId) -> Vec<Arc<Group>> {
        self.read().units_of(user).into_iter().map(|unit| Arc::clone(&unit.group)).collect()
    }

    /// The accounts in a group, by user name.
    #[must_use]
    pub fn members_of(&self, group: GroupId) -> Vec<Arc<User>> {
        self.read().persons_in(group).into_iter().map(|person| Arc::clone(&person.user)).collect()
    }

    /// The distinguished name of an account's entry (RFC 4514).
    #[must_use]
    pub fn person_dn(&self, user: &User) -> String {
        self.tree.person(user.profile.username.as_str())
    }

    /// The distinguished name of a group's entry (RFC 4514).
    #[must_use]
    pub fn group_dn(&self, group: &Group) -> String {
        self.tree.group(group.name.as_str())
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

    fn write(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}
