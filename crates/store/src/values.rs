//! Values of defined attributes, further addresses, and pictures: each replaced as a whole.

use ostiary_model::{Email, GroupId, Timestamp, UserId};

use crate::db::{Store, Tx, read, row, within};
use crate::error::{Conflict, Error};

/// A person's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Avatar {
    /// Its bytes.
    pub jpeg: Vec<u8>,
    /// When it was set.
    pub changed_at: Timestamp,
}

row! {
    struct AvatarRow {
        jpeg: Vec<u8>,
        changed_at: i64,
    }
}

const TOUCH_USER: &str = "UPDATE users SET modified_at = $2 WHERE id = $1";
const TOUCH_GROUP: &str = "UPDATE groups SET modified_at = $2 WHERE id = $1";

impl Store {
    /// A person's values of one attribute with all their bytes, those of pictures too.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_value_bytes(&self, id: UserId, number: u32) -> Result<Vec<Vec<u8>>, Error> {
        Ok(read!(self, db => sqlx::query_scalar(
            "SELECT value FROM user_value WHERE user_id = $1 AND attribute = $2 ORDER BY position",
        ).bind(id.uuid()).bind(i64::from(number)).fetch_all(db).await)?)
    }

    /// A group's values of one attribute with all their bytes, those of pictures too.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_value_bytes(&self, id: GroupId, number: u32) -> Result<Vec<Vec<u8>>, Error> {
        Ok(read!(self, db => sqlx::query_scalar(
            "SELECT value FROM group_value WHERE group_id = $1 AND attribute = $2 ORDER BY position",
        ).bind(id.uuid()).bind(i64::from(number)).fetch_all(db).await)?)
    }

    /// A person's picture.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn avatar(&self, id: UserId) -> Result<Option<Avatar>, Error> {
        let row: Option<AvatarRow> = read!(self, db => sqlx::query_as(
            "SELECT jpeg, changed_at FROM avatar WHERE user_id = $1",
        ).bind(id.uuid()).fetch_optional(db).await)?;
        Ok(row.map(|row| Avatar { jpeg: row.jpeg, changed_at: Timestamp::from_micros(row.changed_at) }))
    }
}

impl Tx {
    /// Makes `values` a person's values of the attribute `number`; none takes them away. False
    /// when there is no such account.
    ///
    /// # Errors
    /// [`Error::Orphan`] when there is no such attribute.
    pub async fn user_values_set(
        &mut self,
        id: UserId,
        number: u32,
        values: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<bool, Error> {
        if !self.user_touch(id, now).await? {
            return Ok(false);
        }
        within!(self, db => sqlx::query("DELETE FROM user_value WHERE user_id = $1 AND attribute = $2")
            .bind(id.uuid()).bind(i64::from(number)).execute(db).await.map(drop))?;
        for (position, value) in (0_i64..).zip(values) {
            within!(self, db => sqlx::query(
                "INSERT INTO user_value (user_id, attribute, position, value) VALUES ($1, $2, $3, $4)",
            )
            .bind(id.uuid()).bind(i64::from(number)).bind(position).bind(value.as_slice())
            .execute(db).await.map(drop))?;
        }
        Ok(true)
    }

    /// Makes `values` a group's values of the attribute `number`; none takes them away. False
    /// when there is no such group.
    ///
    /// # Errors
    /// [`Error::Orphan`] when there is no such attribute.
    pub async fn group_values_set(
        &mut self,
        id: GroupId,
        number: u32,
        values: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<bool, Error> {
        if !self.group_touch(id, now).await? {
            return Ok(false);
        }
        within!(self, db => sqlx::query("DELETE FROM group_value WHERE group_id = $1 AND attribute = $2")
            .bind(id.uuid()).bind(i64::from(number)).execute(db).await.map(drop))?;
        for (position, value) in (0_i64..).zip(values) {
            within!(self, db => sqlx::query(
                "INSERT INTO group_value (group_id, attribute, position, value) VALUES ($1, $2, $3, $4)",
            )
            .bind(id.uuid()).bind(i64::from(number)).bind(position).bind(value.as_slice())
            .execute(db).await.map(drop))?;
        }
        Ok(true)
    }

    /// Says that a group was changed now: who is in it is told by programs from others by that time.
    /// False when there is no such group.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn group_touch(&mut self, id: GroupId, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(TOUCH_GROUP)
            .bind(id.uuid()).bind(now.as_micros()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.group_noted(id, found))
    }

    /// Makes `addresses` a person's further addresses. False when there is no such account.
    /// Addresses are unique over two tables: hold [`Tx::directory_lock`].
    ///
    /// # Errors
    /// [`Error::Conflict`] when an address is somebody's already, or among `addresses` twice, or
    /// the person's first one.
    pub async fn user_addresses_set(&mut self, id: UserId, addresses: &[Email], now: Timestamp) -> Result<bool, Error> {
        if !self.user_touch(id, now).await? {
            return Ok(false);
        }
        within!(self, db => sqlx::query("DELETE FROM user_address WHERE user_id = $1")
            .bind(id.uuid()).execute(db).await.map(drop))?;
        for (position, address) in (0_i64..).zip(addresses) {
            let written = within!(self, db => sqlx::query(
                "INSERT INTO user_address (address_folded, user_id, address, position) SELECT $1, $2, $3, $4 \
                 WHERE NOT EXISTS (SELECT 1 FROM users WHERE email_folded = $1)",
            )
            .bind(address.folded().into_string()).bind(id.uuid()).bind(address.as_str()).bind(position)
            .execute(db).await.map(|done| done.rows_affected()))?;
            if written == 0 {
                return Err(Error::Conflict(Conflict::Email));
            }
        }
        Ok(true)
    }

    /// Sets a person's picture, or takes it away. False when there is no such account, or there
    /// was none to take.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn avatar_set(&mut self, id: UserId, jpeg: Option<&[u8]>, now: Timestamp) -> Result<bool, Error> {
        let found = match jpeg {
            Some(jpeg) => within!(self, db => sqlx::query(
                "INSERT INTO avatar (user_id, changed_at, jpeg) SELECT id, $2, $3 FROM users WHERE id = $1 \
                 ON CONFLICT (user_id) DO UPDATE SET changed_at = excluded.changed_at, jpeg = excluded.jpeg",
            ).bind(id.uuid()).bind(now.as_micros()).bind(jpeg).execute(db).await.map(|done| done.rows_affected()))?,
            None => within!(self, db => sqlx::query("DELETE FROM avatar WHERE user_id = $1")
                .bind(id.uuid()).execute(db).await.map(|done| done.rows_affected()))?,
        };
        if found == 0 {
            return Ok(false);
        }
        self.user_touch(id, now).await
    }

    async fn user_touch(&mut self, id: UserId, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(TOUCH_USER)
            .bind(id.uuid()).bind(now.as_micros()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.noted(id, found))
    }
}
