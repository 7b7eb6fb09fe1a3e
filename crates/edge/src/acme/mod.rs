//! Certificates that renew themselves (ACME: RFC 8555, 8737, 9773).
//!
//! [`Acme`] orders certificates for sets of names, keeps them sealed in the store and puts them
//! into [`Certificates`](crate::Certificates), from where they are served. One node orders at a
//! time; all of them serve what it stored and answer the authorities that look. Nothing waits for
//! an authority: what is stored is served at once, and what fails is tried again for ever, ever
//! more rarely.
//!
//! Leaves out who listens: whoever does asks [`Acme::answers`] for challenges over HTTP, and the
//! map for those over TLS. The one module that names the library for the protocol.

mod account;
mod answers;
mod chain;
mod client;
mod desk;
mod dns;
mod order;
mod proof;
mod renew;
mod run;
mod schedule;
mod settings;
mod trouble;

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ostiary_model::{CertificateState, Span, Timestamp};
use ostiary_store::{AcmeTrouble, CertificateRecord, Error as StoreError};
use rustls::RootCertStore;
use rustls::sign::CertifiedKey;

pub use self::answers::Answers;
pub use self::dns::{Dns, DnsKey};
pub use self::settings::{Challenge, ExternalAccount, Issuer, SettingError, Settings};
use crate::means::Means;

/// How quickly things are done. The default is for earnest; tests are in a hurry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often a node looks for what others stored.
    pub look: Duration,
    /// How long answers are given time to reach all nodes, at least two looks.
    pub settle: Duration,
    /// How long all servers of a zone are given to learn of a text.
    pub dns_settle: Duration,
    /// How often the node that orders shows that it lives. After three it is taken for dead.
    pub beat: Duration,
    /// How often is looked, at least, whether something is to be renewed.
    pub pass: Duration,
    /// How long one request to an authority may take.
    pub request: Duration,
    /// How long a whole order may take.
    pub order: Duration,
    /// How long it is waited before an authority is asked how an order stands.
    pub poll: Duration,
    /// The minute of the waiting times after failures.
    pub minute: Span,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_millis(500),
            settle: Duration::from_millis(1_500),
            dns_settle: Duration::from_secs(20),
            beat: Duration::from_secs(10),
            pass: Duration::from_secs(30),
            request: Duration::from_secs(20),
            order: Duration::from_secs(300),
            poll: Duration::from_millis(250),
            minute: Span::from_mins(1),
        }
    }
}

/// Orders, renews and serves certificates. Clones share everything.
#[derive(Clone)]
pub struct Acme(Arc<Inner>);

/// What all parts of the work share.
struct Inner {
    means: Means,
    settings: Settings,
    sets: Vec<NameSet>,
    /// Whom we trust to be an authority's server.
    roots: Arc<RootCertStore>,
    answers: Answers,
    seen: RwLock<Seen>,
    /// Under which this node orders.
    fence: AtomicI64,
    /// Held while the store is read into `seen`, so that nothing older comes after something newer.
    reading: tokio::sync::Mutex<()>,
}

/// Names that share a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NameSet {
    /// Sorted.
    names: Vec<String>,
    /// As the store knows them: divided by a blank.
    key: String,
}

/// What the store held when it was last looked at.
#[derive(Default)]
struct Seen {
    held: HashMap<String, Held>,
    troubles: Vec<AcmeTrouble>,
}

/// A certificate of the store.
#[derive(Clone)]
struct Held {
    record: Arc<CertificateRecord>,
    /// What is served; `None` when what is stored cannot be used.
    served: Option<Arc<CertifiedKey>>,
}

impl Acme {
    /// Everything in place; nothing runs yet, and nobody was asked.
    ///
    /// # Errors
    /// Says which setting cannot be used.
    pub fn new(means: Means, settings: Settings) -> Result<Self, SettingError> {
        let (sets, roots) = (settings.sets()?, Arc::new(settings.roots()?));
        let answers = Answers::new(means.certificates.clone());
        let (seen, fence) = (RwLock::default(), AtomicI64::new(run::NO_FENCE));
        let reading = tokio::sync::Mutex::default();
        Ok(Self(Arc::new(Inner { means, settings, sets, roots, answers, seen, fence, reading })))
    }

    /// Serves what is stored. Asks no authority.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn load(&self) -> Result<(), StoreError> {
        self.0.refresh().await
    }

    /// Follows what other nodes store, and orders what is missing or near its end whenever this
    /// node is the one to do so, for ever: a service of the lifecycle.
    pub async fn run(self) {
        tokio::join!(self.0.follow(), self.0.lead());
    }

    /// Lets another node order at once, or this one after a restart: for the end of the process,
    /// after [`Acme::run`] was dropped. Without it others wait until they take this node for dead.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.0.leave().await
    }

    /// Answers authorities over HTTP.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.0.answers.clone()
    }

    /// How it stands with all names, as far as this node knows.
    #[must_use]
    pub fn state(&self) -> Vec<CertificateState> {
        let seen = self.0.seen.read().unwrap_or_else(PoisonError::into_inner);
        self.0.sets.iter().map(|set| self.0.state_of(set, &seen)).collect()
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.means.clock.now()
    }

    /// What is held for these names.
    fn held(&self, set: &NameSet) -> Option<Held> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).held.get(&set.key).cloned()
    }

    /// What went wrong with these names, or with everything, at the authority of `directory`.
    fn trouble(&self, names: &str, directory: &str) -> Option<AcmeTrouble> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.troubles.iter().find(|trouble| trouble.names == names && trouble.directory == directory).cloned()
    }

    fn state_of(&self, set: &NameSet, seen: &Seen) -> CertificateState {
        let held = seen.held.get(&set.key).filter(|held| held.served.is_some()).map(|held| &held.record);
        let concerns = |trouble: &&AcmeTrouble| {
            (trouble.names == set.key || trouble.names.is_empty()) && self.settings.issuer(&trouble.directory).is_some()
        };
        // What is older than the certificate was overcome, be it by another authority.
        let is_current = |trouble: &&AcmeTrouble| held.is_none_or(|record| trouble.failed_at > record.stored_at);
        let troubles = || seen.troubles.iter().filter(concerns).filter(is_current);
        let last = troubles().max_by_key(|trouble| trouble.failed_at);
        CertificateState {
            names: set.names.clone(),
            issuer: held.map(|record| record.directory.clone()),
            not_before: held.map(|record| record.not_before),
            not_after: held.map(|record| record.not_after),
            renew_at: held.map(|record| record.plan.renew_at),
            last_error: last.map(|trouble| format!("{}: {}", trouble.directory, trouble.told)),
            next_attempt: troubles().map(|trouble| trouble.next_at).min(),
        }
    }
}
