//! What an entry of the directory is made of, gathered from several tables: one at a time, and the
//! whole directory at start.
//!
//! Each table is read once and joined here, so that 100,000 people cost a handful of statements.
//! The bytes of pictures stay where they are.

use std::collections::HashMap;

use ostiary_model::{Email, GroupEntry, GroupId, Membership, Nesting, Schema, StoredValues, User, UserEntry, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::{Pools, Store, Tx, read, row, within};
use crate::error::Error;
use crate::groups::{GROUP_BY_ID, GROUP_SELECT, GroupRow};
use crate::schema::number;
use crate::users::{USER_BY_ID, USER_SELECT, UserRow};

/// The whole directory as it stood at `seq` or a little later: applying the changes after `seq`
/// again does no harm.
#[derive(Debug)]
pub struct Snapshot {
    /// The last change that is surely contained.
    pub seq: i64,
    /// The definitions.
    pub schema: Schema,
    /// Every account.
    pub users: Vec<UserEntry>,
    /// Every group.
    pub groups: Vec<GroupEntry>,
    /// Who is in which.
    pub memberships: Vec<Membership>,
    /// Which group is in which.
    pub nestings: Vec<Nesting>,
}

/// In place of a picture. Neither engine's text for no bytes is understood by the other.
const NO_BYTES: &[u8] = &[];

const ADDRESSES: &str = "SELECT user_id AS owner, address FROM user_address ORDER BY user_id, position";
const ADDRESSES_OF: &str = "SELECT user_id AS owner, address FROM user_address WHERE user_id = $1 ORDER BY position";
/// One row for each person, with the ids of the groups behind each other in hexadecimal: rows are
/// what takes long, and there are several memberships to a person.
const MEMBERSHIPS_POSTGRES: &str =
    "SELECT user_id, STRING_AGG(ENCODE(UUID_SEND(group_id), 'hex'), '') FROM membership GROUP BY user_id";
const MEMBERSHIPS_SQLITE: &str = "SELECT user_id, GROUP_CONCAT(HEX(group_id), '') FROM membership GROUP BY user_id";
const MANAGERS: &str = "SELECT group_id AS owner, user_id FROM group_manager ORDER BY group_id, user_id";
const MANAGERS_OF: &str = "SELECT group_id AS owner, user_id FROM group_manager WHERE group_id = $1 ORDER BY user_id";

macro_rules! values_select {
    ($table:literal, $owner:literal, $rest:literal) => {
        concat!(
            "SELECT v.",
            $owner,
            " AS owner, v.attribute, CASE WHEN a.kind = 'jpeg' THEN $1 ELSE v.value END AS value ",
            "FROM ",
            $table,
            " v JOIN attribute a ON a.number = v.attribute ",
            $rest,
            " ORDER BY v.",
            $owner,
            ", v.attribute, v.position"
        )
    };
}

const USER_VALUES: &str = values_select!("user_value", "user_id", "");
const USER_VALUES_OF: &str = values_select!("user_value", "user_id", "WHERE v.user_id = $2");
const GROUP_VALUES: &str = values_select!("group_value", "group_id", "");
const GROUP_VALUES_OF: &str = values_select!("group_value", "group_id", "WHERE v.group_id = $2");

row! {
    struct ValueRow {
        owner: Uuid,
        attribute: i64,
        value: Vec<u8>,
    }
}

row! {
    struct AddressRow {
        owner: Uuid,
        address: String,
    }
}

row! {
    struct ManagerRow {
        owner: Uuid,
        user_id: Uuid,
    }
}

/// An entry without what comes from other tables. Of the size of an entry, so that a list of them
/// becomes a list of entries where it lies.
struct Bare<T>(T);

impl<'r, R: sqlx::Row> FromRow<'r, R> for Bare<UserEntry>
where
    UserRow: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let user = User::from(UserRow::from_row(row)?);
        Ok(Self(UserEntry { user, addresses: Vec::new(), values: Vec::new() }))
    }
}

impl<'r, R: sqlx::Row> FromRow<'r, R> for Bare<GroupEntry>
where
    GroupRow: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let group = GroupRow::from_row(row)?.into();
        Ok(Self(GroupEntry { group, values: Vec::new(), managers: Vec::new() }))
    }
}

/// Rows by the entry that they belong to, in the order in which they came.
fn by_owner<R, T>(rows: Vec<R>, part: impl Fn(R) -> (Uuid, T)) -> HashMap<Uuid, Vec<T>> {
    let mut parts: HashMap<Uuid, Vec<T>> = HashMap::new();
    for (owner, part) in rows.into_iter().map(part) {
        parts.entry(owner).or_default().push(part);
    }
    parts
}

fn addresses(rows: Vec<AddressRow>) -> HashMap<Uuid, Vec<Email>> {
    by_owner(rows, |row| (row.owner, Email::from_stored(row.address)))
}

fn managers(rows: Vec<ManagerRow>) -> HashMap<Uuid, Vec<UserId>> {
    by_owner(rows, |row| (row.owner, row.user_id.into()))
}

/// Who is in which group; those of one person come after one another.
fn memberships(rows: &[(Uuid, String)]) -> Result<Vec<Membership>, Error> {
    let mut all = Vec::with_capacity(rows.len() * 4);
    for (user, mut rest) in rows.iter().map(|(user, groups)| (*user, groups.as_str())) {
        while !rest.is_empty() {
            let id = rest.split_at_checked(32).and_then(|(id, after)| Some((Uuid::try_parse(id).ok()?, after)));
            let Some((group, after)) = id else { return Err(Error::Corrupt("membership.group_id")) };
            all.push(Membership { user: user.into(), group: group.into() });
            rest = after;
        }
    }
    Ok(all)
}

/// Values by their owner. Those of one attribute come after one another.
fn values(rows: Vec<ValueRow>) -> Result<HashMap<Uuid, StoredValues>, Error> {
    let mut all: HashMap<Uuid, StoredValues> = HashMap::new();
    for row in rows {
        let number = number(row.attribute)?;
        let own = all.entry(row.owner).or_default();
        match own.last_mut() {
            Some((last, list)) if *last == number => list.push(row.value),
            _ => own.push((number, vec![row.value])),
        }
    }
    Ok(all)
}

/// One account's entry, by `read!` or `within!`.
macro_rules! user_entry {
    ($on:ident, $from:expr, $id:expr) => {{
        let id = $id.uuid();
        let found: Option<Bare<UserEntry>> =
            $on!($from, db => sqlx::query_as(USER_BY_ID).bind(id).fetch_optional(db).await)?;
        let Some(Bare(mut entry)) = found else { return Ok(None) };
        let rows = $on!($from, db => sqlx::query_as(ADDRESSES_OF).bind(id).fetch_all(db).await)?;
        entry.addresses = addresses(rows).remove(&id).unwrap_or_default();
        let rows = $on!($from, db => sqlx::query_as(USER_VALUES_OF).bind(NO_BYTES).bind(id).fetch_all(db).await)?;
        entry.values = values(rows)?.remove(&id).unwrap_or_default();
        Ok(Some(entry))
    }};
}

/// One group's entry, by `read!` or `within!`.
macro_rules! group_entry {
    ($on:ident, $from:expr, $id:expr) => {{
        let id = $id.uuid();
        let found: Option<Bare<GroupEntry>> =
            $on!($from, db => sqlx::query_as(GROUP_BY_ID).bind(id).fetch_optional(db).await)?;
        let Some(Bare(mut entry)) = found else { return Ok(None) };
        let rows = $on!($from, db => sqlx::query_as(MANAGERS_OF).bind(id).fetch_all(db).await)?;
        entry.managers = managers(rows).remove(&id).unwrap_or_default();
        let rows = $on!($from, db => sqlx::query_as(GROUP_VALUES_OF).bind(NO_BYTES).bind(id).fetch_all(db).await)?;
        entry.values = values(rows)?.remove(&id).unwrap_or_default();
        Ok(Some(entry))
    }};
}

impl Store {
    /// The account with this id and all that its entry shows.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn user_entry(&self, id: UserId) -> Result<Option<UserEntry>, Error> {
        user_entry!(read, self, id)
    }

    /// The group with this id and all that its entry shows.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn group_entry(&self, id: GroupId) -> Result<Option<GroupEntry>, Error> {
        group_entry!(read, self, id)
    }

    /// Everything in the directory.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn directory_snapshot(&self) -> Result<Snapshot, Error> {
        let seq = self.directory_head().await?;
        let schema = self.schema().await?;
        // Two long answers, which the engine makes at the same time.
        let (users, rows) = tokio::try_join!(self.user_entries(), self.membership_rows())?;
        let groups = self.group_entries().await?;
        let memberships = memberships(&rows)?;
        let nestings: Vec<(Uuid, Uuid)> =
            read!(self, db => sqlx::query_as("SELECT child_id, parent_id FROM nesting").fetch_all(db).await)?;
        let nesting = |(child, parent): (Uuid, Uuid)| Nesting { child: child.into(), parent: parent.into() };
        let nestings = nestings.into_iter().map(nesting).collect();
        Ok(Snapshot { seq, schema, users, groups, memberships, nestings })
    }

    async fn membership_rows(&self) -> Result<Vec<(Uuid, String)>, Error> {
        Ok(match &self.pools {
            Pools::Postgres(db) => sqlx::query_as(MEMBERSHIPS_POSTGRES).fetch_all(db).await?,
            Pools::Sqlite { read: db, .. } => sqlx::query_as(MEMBERSHIPS_SQLITE).fetch_all(db).await?,
        })
    }

    async fn user_entries(&self) -> Result<Vec<UserEntry>, Error> {
        let users: Vec<Bare<UserEntry>> = read!(self, db => sqlx::query_as(USER_SELECT).fetch_all(db).await)?;
        let rows = read!(self, db => sqlx::query_as(ADDRESSES).fetch_all(db).await)?;
        let mut addresses = addresses(rows);
        let rows = read!(self, db => sqlx::query_as(USER_VALUES).bind(NO_BYTES).fetch_all(db).await)?;
        let mut values = values(rows)?;
        let mut users: Vec<UserEntry> = users.into_iter().map(|Bare(entry)| entry).collect();
        for entry in &mut users {
            let id = entry.user.id.uuid();
            entry.addresses = addresses.remove(&id).unwrap_or_default();
            entry.values = values.remove(&id).unwrap_or_default();
        }
        Ok(users)
    }

    async fn group_entries(&self) -> Result<Vec<GroupEntry>, Error> {
        let groups: Vec<Bare<GroupEntry>> = read!(self, db => sqlx::query_as(GROUP_SELECT).fetch_all(db).await)?;
        let rows = read!(self, db => sqlx::query_as(MANAGERS).fetch_all(db).await)?;
        let mut managers = managers(rows);
        let rows = read!(self, db => sqlx::query_as(GROUP_VALUES).bind(NO_BYTES).fetch_all(db).await)?;
        let mut values = values(rows)?;
        let mut groups: Vec<GroupEntry> = groups.into_iter().map(|Bare(entry)| entry).collect();
        for entry in &mut groups {
            let id = entry.group.id.uuid();
            entry.managers = managers.remove(&id).unwrap_or_default();
            entry.values = values.remove(&id).unwrap_or_default();
        }
        Ok(groups)
    }
}

impl Tx {
    /// The account with this id and all that its entry shows, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn user_entry(&mut self, id: UserId) -> Result<Option<UserEntry>, Error> {
        user_entry!(within, self, id)
    }

    /// The group with this id and all that its entry shows, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn group_entry(&mut self, id: GroupId) -> Result<Option<GroupEntry>, Error> {
        group_entry!(within, self, id)
    }
}
