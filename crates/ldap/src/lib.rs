//! The LDAP door (RFC 4511): frames are checked and decoded, requests answered by one verb of
//! `app` each, results written as they come.
//!
//! A connection is one task: requests are answered in the order in which they came. Holds no rule
//! about who may see what and no entry of its own save the root's and the schema's. Of TLS it knows
//! that a stream can be made an encrypted one; how is told by whoever opens the door.

mod ber;
mod bind;
mod channel;
mod compare;
mod controls;
mod encode;
mod entry;
mod extended;
mod filter;
mod frame;
mod request;
mod results;
mod root;
mod schema;
mod search;
mod serve;
mod session;
mod shape;
mod sort;
mod wire;
mod write;

use std::net::IpAddr;
use std::time::Duration;

use ostiary_model::Network;

pub use serve::{Encrypt, LdapDoor, Peer};

/// The limits of a connection.
#[derive(Debug, Clone)]
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
    /// Where passwords may come from in clear text.
    pub clear_text_from: Vec<Network>,
}

impl LdapSettings {
    pub(crate) const fn max_message(&self, is_bound: bool) -> usize {
        if is_bound { self.max_message_bound } else { self.max_message_unbound }
    }

    pub(crate) const fn idle(&self, is_bound: bool) -> Duration {
        if is_bound { self.idle_bound } else { self.idle_unbound }
    }

    pub(crate) fn trusts_clear_text(&self, peer: IpAddr) -> bool {
        self.clear_text_from.iter().any(|network| network.contains(peer))
    }
}

/// This machine and the ranges that are not routed on the internet (RFC 1918, RFC 4193).
const NEAR: [&str; 6] = ["127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

impl Default for LdapSettings {
    fn default() -> Self {
        Self {
            max_message_unbound: 8 * 1024,
            max_message_bound: 1024 * 1024,
            idle_unbound: Duration::from_secs(30),
            idle_bound: Duration::from_secs(3600),
            transfer: Duration::from_secs(30),
            clear_text_from: NEAR.iter().filter_map(|network| network.parse().ok()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_clear_text_come_from_near() {
        let settings = LdapSettings::default();
        assert_eq!(settings.clear_text_from.len(), NEAR.len());
        for (address, is_near) in [("127.0.0.2", true), ("::1", true), ("fd00::1", true), ("::ffff:10.1.2.3", true)]
            .into_iter()
            .chain([("192.0.2.1", false), ("2001:db8::1", false), ("172.32.0.1", false)])
        {
            assert_eq!(settings.trusts_clear_text(address.parse().unwrap()), is_near, "{address}");
        }
    }
}
