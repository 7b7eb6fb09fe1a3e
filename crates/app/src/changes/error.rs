//! Why something in the directory was not changed, in words that a page or a terminal can show.

use ostiary_model::{InvalidName, InvalidValue};
use ostiary_store::{Conflict, Error as StoreError};
use thiserror::Error;

use crate::people::WeakPassword;
use crate::{PictureError, Trouble};

/// Why something was not done. Nothing was changed then.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Whoever asks may not.
    #[error("You may not do that. Sign in as an administrator, with two steps")]
    Denied,
    /// Whoever asks may change other things of this entry, not this attribute.
    #[error("You may not change {0}. Ask an administrator")]
    NotEditable(String),
    /// There is no such person.
    #[error("There is no such person")]
    NoSuchPerson,
    /// There is no such group.
    #[error("There is no group named {0:?}")]
    NoSuchGroup(String),
    /// There is no such attribute, or not on entries of this kind.
    #[error("There is no attribute named {0:?} here")]
    NoSuchAttribute(String),
    /// There is no such object class.
    #[error("There is no object class named {0:?} that was added")]
    NoSuchObjectClass(String),
    /// A name is not well formed.
    #[error("{0}")]
    Name(#[from] InvalidName),
    /// A name is taken.
    #[error("{}", conflict_words(*.0))]
    Conflict(Conflict),
    /// The password cannot be taken.
    #[error("{0}")]
    Password(#[from] WeakPassword),
    /// A value is not of the kind that the attribute has.
    #[error("{attribute}: {why}")]
    Value {
        /// The attribute's name.
        attribute: String,
        /// What is wrong.
        why: InvalidValue,
    },
    /// A picture cannot be used.
    #[error("{0}")]
    Picture(#[from] PictureError),
    /// A value is of the right kind and still cannot be taken.
    #[error("{attribute}: {why}")]
    Form {
        /// The attribute's name.
        attribute: String,
        /// What is wrong and what is allowed.
        why: &'static str,
    },
    /// More than one value for an attribute that takes one.
    #[error("{0} takes one value")]
    Single(String),
    /// More values than an entry may have.
    #[error("{0} takes {max} values at most", max = super::values::MAX_VALUES)]
    TooMany(String),
    /// The same value twice.
    #[error("{attribute} has the value {value:?} twice. Leave one of them out")]
    Duplicate {
        /// The attribute's name.
        attribute: String,
        /// The value, where it can be shown.
        value: String,
    },
    /// The name belongs to Ostiary itself.
    #[error("{name:?} cannot be added: {why}")]
    Reserved {
        /// The name.
        name: String,
        /// What it is.
        why: &'static str,
    },
    /// A group would be in itself.
    #[error("A group cannot be in itself, also not through other groups")]
    Cycle,
    /// Something that must not happen to this one. The text says why and what to do.
    #[error("{0}")]
    Guard(&'static str),
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(conflict) if conflict != Conflict::Other => Self::Conflict(conflict),
            // The account was deleted at this moment.
            StoreError::Orphan => Self::NoSuchPerson,
            other => Self::Trouble(other.into()),
        }
    }
}

const fn conflict_words(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Username => "Somebody has this user name already. Choose another one",
        Conflict::Email => "Somebody has this e-mail address already. Each person needs their own",
        Conflict::GroupName => "A group has this name already. Choose another one",
        Conflict::ClientId => "An application has this client id already. Choose another one",
        Conflict::AttributeName => "An attribute has this name already. Choose another one",
        Conflict::ObjectClass => "An object class has this name already. Choose another one",
        Conflict::PosixNumber => "This number belongs to somebody else or to a group already. Choose another one",
        Conflict::Other => "This is there already",
    }
}
