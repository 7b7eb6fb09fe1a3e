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

/// From when to when an account may be used. Both ends are open where nothing is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// Not from this moment on.
    pub not_after: Option<Timestamp>,
}

impl Validity {
    /// Whether `now` lies within.
    #[must_use]
    pub fn contains(self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|from| from <= now) && self.not_after.is_none_or(|to| now < to)
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
    /// From when to when.
    pub validity: Validity,
    /// Whether it belongs to a program: it binds over LDAP and never signs in on a page.
    pub is_service: bool,
    /// `uidNumber` (RFC 2307). `None` only while the range of numbers was used up.
    pub uid_number: Option<i64>,
    /// `gidNumber`. `None` for a group of one's own with the number of `uid_number`.
    pub gid_number: Option<i64>,
    /// Whether there is a picture.
    pub has_avatar: bool,
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

impl User {
    /// Whether the account may be used at `now`: not closed, begun, and not at its end.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        !self.state.is_disabled() && self.validity.contains(now)
    }

    /// The number of the primary group: one's own where no other is set.
    #[must_use]
    pub fn primary_group(&self) -> Option<i64> {
        self.gid_number.or(self.uid_number)
    }
}

/// Values of attributes that are defined in the schema, by the attribute's number, in their order.
/// Those of pictures are empty here.
pub type StoredValues = Vec<(u32, Vec<Vec<u8>>)>;

/// An account with all that its entry shows, pictures left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// The account.
    pub user: User,
    /// Further addresses, in their order.
    pub addresses: Vec<Email>,
    /// See [`StoredValues`].
    pub values: StoredValues,
}

/// A group with all that its entry shows, save who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// The group.
    pub group: Group,
    /// See [`StoredValues`].
    pub values: StoredValues,
    /// Who may change its members.
    pub managers: Vec<UserId>,
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
    /// `gidNumber` (RFC 2307). `None` only while the range of numbers was used up.
    pub gid_number: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it, or who is in it directly, last changed.
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

/// That a group is in another: whoever is in the child is in the parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nesting {
    /// The inner group.
    pub child: GroupId,
    /// The outer group.
    pub parent: GroupId,
}

/// What can be in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// An account.
    User(UserId),
    /// Another group.
    Group(GroupId),
}
