//! What a verb needs to know about the moment: who acts, when, from where, and a source of chance.
//!
//! Nothing below the binary reads a clock or makes random bytes by itself, so tests can hold both.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use uuid::{Builder, Uuid};

use crate::ids::{RequestId, UserId};
use crate::people::Generation;
use crate::session::Session;
use crate::time::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Where chance comes from. Must be a cryptographically secure source outside tests.
pub trait Entropy: Send + Sync {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// Who acts.
#[derive(Debug, Clone)]
pub enum Actor {
    /// Nobody has signed in yet.
    Anonymous,
    /// A person in a browser.
    Person(Session),
    /// An account bound over LDAP with its own password.
    Bound {
        /// Whose.
        user: UserId,
        /// The generation that it was bound under.
        generation: Generation,
    },
    /// Whoever may run the binary on the machine and read its data.
    CommandLine,
    /// The server itself, in its own time.
    Server,
}

impl Actor {
    /// The account that acts, if it is one.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Person(session) => Some(session.user),
            Self::Bound { user, .. } => Some(*user),
            Self::Anonymous | Self::CommandLine | Self::Server => None,
        }
    }
}

/// The moment in which a verb runs.
#[derive(Clone)]
pub struct Ctx {
    /// When it is. Fixed for the whole request, so that one answer never holds two times.
    pub now: Timestamp,
    /// Who acts.
    pub actor: Actor,
    /// Names the request in the log and on error pages.
    pub request: RequestId,
    /// Where the request came from, after trusted proxies; `None` for the server's own work.
    pub address: Option<IpAddr>,
    /// The program at the other end as it names itself (`User-Agent`), cut to 256 characters.
    pub agent: Option<Arc<str>>,
    entropy: Arc<dyn Entropy>,
}

impl Ctx {
    /// A moment at `now` in which `actor` acts, with chance from `entropy`.
    #[must_use]
    pub fn new(now: Timestamp, actor: Actor, entropy: Arc<dyn Entropy>) -> Self {
        let request = RequestId::from(uuid_v7(now, entropy.as_ref()));
        Self { now, actor, request, address: None, agent: None, entropy }
    }

    /// The same moment with another actor.
    #[must_use]
    pub fn with_actor(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// The same moment, asked for from `address`.
    #[must_use]
    pub const fn with_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// The same moment, asked for by the program `agent`.
    #[must_use]
    pub fn with_agent(mut self, agent: Option<Arc<str>>) -> Self {
        self.agent = agent;
        self
    }

    /// A new id of kind `I`: a UUIDv7 of this moment (RFC 9562 section 5.7).
    #[must_use]
    pub fn id<I: From<Uuid>>(&self) -> I {
        I::from(uuid_v7(self.now, self.entropy.as_ref()))
    }

    /// A new random UUID (version 4), for ids that must tell nothing.
    #[must_use]
    pub fn random_id<I: From<Uuid>>(&self) -> I {
        I::from(Builder::from_random_bytes(self.bytes()).into_uuid())
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx")
            .field("now", &self.now)
            .field("actor", &self.actor)
            .field("request", &self.request)
            .finish()
    }
}

fn uuid_v7(now: Timestamp, entropy: &dyn Entropy) -> Uuid {
    let mut tail = [0; 10];
    entropy.fill(&mut tail);
    let millis = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}
