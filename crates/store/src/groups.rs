//! Groups and who is in them.

use ostiary_model::{Group, GroupId, GroupName, Membership, Timestamp};
use uuid::Uuid;

use crate::changes::ChangeKind;
use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

macro_rules! group_select {
    ($rest:literal) => {
        concat!("SELECT id, number, name, gid_number, created_at, modified_at FROM groups ", $rest)
    };
}

pub(crate) const GROUP_SELECT: &str = group_select!("");
pub(crate) const GROUP_BY_ID: &str = group_select!("WHERE id = $1");
const GROUP_BY_NAME: &str = group_select!("WHERE name_folded = $1");

row! {
    pub(crate) struct GroupRow {
        id: Uuid,
        number: i64,
        name: String,
        gid_number: Option<i64>,
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
            gid_number: row.gid_number,
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

    /// Adds a group with the next `number` and gives it back. `gid` is its `gidNumber`; such
    /// numbers are unique over two tables: hold [`Tx::directory_lock`].
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when name or `gidNumber` is taken.
    pub async fn group_insert(
        &mut self,
        id: GroupId,
        name: &GroupName,
        gid: Option<i64>,
        now: Timestamp,
    ) -> Result<Group, Error> {
        self.posix_free_for_group(gid).await?;
        let number: i64 = within!(self, db => sqlx::query_scalar("UPDATE group_number SET last = last + 1 RETURNING last")
            .fetch_one(db).await)?;
        within!(self, db => sqlx::query(
            "INSERT INTO groups (id, number, name, name_folded, gid_number, created_at, modified_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(id.uuid()).bind(number).bind(name.as_str()).bind(name.folded().into_string()).bind(gid).bind(now.as_micros())
        .execute(db).await.map(drop))?;
        self.note(ChangeKind::Group(id));
        Ok(Group { id, number, name: name.clone(), gid_number: gid, created_at: now, modified_at: now })
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
        Ok(self.group_noted(id, found))
    }

    /// Removes a group, its memberships and nestings. False when there is no such group.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_delete(&mut self, id: GroupId) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM groups WHERE id = $1")
            .bind(id.uuid()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.group_noted(id, found))
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

    /// The group with this folded name, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_by_name(&mut self, name_folded: &str) -> Result<Option<Group>, Error> {
        let row: Option<GroupRow> =
            within!(self, db => sqlx::query_as(GROUP_BY_NAME).bind(name_folded).fetch_optional(db).await)?;
        Ok(row.map(Group::from))
    }

    /// Notes the change of `id` when a row was found.
    pub(crate) fn group_noted(&mut self, id: GroupId, found: u64) -> bool {
        if found > 0 {
            self.note(ChangeKind::Group(id));
        }
        found > 0
    }

    fn membership_noted(&mut self, member: Membership, found: u64) -> bool {
        if found > 0 {
            self.note(ChangeKind::Membership(member));
        }
        found > 0
    }
}
