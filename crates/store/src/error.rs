//! What can go wrong with remembering, in words that need no knowledge of the engine.

use thiserror::Error;

/// Something that must be unique is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The user name, in any spelling.
    Username,
    /// The e-mail address, in any spelling.
    Email,
    /// The group name, in any spelling.
    GroupName,
    /// The client id.
    ClientId,
    /// The name of an attribute, in any spelling.
    AttributeName,
    /// The name of an object class, in any spelling.
    ObjectClass,
    /// A `uidNumber` or `gidNumber`.
    PosixNumber,
    /// Another unique column: a caller's mistake.
    Other,
}

/// An address of a database or cache that cannot be used. The text says what is allowed.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct InvalidUrl(pub String);

/// Why something could not be remembered or recalled.
#[derive(Debug, Error)]
pub enum Error {
    /// A unique value is taken.
    #[error("{0:?} is taken")]
    Conflict(Conflict),
    /// What the statement refers to is gone.
    #[error("a record that this one belongs to is gone")]
    Orphan,
    /// The database was written by a newer release.
    #[error(
        "the database has schema version {found}, this release knows up to {known}. \
         Run the newer release, or restore a backup from before the upgrade"
    )]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version that this binary has.
        known: i64,
    },
    /// A stored value is not one that this release writes.
    #[error("the column {0} holds a value that this release does not know")]
    Corrupt(&'static str),
    /// The database or cache did not do its work. The cause is for the log.
    #[error("the {what} did not answer: {cause}")]
    Unavailable {
        /// Database or cache.
        what: &'static str,
        /// The driver's words.
        cause: String,
    },
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            if database.is_unique_violation() {
                return Self::Conflict(conflict_of(database.constraint(), database.message()));
            }
            if database.is_foreign_key_violation() {
                return Self::Orphan;
            }
        }
        Self::Unavailable { what: "database", cause: error.to_string() }
    }
}

/// PostgreSQL names the constraint, SQLite the column in its message; both hold the column's name.
fn conflict_of(constraint: Option<&str>, message: &str) -> Conflict {
    let text = constraint.unwrap_or(message);
    if text.contains("uid_number") || text.contains("gid_number") {
        Conflict::PosixNumber
    } else if text.contains("attribute_name_folded") || text.contains("attribute.name_folded") {
        Conflict::AttributeName
    } else if text.contains("object_class") {
        Conflict::ObjectClass
    } else if text.contains("username_folded") {
        Conflict::Username
    } else if text.contains("email_folded") || text.contains("user_address") {
        Conflict::Email
    } else if text.contains("name_folded") {
        Conflict::GroupName
    } else if text.contains("client_pkey") || text.contains("client.id") {
        Conflict::ClientId
    } else {
        Conflict::Other
    }
}
