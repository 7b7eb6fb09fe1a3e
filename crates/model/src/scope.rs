//! What an application may ask to know or to hold (RFC 6749 section 3.3).
//!
//! There are five scopes and no others. A request that names more gets those that exist, as
//! OpenID Connect Core section 3.1.2.1 asks; a client's registration that names more is an error.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One thing that an application may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To know who it is at all: an ID token and the userinfo endpoint.
    OpenId,
    /// Their names.
    Profile,
    /// Their e-mail address.
    Email,
    /// The names of their groups.
    Groups,
    /// To go on while they are away: a refresh token (OpenID Connect Core section 11).
    OfflineAccess,
}

/// A scope text that breaks the syntax of RFC 6749 section 3.3, or names what does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidScope {
    /// A character that has no place in any scope.
    #[error("the scope holds a character that is not allowed there")]
    Character,
    /// No such scope.
    #[error("{0:?} is not a scope; there are openid, profile, email, groups and offline_access")]
    Unknown(String),
}

impl Scope {
    /// All that there are, in the order in which they are written.
    pub const ALL: [Self; 5] = [Self::OpenId, Self::Profile, Self::Email, Self::Groups, Self::OfflineAccess];

    /// Its name in requests and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::Groups => "groups",
            Self::OfflineAccess => "offline_access",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::OpenId => 1,
            Self::Profile => 2,
            Self::Email => 4,
            Self::Groups => 8,
            Self::OfflineAccess => 16,
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    /// Reads one name, exactly.
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| InvalidScope::Unknown(text.chars().take(64).collect()))
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// Reads a request's `scope`: names with one blank between. Names that do not exist are left
    /// out.
    ///
    /// # Errors
    /// [`InvalidScope::Character`] when it is not in the syntax of RFC 6749 section 3.3.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        if !text.bytes().all(|byte| matches!(byte, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            return Err(InvalidScope::Character);
        }
        Ok(text.split(' ').filter_map(|name| name.parse().ok()).collect())
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of these are among `others`.
    #[must_use]
    pub const fn is_subset(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn intersection(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    /// The form of requests, answers and the store: names with one blank between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_the_scopes_that_exist() {
        for (text, expected) in [
            ("openid", "openid"),
            ("groups openid email profile", "openid profile email groups"),
            ("openid openid", "openid"),
            ("openid phone address urn:example:thing offline_access", "openid offline_access"),
            ("  openid  email ", "openid email"),
            ("OpenID", ""),
            ("phone", ""),
            ("", ""),
        ] {
            assert_eq!(Scopes::parse(text).unwrap().to_string(), expected, "{text:?}");
        }
        for bad in ["openid\temail", "openid\n", "openid \"email\"", "a\\b", "openid é", "\u{0}"] {
            assert_eq!(Scopes::parse(bad), Err(InvalidScope::Character), "{bad:?}");
        }
    }

    #[test]
    fn a_registration_names_only_scopes_that_exist() {
        assert_eq!("groups".parse::<Scope>(), Ok(Scope::Groups));
        for bad in ["", "Groups", "groups ", "phone"] {
            assert_eq!(bad.parse::<Scope>(), Err(InvalidScope::Unknown(bad.to_owned())), "{bad:?}");
        }
    }

    #[test]
    fn sets_behave_as_sets() {
        let asked = Scopes::parse("openid email offline_access").unwrap();
        let allowed = Scopes::parse("openid email groups").unwrap();
        assert_eq!(asked.intersection(allowed).to_string(), "openid email");
        assert!(asked.intersection(allowed).is_subset(asked));
        assert!(!asked.is_subset(allowed));
        assert!(Scopes::EMPTY.is_subset(allowed) && Scopes::EMPTY.is_empty());
        assert_eq!(Scope::ALL.into_iter().collect::<Scopes>().iter().collect::<Vec<_>>(), Scope::ALL);
    }
}
