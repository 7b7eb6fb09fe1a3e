//! The names that people choose: user names, e-mail addresses, group names, client ids. Each is
//! checked once, here, when it comes in, and is good from then on.

use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::folded::Folded;

/// Why a name cannot be taken. The text says what to do and may be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// Longer than is stored.
    #[error("{0} is longer than {1} characters")]
    TooLong(&'static str, usize),
    /// A character that has no place there.
    #[error("{name} must not contain {found:?}; {allowed}")]
    Character {
        /// Which name.
        name: &'static str,
        /// The first such character.
        found: char,
        /// What is allowed instead.
        allowed: &'static str,
    },
    /// Not of the form that its kind has.
    #[error("{0}")]
    Form(&'static str),
}

fn text(name: &'static str, raw: &str, max: usize) -> Result<String, InvalidName> {
    let text: String = raw.trim().nfc().collect();
    if text.is_empty() {
        return Err(InvalidName::Empty(name));
    }
    if text.chars().count() > max {
        return Err(InvalidName::TooLong(name, max));
    }
    match text.chars().find(|c| is_invisible(*c)) {
        Some(found) => Err(InvalidName::Character { name, found, allowed: "use characters that can be seen" }),
        None => Ok(text),
    }
}

/// Control characters and those that turn the reading direction or join nothing: they would let
/// one name look like another.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as it was chosen.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The form under which it is unique.
            #[must_use]
            pub fn folded(&self) -> Folded {
                Folded::new(&self.0)
            }

            /// Takes back a name that was checked before it was stored.
            #[must_use]
            pub const fn from_stored(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// What a person signs in with, and the `uid` of the LDAP entry: up to 64 letters and digits
    /// of any script, and `. _ -`. It has no `@`, so it can never pass for another's e-mail.
    Username
}

impl Username {
    /// Checks `raw`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidName> {
        let text = text("The user name", raw, 64)?;
        match text.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
            None => Ok(Self(text)),
            Some(found) => Err(InvalidName::Character {
                name: "The user name",
                found,
                allowed: "use letters, digits, dots, hyphens and underscores",
            }),
        }
    }
}

name! {
    /// An e-mail address, up to 254 characters (RFC 5321 section 4.5.3.1), checked for its form
    /// only: whether mail arrives is another matter.
    Email
}

impl Email {
    /// Checks `raw`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidName> {
        const FORM: InvalidName = InvalidName::Form("The e-mail address needs the form name@example.org");
        let text = text("The e-mail address", raw, 254)?;
        if text.chars().any(|c| c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '"' | '(' | ')' | '\\')) {
            return Err(FORM);
        }
        match text.split_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && local.len() <= 64
                    && !domain.contains('@')
                    && !domain.starts_with(['.', '-'])
                    && !domain.ends_with('.')
                    && !domain.contains("..")
                    && !domain.is_empty() =>
            {
                Ok(Self(text))
            }
            _ => Err(FORM),
        }
    }
}

name! {
    /// A group's name, the `cn` of its entry: up to 128 visible characters.
    GroupName
}

impl GroupName {
    /// Checks `raw`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidName> {
        text("The group name", raw, 128).map(Self)
    }
}

name! {
    /// An OAuth client identifier (RFC 6749 section 2.2): up to 100 unreserved URI characters
    /// (RFC 3986 section 2.3), compared exactly.
    ClientId
}

impl ClientId {
    /// Checks `raw`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidName> {
        let text = text("The client id", raw, 100)?;
        match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~'))) {
            None => Ok(Self(text)),
            Some(found) => {
                Err(InvalidName::Character { name: "The client id", found, allowed: "use letters, digits and - . _ ~" })
            }
        }
    }
}

name! {
    /// What an application is called on the pages that people see: up to 100 visible characters.
    ClientName
}

impl ClientName {
    /// Checks `raw`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidName> {
        text("The application's name", raw, 100).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_take_any_script_and_no_at_sign() {
        for good in ["ada", "ada.okafor", "Łukasz_1", "김서연", "a-b"] {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "  ", "ada@example.org", "a,b", "a=b", "a b", "a\u{202e}b", "a\0", "uid=x", "a/b"] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Username::parse(&"x".repeat(64)).is_ok());
        assert!(Username::parse(&"x".repeat(65)).is_err());
    }

    #[test]
    fn addresses_need_one_at_sign_and_two_halves() {
        for good in ["a@b", "ada.okafor@example.tld", "o'neil+x@ex-ample.org", "用户@例子.org"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b,c@d", "a@.b", "a@b.", "a@b..c", "a@b\r\nBcc: x@y"] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn client_ids_are_unreserved_characters() {
        assert!(ClientId::parse("my-directus_1.0~x").is_ok());
        for bad in ["", "a b", "a/b", "a:b", "ä"] {
            assert!(ClientId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
