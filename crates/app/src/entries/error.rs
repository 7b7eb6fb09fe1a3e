//! Why an entry was not written. Each kind is one result code of LDAP (RFC 4511 appendix A).

use ostiary_model::InvalidValue;
use ostiary_store::{Conflict, Error as StoreError};
use thiserror::Error;

use crate::directory::NoSuchObject;
use crate::picture::PictureError;
use crate::{AdminError, SignInError, Trouble};

/// Why something was not done. Nothing was changed then. The text says what is wrong, and never
/// what others have.
#[derive(Debug, Error)]
pub enum EntryError {
    /// Whoever asks may not.
    #[error("{0}")]
    Denied(String),
    /// There is no such entry, or it may not be seen.
    #[error("there is no such entry")]
    NoSuchEntry {
        /// The deepest entry on the way that may be seen.
        matched: String,
    },
    /// An entry has the name.
    #[error("{0}")]
    Exists(String),
    /// What was asked for is not whole.
    #[error("{0}")]
    Malformed(&'static str),
    /// The name is not one that an entry could have there.
    #[error("{0}")]
    Naming(&'static str),
    /// The entry is a branch.
    #[error("the branches of the tree stay")]
    NotLeaf,
    /// The value is what the entry is named by.
    #[error("{0} names the entry: rename it instead")]
    Named(String),
    /// Nothing has such an attribute.
    #[error("{0} is not defined: an administrator can define it")]
    Undefined(String),
    /// The entry does not have the attribute, or not this value of it.
    #[error("{0} has no such value")]
    NoSuchValue(String),
    /// The entry has this value already.
    #[error("{0} has this value already")]
    ValueExists(String),
    /// The value is none of the attribute's kind.
    #[error("{0}")]
    Syntax(String),
    /// The value cannot be taken, or there would be too many, or the server alone gives them.
    #[error("{0}")]
    Constraint(String),
    /// Entries of this kind do not have it, or cannot be without it.
    #[error("{0}")]
    Class(String),
    /// What was asked for cannot be asked of this attribute.
    #[error("{0} is no number")]
    Matching(String),
    /// It could be done and must not. The text says why.
    #[error("{0}")]
    Unwilling(String),
    /// The entry is not as the condition says.
    #[error("the entry is not as the assertion says")]
    Asserted,
    /// The old password is not the password, or too many were tried.
    #[error("the old password is not right")]
    WrongPassword,
    /// Others write so much that this could not be done in between.
    #[error("too much is written at this moment: try again")]
    Busy,
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<NoSuchObject> for EntryError {
    fn from(error: NoSuchObject) -> Self {
        Self::NoSuchEntry { matched: error.matched }
    }
}

impl From<StoreError> for EntryError {
    fn from(error: StoreError) -> Self {
        AdminError::from(error).into()
    }
}

impl From<AdminError> for EntryError {
    fn from(error: AdminError) -> Self {
        let text = error.to_string();
        match error {
            AdminError::Denied => Self::Denied("you may not do that".to_owned()),
            AdminError::NotEditable(_) => Self::Denied(text),
            AdminError::NoSuchPerson | AdminError::NoSuchGroup(_) => Self::NoSuchEntry { matched: String::new() },
            AdminError::Conflict(Conflict::Username | Conflict::GroupName) => Self::Exists(text),
            AdminError::Value { why: InvalidValue::TooLong, .. } => Self::Constraint(text),
            AdminError::Value { .. } => Self::Syntax(text),
            AdminError::NoSuchAttribute(_) | AdminError::NoSuchObjectClass(_) => Self::Class(text),
            AdminError::Duplicate { attribute, .. } => Self::ValueExists(attribute),
            AdminError::Cycle | AdminError::Guard(_) => Self::Unwilling(text),
            AdminError::Name(_)
            | AdminError::Conflict(_)
            | AdminError::Password(_)
            | AdminError::Form { .. }
            | AdminError::Single(_)
            | AdminError::TooMany(_)
            | AdminError::Reserved { .. } => Self::Constraint(text),
            AdminError::Picture(error) => error.into(),
            AdminError::Trouble(trouble) => Self::Trouble(trouble),
        }
    }
}

impl From<SignInError> for EntryError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Rejected { .. } | SignInError::Paused { .. } => Self::WrongPassword,
            SignInError::Trouble(trouble) => Self::Trouble(trouble),
        }
    }
}

impl From<PictureError> for EntryError {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::Busy => Self::Busy,
            other => Self::Constraint(other.to_string()),
        }
    }
}
