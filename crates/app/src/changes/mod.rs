//! Changes of the directory: people, groups, who is in which, and the attributes that they have.
//! One set of verbs for the panel, the command line and LDAP.
//!
//! Each verb asks who acts, inside its own transaction, with other writers of the directory
//! waiting: an administrator whose rights end at this moment changes nothing more, and one
//! administrator always remains. What ends in `_apply` works in a transaction that the caller has
//! begun with [`crate::App::change_begin`]; it asks for the rights too, and leaves the commit.

mod add;
mod error;
mod group;
mod guards;
mod member;
mod person;
mod posix;
mod rights;
mod schema;
mod values;

use ostiary_model::{Member, Timestamp, UserId};

pub use error::AdminError;
pub use schema::{AttributeFlags, NewAttribute, NewObjectClass};

pub(crate) use add::profile_of;
pub(crate) use group::group_named;
pub(crate) use guards::{Guard, administrator_lasts, not_oneself};
pub(crate) use posix::{LAST_POSIX_NUMBER, PosixWarning};
pub(crate) use rights::role_in;
pub(crate) use values::is_absolute_path;

/// What is to be different about a person. What is `None`, or empty, stays as it is.
///
/// Administrators may change everything, others on their own entry the three names and the values
/// of attributes that are editable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonChange {
    /// Sign-in name.
    pub username: Option<String>,
    /// Primary address. A further address that becomes the primary one trades places with it.
    pub email: Option<String>,
    /// Full name; empty takes it away.
    pub display_name: Option<String>,
    /// Given name; empty takes it away.
    pub given_name: Option<String>,
    /// Family name; empty takes it away.
    pub family_name: Option<String>,
    /// All further addresses.
    pub addresses: Option<Vec<String>>,
    /// The moment from which the account may be used; `Some(None)` takes it away.
    pub not_before: Option<Option<Timestamp>>,
    /// The moment from which it may not be used any more; `Some(None)` takes it away.
    pub not_after: Option<Option<Timestamp>>,
    /// Whether it belongs to a program.
    pub is_service: Option<bool>,
    /// `uidNumber`.
    pub uid_number: Option<i64>,
    /// `gidNumber`; `Some(None)` for a group of one's own.
    pub gid_number: Option<Option<i64>>,
    /// All values of these attributes, by number; none takes them away.
    pub values: Vec<(u32, Vec<Vec<u8>>)>,
}

/// What is to be different about a group. What is `None`, or empty, stays as it is.
///
/// Administrators may change everything, managers of the group put people in and take them out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// Its name.
    pub name: Option<String>,
    /// `gidNumber`.
    pub gid_number: Option<i64>,
    /// All values of these attributes, by number; none takes them away.
    pub values: Vec<(u32, Vec<Vec<u8>>)>,
    /// Who comes in. Who is in already stays.
    pub add: Vec<Member>,
    /// Who goes out, before the others come in.
    pub remove: Vec<Member>,
    /// Everybody who manages it.
    pub managers: Option<Vec<UserId>>,
}

/// A person to be added, as typed.
#[derive(Debug, Clone, Default)]
pub struct NewPerson {
    /// Sign-in name.
    pub username: String,
    /// Address.
    pub email: String,
    /// Full name; may be empty.
    pub display_name: String,
    /// Given name; may be empty.
    pub given_name: String,
    /// Family name; may be empty.
    pub family_name: String,
    /// Names of groups to be in from the start.
    pub groups: Vec<String>,
    /// Everything else. Names and address that are set here win over those above.
    pub change: PersonChange,
}

/// A group to be added, as typed.
#[derive(Debug, Clone, Default)]
pub struct NewGroup {
    /// Its name.
    pub name: String,
    /// Everything else. A name that is set here wins over the one above.
    pub change: GroupChange,
}

/// What a profile is to be, as typed.
#[derive(Debug, Clone, Default)]
pub struct PersonEdit {
    /// Sign-in name.
    pub username: String,
    /// Address.
    pub email: String,
    /// Full name; may be empty.
    pub display_name: String,
    /// Given name; may be empty.
    pub given_name: String,
    /// Family name; may be empty.
    pub family_name: String,
}

impl From<&PersonEdit> for PersonChange {
    fn from(edit: &PersonEdit) -> Self {
        Self {
            username: Some(edit.username.clone()),
            email: Some(edit.email.clone()),
            display_name: Some(edit.display_name.clone()),
            given_name: Some(edit.given_name.clone()),
            family_name: Some(edit.family_name.clone()),
            ..Self::default()
        }
    }
}
