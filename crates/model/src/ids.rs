//! An identifier type for each kind of record, so that one can never be passed for another.
//!
//! Ids are UUIDv7 (RFC 9562 section 5.7), made by [`crate::Ctx::id`]; a [`Subject`] is random
//! (version 4), because it is shown to other parties and must tell nothing, not even an age.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The bare UUID, as the store binds it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )*};
}

id! {
    /// A person or service account; also its `entryUUID` (RFC 4530).
    UserId;
    /// What applications know a person by: the `sub` claim (OpenID Connect Core section 2).
    Subject;
    /// A password that a person made for one program.
    AppPasswordId;
    /// A group; also its `entryUUID`.
    GroupId;
    /// A signed-in browser.
    SessionId;
    /// One authorization request on its way (RFC 6749 section 4.1).
    GrantId;
    /// All refresh tokens that grew from one grant by rotation.
    FamilyId;
    /// An issued access token.
    AccessTokenId;
    /// A signing key.
    KeyId;
    /// One request from outside, for the log and for error pages.
    RequestId;
}
