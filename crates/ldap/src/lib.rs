//! The LDAP door (RFC 4511): frames are checked and decoded, requests answered by one verb of
//! `app` each, results written as they come.
//!
//! A connection is one task: requests are answered in the order in which they came. Holds no rule
//! about who may see what and no entry of its own save the root's and the schema's. Leaves out TLS
//! and everything that writes.

mod channel;
mod controls;
mod entry;
mod filter;
mod frame;
mod results;
mod root;
mod schema;
mod serve;
mod session;

use std::time::Duration;

pub use frame::{Frame, Malformed};
pub use serve::serve;

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct LdapSettings {
    /// Bytes of a message before a bind: enough for a bind or a look at the root.
    pub max_message_unbound: usize,
    /// Bytes of a message after a bind.
    pub max_message_bound: usize,
    /// How long an unbound connection may say nothing.
    pub idle_unbound: Duration,
    /// How long a bound connection may say nothing.
    pub idle_bound: Duration,
    /// How long a message may take from its first byte to its last, and an answer to be taken.
    pub transfer: Duration,
}

impl Default for LdapSettings {
    fn default() -> Self {
        Self {
            max_message_unbound: 8 * 1024,
            max_message_bound: 1024 * 1024,
            idle_unbound: Duration::from_secs(30),
            idle_bound: Duration::from_secs(3600),
            transfer: Duration::from_secs(30),
        }
    }
}
