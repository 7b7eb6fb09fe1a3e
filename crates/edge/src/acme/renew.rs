//! Whether a set of names needs a certificate, and from whom it gets one: authorities in order,
//! each when it may be asked again; challenges in order, the one that worked first.

use instant_acme::{Account, CertificateIdentifier};
use ostiary_model::{Span, Timestamp};
use ostiary_store::{AcmeTrouble, CertificateRecord, FrontTx, TroubleKind};

use super::desk::Desk;
use super::order::Issued;
use super::schedule::{ASK_AGAIN, Ladder, Life, REST};
use super::settings::{Challenge, Issuer};
use super::trouble::{Failure, Refusal};
use super::{Held, Inner, NameSet};

/// Authorities that give suggestions are asked neither more often than this nor more seldom.
const OFTEN: Span = Span::from_mins(1);
const SELDOM: Span = Span::from_days(1);
/// By so much clocks of nodes may differ, and nobody makes anything of it.
const ASTRAY: Span = Span::from_hours(1);

/// What a certificate's key is sealed for.
pub(super) fn row(names: &str) -> String {
    format!("certificate {names}")
}

impl Held {
    fn life(&self) -> Life {
        let CertificateRecord { not_before, not_after, stored_at, .. } = *self.record;
        Life { not_before, not_after, stored_at }
    }
}

impl Inner {
    /// Does what is to be done for one set of names. Gives the moment to come again.
    pub(super) async fn see_to(&self, set: &NameSet, fence: i64) -> Result<Timestamp, Refusal> {
        let held = self.held(set);
        let now = self.now();
        if let Some(held) = held.as_ref().filter(|held| held.served.is_some())
            && let Some(issuer) = self.settings.issuer(&held.record.directory)
            && held.record.plan.renew_at > now
        {
            let plan = &held.record.plan;
            // What lies farther ahead was noted by a clock that was.
            if plan.ask_at > now && plan.ask_at <= now + SELDOM {
                return Ok(plan.renew_at.min(plan.ask_at));
            }
            return self.ask_for_suggestion(held, issuer, fence).await;
        }
        // What was stored a moment ago and cannot be used would not be any better the next time.
        if let Some(held) = held.as_ref().filter(|held| held.served.is_none())
            && held.record.stored_at <= now
            && held.record.stored_at + REST > now
        {
            return Ok(held.record.stored_at + REST);
        }
        self.renew(set, held.as_ref(), fence).await
    }

    /// Orders a certificate from the first authority that gives one.
    async fn renew(&self, set: &NameSet, held: Option<&Held>, fence: i64) -> Result<Timestamp, Refusal> {
        let mut next: Option<Timestamp> = None;
        for issuer in &self.settings.issuers {
            let comes = match self.blocked_until(set, issuer) {
                Some(moment) => moment,
                None => match self.renew_with(set, held, issuer, fence).await? {
                    None => return Ok(self.now()),
                    Some(moment) => moment,
                },
            };
            next = Some(next.map_or(comes, |next| next.min(comes)));
        }
        Ok(next.unwrap_or_else(|| self.now() + ASK_AGAIN))
    }

    /// When this authority may be asked for these names again. What failed under other settings
    /// does not count, except when the authority itself said when to come; nor does what a clock that
    /// was ahead noted for a time to come: what was said may have been a length, not a moment.
    fn blocked_until(&self, set: &NameSet, issuer: &Issuer) -> Option<Timestamp> {
        let (now, settings) = (self.now(), self.settings.fingerprint(issuer));
        let troubles = ["", &set.key].map(|names| self.trouble(names, &issuer.directory));
        let blocks = |trouble: &AcmeTrouble| {
            let is_past = trouble.failed_at <= now + ASTRAY;
            let concerns_us = trouble.kind == TroubleKind::Wait || trouble.settings == settings;
            trouble.next_at > now && is_past && concerns_us
        };
        troubles.into_iter().flatten().filter(blocks).map(|trouble| trouble.next_at).max()
    }

    /// Orders from `issuer`. `None` when that went well, else the moment to try again.
    async fn renew_with(
        &self,
        set: &NameSet,
        held: Option<&Held>,
        issuer: &Issuer,
        fence: i64,
    ) -> Result<Option<Timestamp>, Refusal> {
        let desk = Desk::new(self, fence, issuer)?;
        let visit = tokio::time::timeout(self.settings.pace.order, Box::pin(desk.obtain(set, held))).await;
        let too_long = || Failure::of_names(Ladder::Retry, "the order took too long");
        let done = match visit.unwrap_or_else(|_| Err(too_long().into())) {
            Ok(()) => {
                tracing::info!(names = set.key, authority = issuer.directory, "a new certificate is served");
                None
            }
            Err(Refusal::Failed(failure)) => {
                let next_at = desk.note(set, &failure).await?;
                let again_in = next_at.since(self.now()).as_secs();
                tracing::warn!(
                    names = set.key,
                    authority = issuer.directory,
                    error = failure.told,
                    again_in,
                    "no certificate"
                );
                Some(next_at)
            }
            // Whoever goes on with the order takes back what was shown for it.
            Err(other) => return Err(other),
        };
        // At the end, and however long it takes: nobody waits for it.
        desk.take_back().await?;
        Ok(done)
    }

    /// Asks the authority when it would like the certificate to be renewed (RFC 9773). Whatever
    /// it answers, the certificate has its plan.
    async fn ask_for_suggestion(&self, held: &Held, issuer: &Issuer, fence: i64) -> Result<Timestamp, Refusal> {
        let desk = Desk::new(self, fence, issuer)?;
        let record = &held.record;
        let asked = tokio::time::timeout(self.settings.pace.order, desk.suggestion(held)).await;
        let now = self.now();
        let plan = match asked.unwrap_or(Ok(None)) {
            Ok(Some((window, again_in))) => {
                held.life().suggested(&record.plan, window, now + again_in, self.means.entropy.as_ref())
            }
            Ok(None) | Err(Refusal::Failed(_)) => ostiary_store::RenewalPlan { ask_at: now + ASK_AGAIN, ..record.plan },
            Err(other) => return Err(other),
        };
        let mut tx = desk.begin().await?;
        tx.certificate_plan(&record.names, record.version, &plan).await?;
        desk.commit(tx).await?;
        self.refresh().await?;
        Ok(plan.renew_at.min(plan.ask_at))
    }
}

impl Desk<'_> {
    /// Gets a certificate and stores it. An account that the authority has forgotten is registered
    /// anew, once.
    async fn obtain(&self, set: &NameSet, held: Option<&Held>) -> Result<(), Refusal> {
        let first = self.obtain_once(set, held, &self.account().await?).await;
        let (challenge, issued) = match first {
            Err(Refusal::Failed(failure)) if failure.has_lost_account && self.has_old_account().await? => {
                tracing::warn!(authority = self.directory(), "the authority has forgotten our account");
                let account = self.another_account().await?;
                let mut tx = self.begin().await?;
                tx.order_delete(&set.key, self.directory()).await?;
                self.commit(tx).await?;
                self.obtain_once(set, held, &account).await?
            }
            other => other?,
        };
        self.keep_certificate(set, challenge, &issued).await?;
        self.inner.refresh().await?;
        Ok(())
    }

    /// Tries one challenge after the other, as long as it is the proof that fails.
    async fn obtain_once(
        &self,
        set: &NameSet,
        held: Option<&Held>,
        account: &Account,
    ) -> Result<(Challenge, Issued), Refusal> {
        let is_here = |held: &&Held| held.record.directory == self.directory();
        // After a failure it is left out: the authority may be at odds with what we think it knows.
        let has_failed = self.inner.trouble(&set.key, self.directory()).is_some();
        let served = held.filter(is_here).filter(|_| !has_failed).and_then(|held| held.served.as_ref());
        let replaced = served.and_then(|key| key.cert.first());
        let mut failures: Vec<Failure> = Vec::new();
        for challenge in self.challenges(set, held).await? {
            match self.order(account, set, challenge, replaced).await {
                Ok(issued) => return Ok((challenge, issued)),
                Err(Refusal::Failed(failure)) => {
                    let is_of_proof = failure.is_of_proof && failure.not_before.is_none() && !failure.has_lost_account;
                    failures.push(Failure { told: format!("{}: {}", challenge.name(), failure.told), ..failure });
                    if !is_of_proof {
                        break;
                    }
                }
                Err(other) => return Err(other),
            }
        }
        let told: Vec<&str> = failures.iter().map(|failure| failure.told.as_str()).collect();
        let told = told.join("; ");
        // An authority that has looked is spared, whatever else went wrong after that.
        let ladder = failures.iter().map(|failure| failure.ladder).max();
        let last = failures.into_iter().next_back().unwrap_or_else(|| Failure::of_names(Ladder::Permanent, ""));
        Err(Failure { told, ladder: ladder.unwrap_or(last.ladder), ..last }.into())
    }

    /// The challenges in the order in which they are tried: that of an order under way, that which
    /// worked the last time, then as the settings have it.
    async fn challenges(&self, set: &NameSet, held: Option<&Held>) -> Result<Vec<Challenge>, Refusal> {
        let order = self.inner.means.store.acme_order(&set.key, self.directory()).await?;
        let before = [order.map(|order| order.challenge), held.map(|held| held.record.challenge.clone())];
        let before = before.into_iter().flatten().filter_map(|name| Challenge::named(&name));
        let allowed = &self.inner.settings.challenges;
        let mut all: Vec<Challenge> = Vec::new();
        for challenge in before.chain(allowed.iter().copied()) {
            if allowed.contains(&challenge) && !all.contains(&challenge) {
                all.push(challenge);
            }
        }
        Ok(all)
    }

    /// Stores a certificate in the place of the one before, and forgets what led to it.
    async fn keep_certificate(&self, set: &NameSet, challenge: Challenge, issued: &Issued) -> Result<(), Refusal> {
        let (now, chain) = (self.inner.now(), &issued.chain);
        let life = Life { not_before: chain.not_before, not_after: chain.not_after, stored_at: now };
        if chain.not_before > now {
            tracing::warn!(names = set.key, "the new certificate begins in the future: is this machine's clock slow?");
        }
        let record = CertificateRecord {
            names: set.key.clone(),
            version: 0,
            directory: self.directory().to_owned(),
            challenge: challenge.name().to_owned(),
            chain: issued.pem.clone(),
            key_sealed: self.seal(&row(&set.key), &issued.key)?,
            not_before: chain.not_before,
            not_after: chain.not_after,
            stored_at: now,
            plan: life.plan(self.inner.means.entropy.as_ref()),
        };
        let mut tx = self.begin().await?;
        tx.certificate_put(&record).await?;
        tx.order_delete(&set.key, self.directory()).await?;
        for names in ["", &set.key] {
            tx.trouble_delete(names, self.directory()).await?;
        }
        self.commit(tx).await
    }

    /// Notes what went wrong. Gives the moment to try again.
    async fn note(&self, set: &NameSet, failure: &Failure) -> Result<Timestamp, Refusal> {
        let now = self.inner.now();
        let settings = self.inner.settings.fingerprint(self.issuer);
        let names = if failure.is_general { "" } else { &set.key };
        let before = self.inner.trouble(names, self.directory()).filter(|trouble| trouble.settings == settings);
        let failures = before.map_or(0, |trouble| trouble.failures).saturating_add(1);
        let (minute, entropy) = (self.inner.settings.pace.minute, self.inner.means.entropy.as_ref());
        let next_at = failure.ladder.next_at(failures, now, failure.not_before, minute, entropy);
        let trouble = AcmeTrouble {
            names: names.to_owned(),
            directory: self.directory().to_owned(),
            kind: failure.kind(),
            failures,
            told: failure.words(),
            settings,
            failed_at: now,
            next_at,
        };
        let mut tx: FrontTx = self.begin().await?;
        tx.trouble_put(&trouble).await?;
        self.commit(tx).await?;
        self.inner.refresh().await?;
        Ok(next_at)
    }

    /// When the authority would like a certificate to be renewed, and in how long it wants to be
    /// asked again. `None` when it says nothing that can be used.
    async fn suggestion(&self, held: &Held) -> Result<Option<((Timestamp, Timestamp), Span)>, Refusal> {
        let Some(leaf) = held.served.as_ref().and_then(|key| key.cert.first()) else { return Ok(None) };
        let Ok(id) = CertificateIdentifier::try_from(leaf) else { return Ok(None) };
        let account = self.account().await?;
        let Ok((info, again_in)) = account.renewal_info(&id).await else { return Ok(None) };
        let at = |nanos: i128| Timestamp::from_micros(i64::try_from(nanos / 1000).unwrap_or(i64::MAX));
        let window = info.suggested_window;
        let again_in = Span::from_micros(i64::try_from(again_in.as_micros()).unwrap_or(i64::MAX));
        let window = (at(window.start.unix_timestamp_nanos()), at(window.end.unix_timestamp_nanos()));
        Ok(Some((window, again_in.max(OFTEN).min(SELDOM))))
    }
}
