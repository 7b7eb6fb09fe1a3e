//! Accounts: their rows, and the statements that change them.

use ostiary_model::{
    Email, Folded, Generation, Profile, Subject, Timestamp, User, UserId, UserState, Username, Validity,
};
use uuid::Uuid;

use crate::changes::ChangeKind;
use crate::db::{Store, Tx, read, row, within};
use crate::error::{Conflict, Error};

macro_rules! user_select {
    ($rest:literal) => {
        concat!(
            "SELECT u.id, u.subject, u.username, u.email, u.email_verified, u.display_name, u.given_name, ",
            "u.family_name, u.disabled_at, u.generation, u.created_at, u.modified_at, u.last_sign_in_at, ",
            "u.is_service, u.not_before, u.not_after, u.uid_number, u.gid_number, ",
            "p.changed_at AS password_changed_at, t.created_at AS totp_created_at, a.changed_at AS avatar_changed_at ",
            "FROM users u LEFT JOIN password p ON p.user_id = u.id LEFT JOIN totp t ON t.user_id = u.id ",
            "LEFT JOIN avatar a ON a.user_id = u.id ",
            $rest
        )
    };
}

pub(crate) const USER_SELECT: &str = user_select!("");
pub(crate) const USER_BY_ID: &str = user_select!("WHERE u.id = $1");
const USER_BY_NAME: &str = user_select!("WHERE u.username_folded = $1");
const USER_BY_EMAIL: &str = user_select!(
    "WHERE u.id = COALESCE((SELECT id FROM users WHERE email_folded = $1), \
     (SELECT user_id FROM user_address WHERE address_folded = $1))"
);

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
        is_service: bool,
        not_before: Option<i64>,
        not_after: Option<i64>,
        uid_number: Option<i64>,
        gid_number: Option<i64>,
        password_changed_at: Option<i64>,
        totp_created_at: Option<i64>,
        avatar_changed_at: Option<i64>,
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
            validity: Validity {
                not_before: row.not_before.map(Timestamp::from_micros),
                not_after: row.not_after.map(Timestamp::from_micros),
            },
            is_service: row.is_service,
            uid_number: row.uid_number,
            gid_number: row.gid_number,
            has_avatar: row.avatar_changed_at.is_some(),
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

    /// The account with this e-mail address, the first or a further one, in any spelling.
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

    /// Adds `user`. Password, factors and picture have their own tables and are not written here.
    /// Addresses and numbers are unique over two tables each: hold [`Tx::directory_lock`].
    ///
    /// # Errors
    /// [`Error::Conflict`] when name, address or `uidNumber` is taken.
    pub async fn user_insert(&mut self, user: &User) -> Result<(), Error> {
        self.posix_free_for_user(user.uid_number, user.gid_number).await?;
        let disabled_at = match user.state {
            UserState::Active => None,
            UserState::Disabled(at) => Some(at.as_micros()),
        };
        let found = within!(self, db => sqlx::query(
            "INSERT INTO users (id, subject, username, username_folded, email, email_folded, email_verified, display_name, \
             given_name, family_name, disabled_at, generation, created_at, modified_at, is_service, not_before, not_after, \
             uid_number, gid_number) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19 \
             WHERE NOT EXISTS (SELECT 1 FROM user_address WHERE address_folded = $6)",
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
        .bind(user.is_service)
        .bind(user.validity.not_before.map(Timestamp::as_micros))
        .bind(user.validity.not_after.map(Timestamp::as_micros))
        .bind(user.uid_number)
        .bind(user.gid_number)
        .execute(db).await.map(|done| done.rows_affected()))?;
        if self.noted(user.id, found) { Ok(()) } else { Err(Error::Conflict(Conflict::Email)) }
    }

    /// Writes names and address of `id`. False when there is no such account. An address that is
    /// among the further ones, be it of the same account, must be taken out there first.
    ///
    /// # Errors
    /// [`Error::Conflict`] when name or address is taken.
    pub async fn user_update_profile(&mut self, id: UserId, profile: &Profile, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE users SET username = $2, username_folded = $3, email = $4, email_folded = $5, email_verified = $6, \
             display_name = $7, given_name = $8, family_name = $9, modified_at = $10 \
             WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM user_address WHERE address_folded = $5)",
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
        if found == 0 && self.user_by_id(id).await?.is_some() {
            return Err(Error::Conflict(Conflict::Email));
        }
        Ok(self.noted(id, found))
    }

    /// Sets from when to when an account may be used. False when there is no such account.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_set_validity(&mut self, id: UserId, validity: Validity, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE users SET not_before = $2, not_after = $3, modified_at = $4 WHERE id = $1",
        )
        .bind(id.uuid())
        .bind(validity.not_before.map(Timestamp::as_micros))
        .bind(validity.not_after.map(Timestamp::as_micros))
        .bind(now.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.noted(id, found))
    }

    /// Says whether an account belongs to a program. False when there is no such account.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn user_set_service(&mut self, id: UserId, is_service: bool, now: Timestamp) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("UPDATE users SET is_service = $2, modified_at = $3 WHERE id = $1")
            .bind(id.uuid()).bind(is_service).bind(now.as_micros())
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
        // The rows go with the account; that the groups have lost a manager must be told.
        let managed: Vec<Uuid> = within!(self, db => sqlx::query_scalar(
            "DELETE FROM group_manager WHERE user_id = $1 RETURNING group_id",
        ).bind(id.uuid()).fetch_all(db).await)?;
        for group in managed {
            self.note(ChangeKind::Group(group.into()));
        }
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
