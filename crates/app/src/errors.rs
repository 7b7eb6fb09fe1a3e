//! Failures of the machinery, as opposed to answers of a verb.

use ostiary_model::InvalidDn;
use ostiary_store as store;
use thiserror::Error;

use crate::mail::InvalidMail;

/// The machinery could not do its work. Nothing was half done; trying again may help.
#[derive(Debug, Error)]
pub enum Trouble {
    /// Database or cache.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// More people sign in at this moment than the machine can hash for.
    #[error("too many sign-ins at this moment")]
    Busy,
    /// A stored secret does not open: it was sealed with another master key, or altered.
    #[error("a stored secret does not open with this master key")]
    Sealed,
    /// The cryptographic library refused.
    #[error("cryptography failed: {0}")]
    Crypto(&'static str),
}

/// Why a start failed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The threads for hashing.
    #[error("cannot start the threads that hash passwords: {0}")]
    Hasher(String),
    /// The thread for pictures.
    #[error("cannot start the thread that looks at pictures: {0}")]
    Darkroom(String),
    /// The name of the directory's base.
    #[error("the base DN is not well formed: {0}")]
    BaseDn(#[from] InvalidDn),
    /// The way out for mail.
    #[error("mail cannot be sent this way: {0}")]
    Mail(#[from] InvalidMail),
}

impl From<store::Error> for OpenError {
    fn from(error: store::Error) -> Self {
        Self::Trouble(error.into())
    }
}
