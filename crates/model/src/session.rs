//! A signed-in browser: who, since when, and how they proved it.

use std::net::IpAddr;
use std::str::FromStr;

use crate::access::Level;
use crate::ids::{SessionId, UserId};
use crate::people::Generation;
use crate::time::Timestamp;

/// One way of proving who one is, by its name in RFC 8176 (`amr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthMethod {
    /// A password.
    Password,
    /// A code from an authenticator app (RFC 6238).
    Totp,
}

impl AuthMethod {
    /// The value in the `amr` claim.
    #[must_use]
    pub const fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Totp => "otp",
        }
    }
}

/// The ways that were used in one sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuthMethods {
    password: bool,
    totp: bool,
}

impl AuthMethods {
    /// These ways plus `method`.
    #[must_use]
    pub const fn with(mut self, method: AuthMethod) -> Self {
        match method {
            AuthMethod::Password => self.password = true,
            AuthMethod::Totp => self.totp = true,
        }
        self
    }

    /// How much they prove together.
    #[must_use]
    pub const fn level(self) -> Level {
        match (self.password, self.totp) {
            (true, true) => Level::TwoFactor,
            (true, false) | (false, true) => Level::OneFactor,
            (false, false) => Level::None,
        }
    }

    /// The `amr` claim: the ways, and `mfa` when there was more than one (RFC 8176 section 2).
    #[must_use]
    pub fn amr(self) -> Vec<&'static str> {
        let mut values = Vec::with_capacity(3);
        if self.password {
            values.push(AuthMethod::Password.amr());
        }
        if self.totp {
            values.push(AuthMethod::Totp.amr());
        }
        if self.level() == Level::TwoFactor {
            values.push("mfa");
        }
        values
    }

    /// The stored form: method names with blanks between.
    #[must_use]
    pub fn to_stored(self) -> String {
        self.amr().into_iter().filter(|name| *name != "mfa").collect::<Vec<_>>().join(" ")
    }
}

impl FromStr for AuthMethods {
    type Err = std::convert::Infallible;

    /// Reads the stored form. A word that is not known proves nothing and is left out.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.split(' ').fold(Self::default(), |methods, word| match word {
            "pwd" => methods.with(AuthMethod::Password),
            "otp" => methods.with(AuthMethod::Totp),
            _ => methods,
        }))
    }
}

/// A signed-in browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id; never the cookie's value.
    pub id: SessionId,
    /// The session on the accounts host that this one on the directory host hangs from.
    pub parent: Option<SessionId>,
    /// Who.
    pub user: UserId,
    /// The person's generation when it was made.
    pub generation: Generation,
    /// How they proved it.
    pub methods: AuthMethods,
    /// When the password was last checked (`auth_time`, OpenID Connect Core section 2).
    pub authenticated_at: Timestamp,
    /// When the session began.
    pub created_at: Timestamp,
    /// When it ends, however busy.
    pub expires_at: Timestamp,
    /// When it was last used, to about a minute.
    pub seen_at: Timestamp,
    /// Whether the browser may keep it after it closes.
    pub remembered: bool,
    /// Where it was made from.
    pub address: Option<IpAddr>,
    /// The browser, as it named itself.
    pub agent: Option<String>,
}
