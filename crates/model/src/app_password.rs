//! Passwords that people make for one program each: made by the server, shown once, good for LDAP
//! alone. Kept as hashes; what is here is all that anybody sees later.

use std::net::IpAddr;

use crate::ids::{AppPasswordId, UserId};
use crate::names::{InvalidName, is_invisible};
use crate::network::Network;
use crate::people::Generation;
use crate::time::Timestamp;

/// What a person calls an app password: up to 64 visible characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPasswordName(String);

impl AppPasswordName {
    /// Checks `raw`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidName> {
        const NAME: &str = "The name";
        let text = raw.trim();
        if text.is_empty() {
            return Err(InvalidName::Empty(NAME));
        }
        if text.chars().count() > 64 {
            return Err(InvalidName::TooLong(NAME, 64));
        }
        match text.chars().find(|c| is_invisible(*c)) {
            Some(found) => {
                Err(InvalidName::Character { name: NAME, found, allowed: "use characters that can be seen" })
            }
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Takes back a name that was checked before it was stored.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The name as it was chosen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An app password as its owner sees it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPassword {
    /// Never changes.
    pub id: AppPasswordId,
    /// Whose it is.
    pub user: UserId,
    /// What it is called.
    pub name: AppPasswordName,
    /// Where it may be used from; anywhere when empty.
    pub networks: Vec<Network>,
    /// The service account through whose program alone it may be used.
    pub service: Option<UserId>,
    /// The owner's generation when it was made: it is dead when that has moved.
    pub generation: Generation,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to a few minutes.
    pub last_used_at: Option<Timestamp>,
    /// Where it was last used from.
    pub last_used_address: Option<IpAddr>,
}

impl AppPassword {
    /// Whether it may be used from `address`. An unknown address is none of its networks.
    #[must_use]
    pub fn is_allowed_from(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || address.is_some_and(|address| self.networks.iter().any(|network| network.contains(address)))
    }
}
