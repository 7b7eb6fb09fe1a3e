//! Groups in groups, what follows from them, and who manages a group.
//!
//! Whoever is in a group is in all groups above it. The statements that walk up or down end even
//! on a circle, though none is ever written: the caller holds the lock and asks
//! [`Tx::nesting_reaches`] first.

use std::collections::BTreeSet;

use ostiary_model::{GroupId, Nesting, Timestamp, UserId};
use uuid::Uuid;

use crate::changes::ChangeKind;
use crate::db::{Store, Tx, read, within};
use crate::error::Error;

impl Store {
    /// Whether this nesting exists now.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn nesting_exists(&self, nesting: Nesting) -> Result<bool, Error> {
        let found: Option<i64> = read!(self, db => sqlx::query_scalar(
            "SELECT created_at FROM nesting WHERE child_id = $1 AND parent_id = $2",
        ).bind(nesting.child.uuid()).bind(nesting.parent.uuid()).fetch_optional(db).await)?;
        Ok(found.is_some())
    }
}

impl Tx {
    /// Puts a group into a group. False when it is in it already. Asks nothing about circles:
    /// hold [`Tx::directory_lock`] and ask [`Tx::nesting_reaches`] from parent to child.
    ///
    /// # Errors
    /// [`Error::Orphan`] when one of the groups is gone.
    pub async fn nesting_insert(&mut self, nesting: Nesting, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "INSERT INTO nesting (child_id, parent_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(nesting.child.uuid()).bind(nesting.parent.uuid()).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.nesting_noted(nesting, found))
    }

    /// Takes a group out of a group. False when it is not in it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn nesting_delete(&mut self, nesting: Nesting) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM nesting WHERE child_id = $1 AND parent_id = $2")
            .bind(nesting.child.uuid()).bind(nesting.parent.uuid())
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.nesting_noted(nesting, found))
    }

    /// Whether `to` is `from` or above it, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn nesting_reaches(&mut self, from: GroupId, to: GroupId) -> Result<bool, Error> {
        let found: Option<Uuid> = within!(self, db => sqlx::query_scalar(
            "WITH RECURSIVE above (id) AS (\
               SELECT $1 UNION SELECT n.parent_id FROM nesting n JOIN above a ON a.id = n.child_id\
             ) SELECT id FROM above WHERE id = $2",
        ).bind(from.uuid()).bind(to.uuid()).fetch_optional(db).await)?;
        Ok(found.is_some())
    }

    /// The names of the groups that `user` is in, also through other groups, as they stand in
    /// this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_names_of(&mut self, user: UserId) -> Result<Vec<String>, Error> {
        Ok(within!(self, db => sqlx::query_scalar(
            "WITH RECURSIVE above (id) AS (\
               SELECT group_id FROM membership WHERE user_id = $1 \
               UNION SELECT n.parent_id FROM nesting n JOIN above a ON a.id = n.child_id\
             ) SELECT g.name FROM groups g JOIN above a ON a.id = g.id ORDER BY g.name_folded",
        ).bind(user.uuid()).fetch_all(db).await)?)
    }

    /// The accounts in the group named `name_folded`, also through other groups, that may be used
    /// at `now`, have no end set and belong to people, as they stand in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_lasting_members(&mut self, name_folded: &str, now: Timestamp) -> Result<Vec<UserId>, Error> {
        let groups: Vec<Uuid> = within!(self, db => sqlx::query_scalar(
            "WITH RECURSIVE below (id) AS (\
               SELECT id FROM groups WHERE name_folded = $1 \
               UNION SELECT n.child_id FROM nesting n JOIN below b ON b.id = n.parent_id\
             ) SELECT id FROM below",
        ).bind(name_folded).fetch_all(db).await)?;
        // One statement for all groups would do, but both engines then read every membership there is.
        let mut members = BTreeSet::new();
        for group in groups {
            let ids: Vec<Uuid> = within!(self, db => sqlx::query_scalar(
                "SELECT u.id FROM membership m JOIN users u ON u.id = m.user_id WHERE m.group_id = $1 \
                 AND NOT u.is_service \
                 AND u.disabled_at IS NULL AND u.not_after IS NULL AND (u.not_before IS NULL OR u.not_before <= $2)",
            ).bind(group).bind(now.as_micros()).fetch_all(db).await)?;
            members.extend(ids.into_iter().map(UserId::from));
        }
        Ok(members.into_iter().collect())
    }

    /// Whether `user` manages `group`, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn is_manager(&mut self, group: GroupId, user: UserId) -> Result<bool, Error> {
        let found: Option<i64> = within!(self, db => sqlx::query_scalar(
            "SELECT created_at FROM group_manager WHERE group_id = $1 AND user_id = $2",
        ).bind(group.uuid()).bind(user.uuid()).fetch_optional(db).await)?;
        Ok(found.is_some())
    }

    /// Lets a person manage a group. False when they do already.
    ///
    /// # Errors
    /// [`Error::Orphan`] when person or group is gone.
    pub async fn manager_insert(&mut self, group: GroupId, user: UserId, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "INSERT INTO group_manager (group_id, user_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(group.uuid()).bind(user.uuid()).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.group_noted(group, found))
    }

    /// Lets a person manage a group no longer. False when they do not.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn manager_delete(&mut self, group: GroupId, user: UserId) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM group_manager WHERE group_id = $1 AND user_id = $2")
            .bind(group.uuid()).bind(user.uuid())
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.group_noted(group, found))
    }

    fn nesting_noted(&mut self, nesting: Nesting, found: u64) -> bool {
        if found > 0 {
            self.note(ChangeKind::Nesting(nesting));
        }
        found > 0
    }
}
