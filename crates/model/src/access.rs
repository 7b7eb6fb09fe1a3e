//! Who may do what. The one place where rights are decided; every door asks here.
//!
//! Rights follow LLDAP's three groups, so that its users find what they know: administrators do
//! everything, password managers set passwords of people who are not administrators, strict
//! readers read. Everybody else sees themselves. Beside the three, somebody may manage single groups:
//! whoever does puts people in and takes them out.

use thiserror::Error;

use crate::ids::UserId;
use crate::people::{ADMIN_GROUP, PASSWORD_MANAGER_GROUP, STRICT_READONLY_GROUP};

/// How surely somebody is who they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not at all.
    None,
    /// By one proof.
    OneFactor,
    /// By two of different kinds.
    TwoFactor,
}

/// What an account may do, by the groups it is in. The highest one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees itself.
    Regular,
    /// Reads everything.
    StrictReadonly,
    /// Reads everything, sets passwords.
    PasswordManager,
    /// Does everything.
    Admin,
}

impl Role {
    /// The role of an account that is in the groups named `groups`. The three groups cannot be
    /// renamed, so their names are compared as they are.
    #[must_use]
    pub fn of_groups<'a>(groups: impl IntoIterator<Item = &'a str>) -> Self {
        groups
            .into_iter()
            .map(|name| match name {
                ADMIN_GROUP => Self::Admin,
                PASSWORD_MANAGER_GROUP => Self::PasswordManager,
                STRICT_READONLY_GROUP => Self::StrictReadonly,
                _ => Self::Regular,
            })
            .max()
            .unwrap_or(Self::Regular)
    }
}

/// Something that somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read every entry of the directory.
    ReadDirectory,
    /// Read the entry of this account.
    ReadUser(UserId),
    /// Set the password of this account, whose role is given.
    SetPassword(UserId, Role),
    /// Change what people may change on their own entry, on the entry of this account.
    EditUser(UserId),
    /// Put people into a group and take them out, where the account manages that group or not.
    ChangeMembers {
        /// Whether it manages the group.
        is_manager: bool,
    },
    /// Make, change, close or delete accounts, groups, memberships and clients.
    Administer,
}

/// Not allowed. Why is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not allowed")]
pub struct Denied;

/// Whether the account `user` with `role` may do `action`.
///
/// # Errors
/// [`Denied`] if not.
pub fn may(user: UserId, role: Role, action: Action) -> Result<(), Denied> {
    let allowed = match action {
        Action::ReadDirectory => role >= Role::StrictReadonly,
        Action::ReadUser(whom) => role >= Role::StrictReadonly || whom == user,
        Action::SetPassword(whom, of) => match role {
            Role::Admin => true,
            Role::PasswordManager => whom == user || of != Role::Admin,
            Role::Regular | Role::StrictReadonly => whom == user,
        },
        Action::EditUser(whom) => role == Role::Admin || whom == user,
        Action::ChangeMembers { is_manager } => role == Role::Admin || is_manager,
        Action::Administer => role == Role::Admin,
    };
    if allowed { Ok(()) } else { Err(Denied) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_table_of_rights() {
        let me = UserId::from(Uuid::from_u128(1));
        let you = UserId::from(Uuid::from_u128(2));
        let table = [
            (Role::Regular, [false, true, false, true, false, false, true, false, true, false, false]),
            (Role::StrictReadonly, [true, true, true, true, false, false, true, false, true, false, false]),
            (Role::PasswordManager, [true, true, true, true, true, false, true, false, true, false, false]),
            (Role::Admin, [true, true, true, true, true, true, true, true, true, true, true]),
        ];
        let actions = [
            Action::ReadDirectory,
            Action::ReadUser(me),
            Action::ReadUser(you),
            Action::SetPassword(me, Role::Regular),
            Action::SetPassword(you, Role::Regular),
            Action::SetPassword(you, Role::Admin),
            Action::EditUser(me),
            Action::EditUser(you),
            Action::ChangeMembers { is_manager: true },
            Action::ChangeMembers { is_manager: false },
            Action::Administer,
        ];
        for (role, expected) in table {
            for (action, allowed) in actions.into_iter().zip(expected) {
                assert_eq!(may(me, role, action).is_ok(), allowed, "{role:?} {action:?}");
            }
        }
    }
}
