//! How an Ostiary behaves. Filled by the binary from file and environment; the defaults here are
//! the ones that `config.example.toml` shows.

use std::net::IpAddr;

use ostiary_model::{Network, Span};
use url::Url;

use crate::changes::{LAST_POSIX_NUMBER, is_absolute_path};
use crate::directory::PosixDefaults;
use crate::hasher::HashParameters;
use crate::mail::MailSettings;

/// Everything that the verbs need to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names and addresses.
    pub site: Site,
    /// The LDAP base DN, such as `dc=example,dc=org`.
    pub base_dn: String,
    /// Cost of new password hashes.
    pub hash: HashParameters,
    /// When guessing is held back.
    pub lockout: LockoutSettings,
    /// How long a sign-in lasts.
    pub session: SessionSettings,
    /// What a new password must be.
    pub password_policy: PasswordPolicy,
    /// How long tokens last.
    pub tokens: TokenSettings,
    /// How mail leaves.
    pub mail: MailSettings,
    /// What people and groups are in POSIX systems.
    pub posix: PosixSettings,
    /// Whose own password is taken over LDAP.
    pub ldap_bind_password: BindPassword,
    /// Where programs find LDAP, as people are told: `ldaps://ldap.example.org`.
    pub ldap_url: Option<String>,
}

/// Whose own password is taken over LDAP. App passwords always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BindPassword {
    /// Of those who have no second factor, and of service accounts: LDAP is then no way around it.
    #[default]
    OneFactor,
    /// Everybody's.
    Any,
}

/// What people and groups are in POSIX systems (RFC 2307).
#[derive(Debug, Clone)]
pub struct PosixSettings {
    /// The first number that is given to people and groups.
    pub first: i64,
    /// The last one.
    pub last: i64,
    /// Shell and home folder of those who have nothing of their own.
    pub defaults: PosixDefaults,
}

impl PosixSettings {
    /// What cannot be used: the name of the setting, and what is allowed.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !(1..=LAST_POSIX_NUMBER).contains(&self.first) {
            problems.push(("first", format!("1 to {LAST_POSIX_NUMBER}")));
        }
        if !(self.first..=LAST_POSIX_NUMBER).contains(&self.last) {
            problems.push(("last", format!("what first is, or more, up to {LAST_POSIX_NUMBER}")));
        }
        if !is_absolute_path(&self.defaults.shell) {
            problems.push(("shell", "a path that begins with / and has no colon".to_owned()));
        }
        let home = &self.defaults.home;
        if !is_absolute_path(home) || !home.contains("{username}") {
            problems.push(("home", "a path that begins with /, has no colon, and has {username} in it".to_owned()));
        }
        problems
    }
}

impl Default for PosixSettings {
    /// Above the numbers that systems give to local accounts, below those that systemd gives to
    /// containers (from 524288 on).
    fn default() -> Self {
        let defaults = PosixDefaults { shell: "/bin/bash".to_owned(), home: "/home/{username}".to_owned() };
        Self { first: 200_000, last: 524_287, defaults }
    }
}

/// Names and addresses.
#[derive(Debug, Clone)]
pub struct Site {
    /// What the organisation is called on every page.
    pub org_name: String,
    /// Where people sign in; also the issuer of tokens. Without a slash at the end.
    pub accounts_url: Url,
    /// Where administrators work.
    pub directory_url: Url,
}

impl Site {
    /// The issuer identifier (RFC 8414 section 2): the accounts address without a final slash.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.accounts_url.as_str().trim_end_matches('/')
    }
}

/// When guessing is held back. Counts begin with the first failure and end `window` after it.
#[derive(Debug, Clone)]
pub struct LockoutSettings {
    /// Failures for one account from one address.
    pub per_account_and_address: u32,
    /// Failures for one account from anywhere.
    pub per_account: u32,
    /// Failures from one address (IPv6: one /64) for any account.
    pub per_address: u32,
    /// How long failures count, and so how long a pause lasts at most.
    pub window: Span,
    /// Addresses that many people come from, such as an application that binds as its users: no
    /// count for the address there.
    pub shared_addresses: Vec<Network>,
}

impl LockoutSettings {
    /// Whether many people come from `address`.
    #[must_use]
    pub fn is_shared(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.shared_addresses.iter().any(|network| network.contains(address)))
    }
}

impl Default for LockoutSettings {
    fn default() -> Self {
        Self {
            per_account_and_address: 5,
            per_account: 30,
            per_address: 100,
            window: Span::from_mins(10),
            shared_addresses: ["127.0.0.0/8", "::1/128"].iter().filter_map(|text| text.parse().ok()).collect(),
        }
    }
}

/// How long a sign-in lasts.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// At most, from the sign-in on.
    pub lifetime: Span,
    /// Without any use.
    pub idle: Span,
    /// At most, with "Keep me signed in"; then idle time does not end it.
    pub remembered: Span,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { lifetime: Span::from_hours(12), idle: Span::from_hours(2), remembered: Span::from_days(30) }
    }
}

/// What a new password must be. No rules of composition: length is what helps (NIST SP 800-63B).
#[derive(Debug, Clone, Copy)]
pub struct PasswordPolicy {
    /// Characters at least.
    pub min_length: u32,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_length: 10 }
    }
}

/// How long what applications hold lasts.
#[derive(Debug, Clone, Copy)]
pub struct TokenSettings {
    /// From the click on an application's sign-in button to its end.
    pub grant: Span,
    /// An authorization code (RFC 9700 asks for a short one).
    pub code: Span,
    /// An access token.
    pub access_token: Span,
    /// An ID token.
    pub id_token: Span,
    /// A refresh token without any use.
    pub refresh_idle: Span,
    /// All refresh tokens of one sign-in together.
    pub refresh_lifetime: Span,
    /// How long a refresh token that was just exchanged still gets the same successor: browsers
    /// that share it ask at the same time.
    pub refresh_grace: Span,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            grant: Span::from_mins(15),
            code: Span::from_secs(60),
            access_token: Span::from_hours(1),
            id_token: Span::from_hours(1),
            refresh_idle: Span::from_days(14),
            refresh_lifetime: Span::from_days(90),
            refresh_grace: Span::from_secs(30),
        }
    }
}
