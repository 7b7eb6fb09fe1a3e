//! Certificates that the house makes for itself, for networks that no authority reaches.
//!
//! One root for the whole house is kept in the store, its key sealed; whoever comes first makes it.
//! Each node makes its own short-lived certificates from it, keeps them in memory, and makes the
//! next ones in time: nothing is ordered, leased or waited for. Leaves out how a machine comes to
//! trust the root: [`offering`] hands it out.

mod download;
mod leaf;
mod root;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ostiary_model::{CertificateState, Span, Timestamp};

pub use self::download::{Download, offering};
use self::leaf::Leaf;
pub use self::root::{Root, RootError};
use crate::means::Means;

/// Where its certificates come from, as the configuration calls it.
const ISSUER: &str = "internal";
/// How often is looked whether there is another root, and whether a certificate is due.
const LOOK: Duration = Duration::from_secs(2);
/// How long before its end a root is spoken of: all machines need time to trust another.
const NOTICE: Span = Span::from_days(365);
/// How often it is spoken of in the log.
const OFTEN: Span = Span::from_days(1);
/// What makes another root.
const REMEDY: &str = "`ostiary ca renew` makes another, which every machine has to trust";

/// What certificates are made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalSettings {
    /// Who the root belongs to, for people.
    pub organisation: String,
    /// The domain of the house.
    pub domain: String,
    /// All hosts in small letters, those that share a certificate together. The first are those of
    /// the house itself.
    pub hosts: Vec<Vec<String>>,
}

/// Makes and serves certificates of the house's own. Clones share everything.
#[derive(Clone)]
pub struct Internal(Arc<Inner>);

struct Inner {
    means: Means,
    settings: InternalSettings,
    held: RwLock<Held>,
}

/// What this node has.
#[derive(Default)]
struct Held {
    root: Option<Arc<Root>>,
    /// For each of the sets of hosts, in order.
    leaves: Vec<Option<Leaf>>,
    /// What went wrong last.
    trouble: Option<String>,
}

impl Internal {
    /// Everything in place; nothing is made yet.
    #[must_use]
    pub fn new(means: Means, settings: InternalSettings) -> Self {
        let held = Held { leaves: vec![None; settings.hosts.len()], ..Held::default() };
        Self(Arc::new(Inner { means, settings, held: RwLock::new(held) }))
    }

    /// The root of the house: the stored one, or one that is made now.
    ///
    /// # Errors
    /// When the store does not answer, or what it holds cannot be used.
    pub async fn root_of_the_house(&self) -> Result<Root, RootError> {
        self.0.root().await
    }

    /// Makes another root, which takes the place of the one before. All nodes take it up within
    /// seconds; nobody trusts it yet.
    ///
    /// # Errors
    /// As [`Internal::root_of_the_house`], and when somebody else did the same at this moment.
    pub async fn renew_root(&self) -> Result<Root, RootError> {
        // Also one that cannot be opened can be replaced.
        let version = self.0.means.store.root().await?.map_or(0, |record| record.version);
        self.0.make(version.saturating_add(1)).await?.ok_or(RootError::Overtaken)
    }

    /// Serves a certificate for every host. Gives the root that vouches for them.
    ///
    /// # Errors
    /// As [`Internal::root_of_the_house`].
    pub async fn load(&self) -> Result<Arc<Root>, RootError> {
        let root = Arc::new(self.0.root().await?);
        self.0.hold(Arc::clone(&root))?;
        for set in &self.0.settings.hosts {
            for host in set.iter().filter(|host| !root.is_for(host)) {
                tracing::warn!("{}", foreign(host, &root));
            }
        }
        Ok(root)
    }

    /// Takes up another root, and makes the next certificates in time, for ever: a service of the
    /// lifecycle, after [`Internal::load`].
    pub async fn run(self) {
        let mut spoken = None;
        loop {
            self.0.speak_of_root(&mut spoken);
            tokio::time::sleep(LOOK).await;
            self.0.look().await;
        }
    }

    /// The root that is vouching now; `None` before [`Internal::load`].
    #[must_use]
    pub fn root(&self) -> Option<Arc<Root>> {
        self.0.read(|held| held.root.clone())
    }

    /// How it stands with all hosts, and with the root itself.
    #[must_use]
    pub fn state(&self) -> Vec<CertificateState> {
        self.0.state()
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.means.clock.now()
    }

    fn read<T>(&self, look: impl FnOnce(&Held) -> T) -> T {
        look(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn root(&self) -> Result<Root, RootError> {
        if let Some(record) = self.means.store.root().await? {
            return Root::read(&record, self.means.vault.as_ref());
        }
        if let Some(root) = self.make(1).await? {
            return Ok(root);
        }
        // Another process came first: all serve from the same root.
        let record = self.means.store.root().await?.ok_or(RootError::Overtaken)?;
        Root::read(&record, self.means.vault.as_ref())
    }

    /// Makes the root number `version`; `None` when somebody else was quicker.
    async fn make(&self, version: i64) -> Result<Option<Root>, RootError> {
        let now = self.now();
        let (root, record) = Root::make(&self.settings, version, self.means.vault.as_ref(), now)?;
        let mut tx = self.means.store.begin().await?;
        let is_stored = tx.root_put(&record).await?;
        tx.commit(now).await?;
        if is_stored {
            tracing::info!(root = root.subject(), fingerprint = root.fingerprint(), "a root of the house was made");
        }
        Ok(is_stored.then_some(root))
    }

    /// Does what there is to do. What goes wrong is told once; what is held is served on.
    async fn look(&self) {
        let caught_up = self.catch_up().await;
        let done = self.see_to_leaves().and(caught_up);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if let (Err(error), None) = (&done, &held.trouble) {
            tracing::error!("certificates go on being made from the root in memory; the root that is stored: {error}");
        }
        held.trouble = done.err().map(|error| format!("the root that is stored: {error}"));
    }

    /// Takes up the root that is stored, if it is another one.
    async fn catch_up(&self) -> Result<(), RootError> {
        let Some(record) = self.means.store.root().await? else { return Ok(()) };
        if self.read(|held| held.root.as_ref().is_some_and(|root| root.is(&record))) {
            return Ok(());
        }
        let root = Root::read(&record, self.means.vault.as_ref())?;
        tracing::info!(root = root.subject(), fingerprint = root.fingerprint(), "another root vouches from now on");
        self.hold(Arc::new(root))
    }

    fn hold(&self, root: Arc<Root>) -> Result<(), RootError> {
        self.held.write().unwrap_or_else(PoisonError::into_inner).root = Some(root);
        self.see_to_leaves()
    }

    /// Makes and serves every certificate that is due now.
    fn see_to_leaves(&self) -> Result<(), RootError> {
        let Some(root) = self.read(|held| held.root.clone()) else { return Ok(()) };
        let now = self.now();
        for (number, set) in self.settings.hosts.iter().enumerate() {
            let leaf = self.read(|held| held.leaves.get(number).cloned().flatten());
            let is_good = |leaf: &Leaf| leaf.root == root.version() && !leaf.life.is_due(now, root.not_after());
            let hosts: Vec<String> = set.iter().filter(|host| root.is_for(host)).cloned().collect();
            if leaf.as_ref().is_some_and(is_good) || hosts.is_empty() {
                continue;
            }
            self.serve(number, &hosts, root.leaf(&hosts, now)?);
        }
        Ok(())
    }

    fn serve(&self, number: usize, hosts: &[String], leaf: Leaf) {
        tracing::debug!(?hosts, "a certificate was made");
        // Those of the house come first, and are for whoever names no name.
        if number == 0 {
            self.means.certificates.put_default(hosts, Arc::clone(&leaf.key));
        } else {
            self.means.certificates.put(hosts, Arc::clone(&leaf.key));
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = held.leaves.get_mut(number) {
            *place = Some(leaf);
        }
    }

    /// Says in the log that the root is near its end, once a day.
    fn speak_of_root(&self, spoken: &mut Option<Timestamp>) {
        let now = self.now();
        let is_fresh = |before: Timestamp| now.since(before) < OFTEN && before.since(now) < OFTEN;
        if spoken.is_some_and(is_fresh) {
            return;
        }
        if let Some(told) = self.read(|held| held.root.as_deref().and_then(|root| end_in_words(root, now))) {
            tracing::warn!("{told}");
            *spoken = Some(now);
        }
    }

    fn state(&self) -> Vec<CertificateState> {
        let now = self.now();
        self.read(|held| {
            let Some(root) = &held.root else { return Vec::new() };
            let of_sets = self.settings.hosts.iter().zip(&held.leaves).flat_map(|(set, leaf)| {
                let (own, foreign) = set.iter().cloned().partition::<Vec<_>, _>(|host| root.is_for(host));
                let own = (!own.is_empty()).then(|| state_of_leaf(own, leaf.as_ref(), held.trouble.clone()));
                own.into_iter().chain(foreign.into_iter().map(|host| state_of_foreign(host, root)))
            });
            of_sets.chain([state_of_root(root, now)]).collect()
        })
    }
}

fn state_of_leaf(mut names: Vec<String>, leaf: Option<&Leaf>, last_error: Option<String>) -> CertificateState {
    names.sort_unstable();
    CertificateState {
        names,
        issuer: leaf.map(|_| ISSUER.to_owned()),
        not_before: leaf.map(|leaf| leaf.life.not_before),
        not_after: leaf.map(|leaf| leaf.life.not_after),
        renew_at: leaf.map(|leaf| leaf.life.renew_at()),
        last_error,
        next_attempt: None,
    }
}

fn state_of_foreign(host: String, root: &Root) -> CertificateState {
    let told = foreign(&host, root);
    state_of_leaf(vec![host], None, Some(told))
}

/// The root is renewed by people alone.
fn state_of_root(root: &Root, now: Timestamp) -> CertificateState {
    CertificateState {
        names: vec![root.subject().to_owned()],
        issuer: Some(ISSUER.to_owned()),
        not_before: Some(root.not_before()),
        not_after: Some(root.not_after()),
        renew_at: None,
        last_error: end_in_words(root, now),
        next_attempt: None,
    }
}

/// Why there is no certificate for `host`.
fn foreign(host: &str, root: &Root) -> String {
    if root::is_address(host) {
        return format!("{host} is an address; {} is for names alone", root.subject());
    }
    format!("{} is for {}, not for {host}; {REMEDY}", root.subject(), root.names().join(", "))
}

/// What there is to say of the root's end; nothing while it is far.
fn end_in_words(root: &Root, now: Timestamp) -> Option<String> {
    let (subject, end) = (root.subject(), root.not_after());
    let at = end.to_rfc3339();
    if end <= now {
        Some(format!("{subject} ended at {at}: clients turn away; {REMEDY}"))
    } else if end - NOTICE <= now {
        Some(format!("{subject} ends at {at}; {REMEDY}"))
    } else {
        None
    }
}

impl fmt::Debug for Internal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Internal").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
