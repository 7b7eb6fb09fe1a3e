//! What runs for ever: every node follows what is stored, and one of them sees to it that nothing
//! is missing.
//!
//! The node that orders shows a beat. Whoever sees it stand still for three beats of its own takes
//! over; the one that was slow finds that it may write no longer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ostiary_model::Span;
use ostiary_store::{AcmeTrouble, CertificateRecord, Error as StoreError};

use super::chain::Chain;
use super::renew::row;
use super::trouble::Refusal;
use super::{Held, Inner, NameSet};

/// Nothing is held: fences begin at one.
pub(super) const NO_FENCE: i64 = 0;
/// So many beats without a sign, and a node is taken for dead.
const BEATS: u32 = 3;
/// What ended longer ago is forgotten.
const KEPT: Span = Span::from_days(30);

impl Inner {
    /// Takes up what any node stored, for ever.
    pub(super) async fn follow(&self) {
        let (mut seen, mut is_away) = (None, false);
        loop {
            tokio::time::sleep(self.settings.pace.look).await;
            match self.catch_up(seen).await {
                Ok(seq) => (seen, is_away) = (Some(seq), false),
                Err(error) if !is_away => {
                    tracing::warn!(%error, "certificates go on being served from memory");
                    is_away = true;
                }
                Err(_) => {}
            }
        }
    }

    async fn catch_up(&self, seen: Option<i64>) -> Result<i64, StoreError> {
        let seq = self.means.store.front_state().await?.seq();
        if seen != Some(seq) {
            self.refresh().await?;
        }
        Ok(seq)
    }

    /// Serves and answers what the store holds now.
    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        let store = &self.means.store;
        let answers = store.acme_answers().await?;
        let (records, troubles) = (store.certificates().await?, store.acme_troubles().await?);
        self.answers.hold(answers);
        let mut records: Vec<_> = records.into_iter().map(Arc::new).collect();
        for set in &self.sets {
            let Some(place) = records.iter().position(|record| record.names == set.key) else { continue };
            self.serve(set, &records.swap_remove(place));
        }
        self.seen.write().unwrap_or_else(PoisonError::into_inner).troubles = troubles;
        Ok(())
    }

    /// Serves what is stored for `set`, if it can be used and is not served already.
    fn serve(&self, set: &NameSet, record: &Arc<CertificateRecord>) {
        let before = self.held(set);
        let is_same = |held: &Held| held.record.version == record.version && held.record.chain == record.chain;
        let served = match before.filter(is_same) {
            Some(held) => held.served,
            None => match self.open(set, record) {
                Ok(chain) => {
                    if chain.is_fresh(self.now()).is_err() {
                        tracing::warn!(names = set.key, "the certificate that is served has ended");
                    }
                    // Those of the house come first, and are for whoever names no name.
                    if self.sets.first() == Some(set) {
                        self.means.certificates.put_default(&set.names, Arc::clone(&chain.key));
                    } else {
                        self.means.certificates.put(&set.names, Arc::clone(&chain.key));
                    }
                    Some(chain.key)
                }
                Err(error) => {
                    tracing::error!(names = set.key, error, "a stored certificate cannot be used; another is ordered");
                    None
                }
            },
        };
        let held = Held { record: Arc::clone(record), served };
        self.seen.write().unwrap_or_else(PoisonError::into_inner).held.insert(set.key.clone(), held);
    }

    fn open(&self, set: &NameSet, record: &CertificateRecord) -> Result<Chain, String> {
        let key = self.means.vault.open(&row(&set.key), &record.key_sealed).map_err(|error| error.to_string())?;
        Chain::read(&record.chain, &key, &set.names, &self.roots).map_err(|error| error.to_string())
    }

    /// Orders what is missing whenever this node holds the front, for ever.
    pub(super) async fn lead(&self) {
        loop {
            let fence = self.win().await;
            tracing::info!(fence, "this node orders certificates");
            self.fence.store(fence, Ordering::Relaxed);
            tokio::select! {
                () = self.hold(fence) => {}
                () = self.tend(fence) => {}
            }
            self.fence.store(NO_FENCE, Ordering::Relaxed);
            tracing::warn!(fence, "another node orders certificates");
        }
    }

    /// Lets another node order at once.
    pub(super) async fn leave(&self) -> Result<(), StoreError> {
        match self.fence.swap(NO_FENCE, Ordering::Relaxed) {
            NO_FENCE => Ok(()),
            fence => self.means.store.front_leave(fence, self.now()).await,
        }
    }

    /// Waits until this node holds the front.
    async fn win(&self) -> i64 {
        let (mut pulse, mut still) = (None, 0);
        loop {
            if let Ok(state) = self.means.store.front_state().await {
                still = if pulse == Some(state.pulse()) { still + 1 } else { 0 };
                pulse = Some(state.pulse());
                if state.is_free() || still >= BEATS {
                    if let Ok(Some(fence)) = self.means.store.front_take(state, self.now()).await {
                        return fence;
                    }
                    still = 0;
                }
            }
            tokio::time::sleep(self.settings.pace.beat).await;
        }
    }

    /// Shows that this node lives. Ends when it holds the front no longer, or cannot know.
    async fn hold(&self, fence: i64) {
        let mut unheard = 0;
        while unheard < BEATS {
            tokio::time::sleep(self.settings.pace.beat).await;
            match self.means.store.front_beat(fence, self.now()).await {
                Ok(true) => unheard = 0,
                Ok(false) => return,
                Err(_) => unheard += 1,
            }
        }
    }

    /// Sees to all names again and again. Ends when this node holds the front no longer.
    async fn tend(&self, fence: i64) {
        let mut pruned = None;
        loop {
            let now = self.now();
            let is_due = pruned.is_none_or(|before| now.since(before) > Span::from_days(1));
            let done = async {
                if is_due {
                    self.prune(fence).await?;
                    pruned = Some(now);
                }
                self.pass(fence).await
            };
            let wait = match done.await {
                Ok(wait) => wait,
                Err(Refusal::Lost) => return,
                Err(Refusal::Store(error)) => {
                    tracing::warn!(%error, "certificates cannot be renewed at the moment");
                    self.settings.pace.pass
                }
                Err(Refusal::Failed(failure)) => {
                    tracing::error!(error = failure.told, "certificates cannot be renewed");
                    self.settings.pace.pass
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Sees to all names once. Gives how long nothing is to be done.
    async fn pass(&self, fence: i64) -> Result<Duration, Refusal> {
        self.refresh().await?;
        let mut next = None;
        for set in &self.sets {
            let moment = self.see_to(set, fence).await?;
            next = Some(next.map_or(moment, |next| moment.min(next)));
        }
        let pace = &self.settings.pace;
        let wait = next.map_or(pace.pass, |moment| moment.since(self.now()).to_std());
        // Clocks jump: nothing is slept through.
        Ok(wait.clamp(pace.look.min(pace.pass), pace.pass))
    }

    /// Forgets what is old. What belongs to our names and authorities has no age at which it goes: it
    /// is replaced in time, and a clock that is ahead would take keys that are in use.
    async fn prune(&self, fence: i64) -> Result<(), Refusal> {
        let (store, now) = (&self.means.store, self.now());
        let before = now - KEPT;
        let (records, troubles) = (store.certificates().await?, store.acme_troubles().await?);
        let is_ours = |names: &str| self.sets.iter().any(|set| set.key == names);
        let mut tx = store.front_begin(fence).await?.ok_or(Refusal::Lost)?;
        tx.front_prune(now, before).await?;
        for record in records {
            if record.not_after < before && !is_ours(&record.names) {
                tx.certificate_forget(&record.names).await?;
            }
        }
        for AcmeTrouble { names, directory, next_at, .. } in troubles {
            let concerns_us = names.is_empty() || is_ours(&names);
            if next_at < before && !(concerns_us && self.settings.issuer(&directory).is_some()) {
                tx.trouble_delete(&names, &directory).await?;
            }
        }
        Ok(tx.commit(now).await?)
    }
}
