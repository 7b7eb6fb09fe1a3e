//! People and groups, as the directory shows them.

use crate::ids::{GroupId, Subject, UserId};
use crate::names::{Email, GroupName, Username};
use crate::time::Timestamp;

/// Its members administer everything. Cannot be renamed or deleted.
pub const ADMIN_GROUP: &str = "lldap_admin";
/// Its members may set the passwords of people who are not administrators.
pub const PASSWORD_MANAGER_GROUP: &str = "lldap_password_manager";
/// Its members, service accounts as a rule, read the whole directory and change nothing.
pub const STRICT_READONLY_GROUP: &str = "lldap_strict_readonly";

/// Counts what ends everything that a person holds. Sessions, tokens and open connections
/// remember the generation they were made under and are dead when it moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub i64);

/// Whether an account may be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    /// It may.
    Active,
    /// An administrator closed it at this time.
    Disabled(Timestamp),
}

impl UserState {
    /// Whether the account is closed.
    #[must_use]
    pub const fn is_disabled(self) -> bool {
        matches!(self, Self::Disabled(_))
    }
}

/// What a person is called and where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Sign-in name and `uid`.
    pub username: Username,
    /// Address, unique among all accounts.
    pub email: Email,
    /// Whether the address is known to be theirs (`email_verified`).
    pub email_verified: bool,
    /// Full name, `cn` (LLDAP's display name). Empty when not set.
    pub display_name: String,
    /// `givenName`. Empty when not set.
    pub given_name: String,
    /// `sn`. Empty when not set.
    pub family_name: String,
}

impl Profile {
    /// What to call them: the full name, or given and family name, or the user name.
    #[must_use]
    pub fn full_name(&self) -> String {
        if !self.display_name.is_empty() {
            return self.display_name.clone();
        }
        match (self.given_name.as_str(), self.family_name.as_str()) {
            ("", "") => self.username.to_string(),
            ("", name) | (name, "") => name.to_owned(),
            (given, family) => format!("{given} {family}"),
        }
    }
}

/// A person or service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Never changes.
    pub id: UserId,
    /// What applications know them by; never changes.
    pub subject: Subject,
    /// Names and address.
    pub profile: Profile,
    /// Open or closed.
    pub state: UserState,
    /// See [`Generation`].
    pub generation: Generation,
    /// Whether an authenticator app is set up.
    pub has_totp: bool,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When profile, state or factors last changed.
    pub modified_at: Timestamp,
    /// When the password was last set; `None` before the first.
    pub password_changed_at: Option<Timestamp>,
    /// The last complete sign-in, as known to the database.
    pub last_sign_in_at: Option<Timestamp>,
}

/// A group of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Never changes.
    pub id: GroupId,
    /// LLDAP's `groupid`: small, counts up, never used again.
    pub number: i64,
    /// `cn`.
    pub name: GroupName,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its name last changed.
    pub modified_at: Timestamp,
}

impl Group {
    /// Whether it is one of the three that rights hang from: it can be neither renamed nor deleted.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        is_built_in(self.name.as_str())
    }
}

/// Whether `name` is one of the three groups that rights hang from.
#[must_use]
pub fn is_built_in(name: &str) -> bool {
    [ADMIN_GROUP, PASSWORD_MANAGER_GROUP, STRICT_READONLY_GROUP].contains(&name)
}

/// That a person is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Membership {
    /// Who.
    pub user: UserId,
    /// Where.
    pub group: GroupId,
}
