//! Accounts: their rows, and the statements that change them.

use ostiary_model::{Email, Folded, Generation, Profile, Subject, Timestamp, User, UserId, UserState, Username};
use uuid::Uuid;

use crate::changes::ChangeKind;
use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

macro_rules! user_select {
    ($rest:literal) => {
        concat!(
            "SELECT u.id, u.subject, u.username, u.email, u.email_verified, u.display_name, u.given_name, ",
            "u.family_name, u.disabled_at, u.generation, u.created_at, u.modified_at, u.last_sign_in_at, ",
            "p.changed_at AS password_changed_at, t.created_at AS totp_created_at ",
            "FROM users u LEFT JOIN password p ON p.user_id = u.id LEFT JOIN totp t ON t.user_id = u.id ",
            $rest
        )
    };
}

pub(crate) const USER_SELECT: &str = user_select!("");
const USER_BY_ID: &str = user_select!("WHERE u.id = $1");
const USER_BY_NAME: &str = user_select!("WHERE u.username_folded = $1");
const USER_BY_EMAIL: &str = user_select!("WHERE u.email_folded = $1");

row! {
    pub(crate) struct UserRow {
        id: Uuid,
        subject: Uuid,
        username: String,
        email: String,
        email_verified: bool,
        display_name: String,
        given_name: String,
        family_name: String,
        disabled_at: Option<i64>,
        generation: i64,
        created_at: i64,
        modified_at: i64,
        last_sign_in_at: Option<i64>,
        password_changed_at: Option<i64>,
        totp_created_at: Option<i64>,
    }
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id.into(),
            subject: Subject::from(row.subject),
            profile: Profile {
                username: Username::from_stored(row.username),
                email: Email::from_stored(row.email),
                email_verified: row.email_verified,
                display_name: row.display_name,
                given_name: row.given_name,
                family_name: row.family_name,
            },
            state: row.disabled_at.map_or(UserState::Active, |at| UserState::Disabled(Timestamp::from_micros(at))),
            generation: Generation(row.generation),
            has_totp: row.totp_created_at.is_some(),
            created_at: Timestamp::from_micros(row.created_at),
            modified_at: Timestamp::from_micros(row.modified_at),
            password_changed_at: row.password_changed_at.map(Timestamp::from_micros),
            last_sign_in_at: row.last_sign_in_at.map(Timestamp::from_micros),
        }
    }
}

impl Store {
    /// The account with this id.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_by_id(&self, id: UserId) -> Result<Option<User>, Error> {
        let row: Option<UserRow> =
            read!(self, db => sqlx::query_as(USER_BY_ID).bind(id.uuid()).fetch_optional(db).await)?;
        Ok(row.map(User::from))
    }

    /// The account with this user name, in any spelling.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_by_name(&self, name: &Folded) -> Result<Option<User>, Error> {
        let row: Option<UserRow> =
            read!(self, db => sqlx::query_as(USER_BY_NAME).bind(name.as_str()).fetch_optional(db).await)?;
        Ok(row.map(User::from))
    }

    /// The account with this e-mail address, in any spelling.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_by_email(&self, email: &Folded) -> Result<Option<User>, Error> {
        let row: Option<UserRow> =
            read!(self, db => sqlx::query_as(USER_BY_EMAIL).bind(email.as_str()).fetch_optional(db).await)?;
        Ok(row.map(User::from))
    }
}

impl Tx {
    /// The account with this id, as it stands in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_by_id(&mut self, id: UserId) -> Result<Option<User>, Error> {
        let row: Option<UserRow> =
            within!(self, db => sqlx::query_as(USER_BY_ID).bind(id.uuid()).fetch_optional(db).await)?;
        Ok(row.map(User::from))
    }

    /// Adds `user`. Password and factors have their own tables and are not written here.
    ///
    /// # Errors
    /// [`Error::Conflict`] when name or address is taken.
    pub async fn user_insert(&mut self, user: &User) -> Result<(), Error> {
        let disabled_at = match user.state {
            UserState::Active => None,
            UserState::Disabled(at) => Some(at.as_micros()),
        };
        within!(self, db => sqlx::query(
            "INSERT INTO users (id, subject, username, username_folded, email, email_folded, email_verified, display_name, \
             given_name, family_name, disabled_at, generation, created_at, modified_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(user.id.uuid())
        .bind(user.subject.uuid())
        .bind(user.profile.username.as_str())
        .bind(user.profile.username.folded().into_string())
        .bind(user.profile.email.as_str())
        .bind(user.profile.email.folded().into_string())
        .bind(user.profile.email_verified)
        .bind(user.profile.display_name.as_str())
        .bind(user.profile.given_name.as_str())
        .bind(user.profile.family_name.as_str())
        .bind(disabled_at)
        .bind(user.generation.0)
        .bind(user.created_at.as_micros())
        .bind(user.modified_at.as_micros())
        .execute(db).await.map(drop))?;
        self.note(ChangeKind::User(user.id));
        Ok(())
    }

    /// Writes names and address of `id`. False when there is no such account.
    ///
    /// # Errors
    /// [`Error::Conflict`] when name or address is taken.
    pub async fn user_update_profile(&mut self, id: UserId, profile: &Profile, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE users SET username = $2, username_folded = $3, email = $4, email_folded = $5, email_verified = $6, \
             display_name = $7, given_name = $8, family_name = $9, modified_at = $10 WHERE id = $1",
        )
        .bind(id.uuid())
        .bind(profile.username.as_str())
        .bind(profile.username.folded().into_string())
        .bind(profile.email.as_str())
        .bind(profile.email.folded().into_string())
        .bind(profile.email_verified)
        .bind(profile.display_name.as_str())
        .bind(profile.given_name.as_str())
        .bind(profile.family_name.as_str())
        .bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.noted(id, found))
    }

    /// Closes or opens an account and ends everything that hangs from it, in one statement.
    /// False when there is no such account or it was so already.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_set_disabled(&mut self, id: UserId, disabled: bool, now: Timestamp) -> Result<bool, Error> {
        let at = disabled.then_some(now.as_micros());
        let found = within!(self, db => sqlx::query(
            "UPDATE users SET disabled_at = $2, generation = generation + 1, modified_at = $3 \
             WHERE id = $1 AND (disabled_at IS NULL) = $4",
        )
        .bind(id.uuid()).bind(at).bind(now.as_micros()).bind(disabled)
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.noted(id, found))
    }

    /// Ends everything that hangs from an account: sessions, tokens, open connections.
    /// Gives the new generation, or `None` when there is no such account.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_raise_generation(&mut self, id: UserId, now: Timestamp) -> Result<Option<Generation>, Error> {
        let raised: Option<i64> = within!(self, db => sqlx::query_scalar(
            "UPDATE users SET generation = generation + 1, modified_at = $2 WHERE id = $1 RETURNING generation",
        ).bind(id.uuid()).bind(now.as_micros()).fetch_optional(db).await)?;
        self.noted(id, u64::from(raised.is_some()));
        Ok(raised.map(Generation))
    }

    /// Notes a complete sign-in.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_signed_in(&mut self, id: UserId, now: Timestamp) -> Result<(), Error> {
        let found = within!(self, db => sqlx::query("UPDATE users SET last_sign_in_at = $2 WHERE id = $1")
            .bind(id.uuid()).bind(now.as_micros()).execute(db).await.map(|done| done.rows_affected()))?;
        self.noted(id, found);
        Ok(())
    }

    /// Removes an account and all that belongs to it. False when there is no such account.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_delete(&mut self, id: UserId) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM users WHERE id = $1")
            .bind(id.uuid()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.noted(id, found))
    }

    /// Notes the change of `id` when a row was found.
    pub(crate) fn noted(&mut self, id: UserId, found: u64) -> bool {
        if found > 0 {
            self.note(ChangeKind::User(id));
        }
        found > 0
    }
}
