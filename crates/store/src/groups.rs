//! Groups and who is in them.

use ostiary_model::{Group, GroupId, GroupName, Membership, Timestamp, UserId};
use uuid::Uuid;

use crate::changes::ChangeKind;
use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

pub(crate) const GROUP_SELECT: &str = "SELECT id, number, name, created_at, modified_at FROM groups";
const GROUP_BY_ID: &str = "SELECT id, number, name, created_at, modified_at FROM groups WHERE id = $1";

row! {
    pub(crate) struct GroupRow {
        id: Uuid,
        number: i64,
        name: String,
        created_at: i64,
        modified_at: i64,
    }
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        Self {
            id: row.id.into(),
            number: row.number,
            name: GroupName::from_stored(row.name),
            created_at: Timestamp::from_micros(row.created_at),
            modified_at: Timestamp::from_micros(row.modified_at),
        }
    }
}

impl Store {
    /// The group with this id.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_by_id(&self, id: GroupId) -> Result<Option<Group>, Error> {
        let row: Option<GroupRow> =
            read!(self, db => sqlx::query_as(GROUP_BY_ID).bind(id.uuid()).fetch_optional(db).await)?;
        Ok(row.map(Group::from))
    }

    /// Whether this membership exists now.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn membership_exists(&self, member: Membership) -> Result<bool, Error> {
        let found: Option<i64> = read!(self, db => sqlx::query_scalar(
            "SELECT created_at FROM membership WHERE user_id = $1 AND group_id = $2",
        ).bind(member.user.uuid()).bind(member.group.uuid()).fetch_optional(db).await)?;
        Ok(found.is_some())
    }
}

impl Tx {
    /// The group with this id, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_by_id(&mut self, id: GroupId) -> Result<Option<Group>, Error> {
        let row: Option<GroupRow> =
            within!(self, db => sqlx::query_as(GROUP_BY_ID).bind(id.uuid()).fetch_optional(db).await)?;
        Ok(row.map(Group::from))
    }

    /// Adds a group under the next free number and gives it back.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when the name is taken.
    pub async fn group_insert(&mut self, id: GroupId, name: &GroupName, now: Timestamp) -> Result<Group, Error> {
        let number: i64 = within!(self, db => sqlx::query_scalar("UPDATE group_number SET last = last + 1 RETURNING last")
            .fetch_one(db).await)?;
        within!(self, db => sqlx::query(
            "INSERT INTO groups (id, number, name, name_folded, created_at, modified_at) VALUES ($1, $2, $3, $4, $5, $5)",
        )
        .bind(id.uuid()).bind(number).bind(name.as_str()).bind(name.folded().into_string()).bind(now.as_micros())
        .execute(db).await.map(drop))?;
        self.note(ChangeKind::Group(id));
        Ok(Group { id, number, name: name.clone(), created_at: now, modified_at: now })
    }

    /// Renames a group. False when there is no such group.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when the name is taken.
    pub async fn group_rename(&mut self, id: GroupId, name: &GroupName, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE groups SET name = $2, name_folded = $3, modified_at = $4 WHERE id = $1",
        )
        .bind(id.uuid()).bind(name.as_str()).bind(name.folded().into_string()).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        if found > 0 {
            self.note(ChangeKind::Group(id));
        }
        Ok(found > 0)
    }

    /// Removes a group and its memberships. False when there is no such group.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_delete(&mut self, id: GroupId) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM groups WHERE id = $1")
            .bind(id.uuid()).execute(db).await.map(|done| done.rows_affected()))?;
        if found > 0 {
            self.note(ChangeKind::Group(id));
        }
        Ok(found > 0)
    }

    /// Puts a person into a group. False when they are in it already.
    ///
    /// # Errors
    /// [`Error::Orphan`] when person or group is gone.
    pub async fn membership_insert(&mut self, member: Membership, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "INSERT INTO membership (user_id, group_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(member.user.uuid()).bind(member.group.uuid()).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.membership_noted(member, found))
    }

    /// Takes a person out of a group. False when they are not in it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn membership_delete(&mut self, member: Membership) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM membership WHERE user_id = $1 AND group_id = $2")
            .bind(member.user.uuid()).bind(member.group.uuid())
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.membership_noted(member, found))
    }

    /// The accounts in the group named `name_folded` that are not closed, as they stand in this
    /// transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_active_members(&mut self, name_folded: &str) -> Result<Vec<UserId>, Error> {
        let ids: Vec<Uuid> = within!(self, db => sqlx::query_scalar(
            "SELECT u.id FROM users u JOIN membership m ON m.user_id = u.id JOIN groups g ON g.id = m.group_id \
             WHERE g.name_folded = $1 AND u.disabled_at IS NULL",
        ).bind(name_folded).fetch_all(db).await)?;
        Ok(ids.into_iter().map(UserId::from).collect())
    }

    /// The names of the groups that `user` is in, as they stand in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_names_of(&mut self, user: UserId) -> Result<Vec<String>, Error> {
        Ok(within!(self, db => sqlx::query_scalar(
            "SELECT g.name FROM groups g JOIN membership m ON m.group_id = g.id WHERE m.user_id = $1 ORDER BY g.name_folded",
        ).bind(user.uuid()).fetch_all(db).await)?)
    }

    /// The group with this folded name, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_by_name(&mut self, name_folded: &str) -> Result<Option<Group>, Error> {
        let row: Option<GroupRow> = within!(self, db => sqlx::query_as(
            "SELECT id, number, name, created_at, modified_at FROM groups WHERE name_folded = $1",
        ).bind(name_folded).fetch_optional(db).await)?;
        Ok(row.map(Group::from))
    }

    fn membership_noted(&mut self, member: Membership, found: u64) -> bool {
        if found > 0 {
            self.note(ChangeKind::Membership(member));
        }
        found > 0
    }
}
