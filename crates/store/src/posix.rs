//! The numbers that people and groups have on Unix systems (RFC 2307).
//!
//! Whoever has no other primary group has one alone, under the number of their account. So a
//! number is a group's or such a person's, never both: the callers hold the lock.

use ostiary_model::{GroupId, Timestamp, UserId};
use uuid::Uuid;

use crate::db::{Tx, within};
use crate::error::{Conflict, Error};

impl Tx {
    /// Takes the next number between `first` and `last` that nothing has. Numbers count up, so
    /// that nobody inherits the files of somebody who is gone; a counter that stands outside the
    /// range, because the setting has changed, begins at `first`. `None` when all are used up.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn posix_number_take(&mut self, first: i64, last: i64) -> Result<Option<i64>, Error> {
        let next: Option<i64> = within!(self, db => sqlx::query_scalar(
            "UPDATE posix_number SET last = CASE WHEN last >= $1 AND last < $2 THEN last + 1 ELSE $1 END \
             WHERE last <> $2 AND $1 <= $2 RETURNING last",
        ).bind(first).bind(last).fetch_optional(db).await)?;
        match next {
            Some(number) if self.posix_number_is_taken(number).await? => self.posix_number_skip(number, last).await,
            next => Ok(next),
        }
    }

    async fn posix_number_is_taken(&mut self, number: i64) -> Result<bool, Error> {
        let found: i64 = within!(self, db => sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM users WHERE uid_number = $1) + (SELECT COUNT(*) FROM groups WHERE gid_number = $1) \
             + (SELECT COUNT(*) FROM users WHERE gid_number = $1)",
        ).bind(number).fetch_one(db).await)?;
        Ok(found > 0)
    }

    /// Jumps over a run of numbers that were given by hand: the next free one follows one of them.
    async fn posix_number_skip(&mut self, from: i64, last: i64) -> Result<Option<i64>, Error> {
        let free: Option<i64> = within!(self, db => sqlx::query_scalar(
            "SELECT MIN(t.number) + 1 FROM (\
               SELECT uid_number AS number FROM users WHERE uid_number >= $1 \
               UNION SELECT gid_number FROM groups WHERE gid_number >= $1 \
               UNION SELECT gid_number FROM users WHERE gid_number >= $1\
             ) t WHERE NOT EXISTS (SELECT 1 FROM users WHERE uid_number = t.number + 1) \
             AND NOT EXISTS (SELECT 1 FROM groups WHERE gid_number = t.number + 1) \
             AND NOT EXISTS (SELECT 1 FROM users WHERE gid_number = t.number + 1)",
        ).bind(from).fetch_one(db).await)?;
        let free = free.filter(|number| *number <= last);
        // When nothing is left the counter stands at the end, where it says so at once.
        within!(self, db => sqlx::query("UPDATE posix_number SET last = $1")
            .bind(free.unwrap_or(last)).execute(db).await.map(drop))?;
        Ok(free)
    }

    /// The accounts that have no number, and their primary group where it is set, oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn users_without_number(&mut self) -> Result<Vec<(UserId, Option<i64>)>, Error> {
        let rows: Vec<(Uuid, Option<i64>)> = within!(self, db => sqlx::query_as(
            "SELECT id, gid_number FROM users WHERE uid_number IS NULL ORDER BY created_at, id",
        ).fetch_all(db).await)?;
        Ok(rows.into_iter().map(|(id, gid)| (id.into(), gid)).collect())
    }

    /// The groups that have no number, oldest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn groups_without_number(&mut self) -> Result<Vec<GroupId>, Error> {
        let ids: Vec<Uuid> = within!(self, db => sqlx::query_scalar(
            "SELECT id FROM groups WHERE gid_number IS NULL ORDER BY number",
        ).fetch_all(db).await)?;
        Ok(ids.into_iter().map(GroupId::from).collect())
    }

    /// Sets the numbers of an account; without `gid` it has a group alone. False when there is no
    /// such account.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another account has `uid`, or a group would be the person's own.
    pub async fn user_set_posix(
        &mut self,
        id: UserId,
        uid: Option<i64>,
        gid: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.posix_free_for_user(uid, gid).await?;
        let found = within!(self, db => sqlx::query(
            "UPDATE users SET uid_number = $2, gid_number = $3, modified_at = $4 WHERE id = $1",
        )
        .bind(id.uuid()).bind(uid).bind(gid).bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.noted(id, found))
    }

    /// Sets the number of a group. False when there is no such group.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another group has it, or a person for a group alone.
    pub async fn group_set_gid(&mut self, id: GroupId, gid: i64, now: Timestamp) -> Result<bool, Error> {
        self.posix_free_for_group(Some(gid)).await?;
        let found = within!(self, db => sqlx::query("UPDATE groups SET gid_number = $2, modified_at = $3 WHERE id = $1")
            .bind(id.uuid()).bind(gid).bind(now.as_micros())
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.group_noted(id, found))
    }

    pub(crate) async fn posix_free_for_user(&mut self, uid: Option<i64>, gid: Option<i64>) -> Result<(), Error> {
        let (Some(own), None) = (uid, gid) else { return Ok(()) };
        let group: Option<i64> = within!(self, db => sqlx::query_scalar(
            "SELECT gid_number FROM groups WHERE gid_number = $1",
        ).bind(own).fetch_optional(db).await)?;
        free(group)
    }

    pub(crate) async fn posix_free_for_group(&mut self, gid: Option<i64>) -> Result<(), Error> {
        let Some(gid) = gid else { return Ok(()) };
        let person: Option<i64> = within!(self, db => sqlx::query_scalar(
            "SELECT uid_number FROM users WHERE uid_number = $1 AND gid_number IS NULL",
        ).bind(gid).fetch_optional(db).await)?;
        free(person)
    }
}

const fn free(taken: Option<i64>) -> Result<(), Error> {
    match taken {
        Some(_) => Err(Error::Conflict(Conflict::PosixNumber)),
        None => Ok(()),
    }
}
