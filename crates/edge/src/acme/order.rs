//! One order, from the first word to the chain (RFC 8555 section 7.4).
//!
//! Its address and the key of the certificate to come are stored before anything is proved, so
//! whoever comes after this node goes on where it was. Nothing is replaced here.

use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier, Error as AcmeError, Identifier, NewOrder, Order, OrderStatus};
use ostiary_model::Span;
use ostiary_store::AcmeOrder;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::NameSet;
use super::chain::{Chain, ChainError};
use super::desk::{Desk, again, ask};
use super::proof::own_name;
use super::schedule::Ladder;
use super::settings::Challenge;
use super::trouble::{Failure, Refusal, is_problem};

/// An order is taken up again for so long.
const FRESH: Span = Span::from_hours(12);
/// And one for which a certificate was given: authorities count those. Shorter than any of them lives.
const GIVEN: Span = Span::from_days(5);
/// Between two questions how an order stands.
const SLOWEST: Duration = Duration::from_secs(5);
/// Who wants to be asked later than this is left, and come back to.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an order gave.
pub(super) struct Issued {
    pub(super) pem: String,
    pub(super) chain: Chain,
    pub(super) key: Zeroizing<Vec<u8>>,
}

/// What a key of an order is sealed for.
fn row(names: &str, directory: &str) -> String {
    format!("acme_order {directory} {names}")
}

fn is_about_replacing(error: &AcmeError) -> bool {
    matches!(error, AcmeError::Unsupported(_)) || is_problem(error, "alreadyReplaced")
}

impl Desk<'_> {
    /// Takes one order for `set` to its end, proving names by `challenge`. `replaced` is the
    /// certificate whose place the new one takes.
    pub(super) async fn order(
        &self,
        account: &Account,
        set: &NameSet,
        challenge: Challenge,
        replaced: Option<&CertificateDer<'_>>,
    ) -> Result<Issued, Refusal> {
        let (mut order, key) = match self.resume(account, set, challenge).await? {
            Some(found) => found,
            None => self.start(account, set, challenge, replaced).await?,
        };
        let done = self.go_through(&mut order, set, &key, challenge).await;
        if let Err(Refusal::Failed(Failure { ends_order: true, .. })) = &done {
            let mut tx = self.begin().await?;
            tx.order_delete(&set.key, self.directory()).await?;
            self.commit(tx).await?;
        }
        done
    }

    /// The order that was left unfinished, if the authority still knows it and it leads anywhere.
    async fn resume(
        &self,
        account: &Account,
        set: &NameSet,
        challenge: Challenge,
    ) -> Result<Option<(Order, Zeroizing<Vec<u8>>)>, Refusal> {
        let stored = self.inner.means.store.acme_order(&set.key, self.directory()).await?;
        let age = |order: &AcmeOrder| self.inner.now().since(order.created_at);
        let is_of_use = |order: &AcmeOrder| order.challenge == challenge.name() && age(order) < GIVEN;
        let Some(stored) = stored.filter(is_of_use) else { return Ok(None) };
        let Ok(key) = self.inner.means.vault.open(&row(&set.key, self.directory()), &stored.key_sealed) else {
            return Ok(None);
        };
        let found: Result<Order, Failure> = ask!(self, account.order(stored.url.clone()).await);
        match found {
            Ok(mut order) => {
                self.inherit(&mut order, set, challenge).await;
                match order.state().status {
                    OrderStatus::Valid => {}
                    OrderStatus::Invalid => return Ok(None),
                    _ if age(&stored) >= FRESH => return Ok(None),
                    _ => {}
                }
                tracing::info!(
                    authority = self.directory(),
                    names = set.key,
                    order = stored.url,
                    "going on with an order"
                );
                Ok(Some((order, key)))
            }
            Err(failure) if failure.is_general || failure.not_before.is_some() => Err(failure.into()),
            // It is gone: a new one takes its place.
            Err(_) => Ok(None),
        }
    }

    /// Makes a new order, and stores it.
    async fn start(
        &self,
        account: &Account,
        set: &NameSet,
        challenge: Challenge,
        replaced: Option<&CertificateDer<'_>>,
    ) -> Result<(Order, Zeroizing<Vec<u8>>), Refusal> {
        let pair = KeyPair::generate().map_err(|error| Failure::of_names(Ladder::Retry, error.to_string()))?;
        let key = Zeroizing::new(pair.serialize_der());
        let order = match self.new_order(account, set, replaced).await {
            Ok(order) => order,
            Err(error) => {
                let failure = self.failure(&error);
                let has_lost_account =
                    failure.has_lost_account || is_problem(&error, "unauthorized") && self.is_closed(account).await;
                return Err(Failure { has_lost_account, ..failure }.into());
            }
        };
        let stored = AcmeOrder {
            names: set.key.clone(),
            directory: self.directory().to_owned(),
            url: order.url().to_owned(),
            challenge: challenge.name().to_owned(),
            key_sealed: self.seal(&row(&set.key, self.directory()), &key)?,
            created_at: self.inner.now(),
        };
        let mut tx = self.begin().await?;
        tx.order_put(&stored).await?;
        self.commit(tx).await?;
        Ok((order, key))
    }

    /// Has the authority make an order.
    async fn new_order(
        &self,
        account: &Account,
        set: &NameSet,
        replaced: Option<&CertificateDer<'_>>,
    ) -> Result<Order, AcmeError> {
        let identifiers: Vec<Identifier> = set.names.iter().cloned().map(Identifier::Dns).collect();
        let wanted = || {
            let order = NewOrder::new(&identifiers);
            match &self.inner.settings.profile {
                Some(profile) => order.profile(profile),
                None => order,
            }
        };
        let replaced = replaced.and_then(|leaf| CertificateIdentifier::try_from(leaf).ok());
        if let Some(id) = replaced {
            match again!(account.new_order(&wanted().replaces(id.clone())).await) {
                // It does not matter to us whether the authority knows what is replaced (RFC 9773
                // section 5): some do not support it, and some have it replaced already.
                Err(error) if is_about_replacing(&error) => {}
                other => return other,
            }
        }
        again!(account.new_order(&wanted()).await)
    }

    /// From where the order is to its chain.
    async fn go_through(
        &self,
        order: &mut Order,
        set: &NameSet,
        key: &Zeroizing<Vec<u8>>,
        challenge: Challenge,
    ) -> Result<Issued, Refusal> {
        if order.state().status == OrderStatus::Pending {
            self.prove(order, set, challenge).await?;
            self.wait_beyond(order, set, OrderStatus::Pending).await?;
        }
        if order.state().status == OrderStatus::Ready {
            // From here on a certificate comes into being: whoever lost the front stops before.
            if !self.inner.means.store.front_beat(self.fence, self.inner.now()).await? {
                return Err(Refusal::Lost);
            }
            let request = request(&set.names, key)?;
            ask!(self, order.finalize_csr(&request).await)?;
        }
        self.wait_beyond(order, set, OrderStatus::Processing).await?;
        let pem = ask!(self, order.certificate().await)?;
        let pem = pem.ok_or_else(|| Failure::of_names(Ladder::Retry, "the authority gave no certificate"))?;
        let chain = Chain::read(&pem, key, &set.names, &self.inner.roots).map_err(|error| refused(&error))?;
        chain.is_fresh(self.inner.now()).map_err(|error| refused(&error))?;
        Ok(Issued { pem, chain, key: key.clone() })
    }

    /// Asks how the order stands until it is no longer `status`.
    async fn wait_beyond(&self, order: &mut Order, set: &NameSet, status: OrderStatus) -> Result<(), Refusal> {
        let mut delay = self.inner.settings.pace.poll;
        while order.state().status == status {
            let asked_for = self.heard().retry_after;
            let until = asked_for.map_or(Duration::ZERO, |moment| moment.since(self.inner.now()).to_std());
            if until > PATIENCE {
                let failure = Failure::of_names(Ladder::Retry, "the authority wants to be asked again later");
                return Err(Failure { not_before: asked_for, ..failure }.into());
            }
            tokio::time::sleep(delay.max(until)).await;
            delay = (delay * 2).min(SLOWEST);
            ask!(self, order.refresh().await.map(drop))?;
        }
        match order.state().status {
            OrderStatus::Invalid => Err(self.reasons(order, set).await.at_its_end().into()),
            _ => Ok(()),
        }
    }

    /// Why an order is invalid, name by name.
    async fn reasons(&self, order: &mut Order, set: &NameSet) -> Failure {
        let of_order = order.state().error.as_ref().map(Failure::of_problem);
        let mut reasons: Vec<Failure> = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let read: Result<(), Failure> = ask!(self, authorization.refresh().await.map(drop));
            if read.is_err() {
                continue;
            }
            let Some(host) = own_name(set, &authorization) else { continue };
            for problem in authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref()) {
                let failure = Failure::of_problem(problem);
                reasons.push(Failure { told: format!("{host}: {}", failure.told), ..failure });
            }
        }
        reasons.sort_by(|one, other| one.told.cmp(&other.told));
        let told: Vec<&str> = reasons.iter().map(|failure| failure.told.as_str()).collect();
        let told = told.join("; ");
        // Where one name is refused for good, nothing helps the others.
        match reasons.into_iter().max_by_key(|failure| failure.ladder) {
            Some(worst) => Failure { told, ..worst },
            None => of_order.unwrap_or_else(|| Failure::of_names(Ladder::Looked, "the authority gives no reason")),
        }
    }
}

/// What it means that a certificate was refused. Authorities give few of them for the same names, so
/// it is downloaded again, not ordered again, where that can help: a chain may have suffered on its
/// way, and our clock may be put right.
fn refused(error: &ChainError) -> Failure {
    let told = format!("the authority's certificate was refused: {error}");
    match error {
        ChainError::Key | ChainError::Name(_) => Failure::of_names(Ladder::Permanent, told).at_its_end(),
        ChainError::Unreadable(_) | ChainError::Broken(_) | ChainError::Ended => Failure::of_names(Ladder::Retry, told),
    }
}

/// What is asked to be signed (RFC 2986): names and key, nothing about anybody.
fn request(names: &[String], key: &Zeroizing<Vec<u8>>) -> Result<Vec<u8>, Failure> {
    let made = || {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        let pair = KeyPair::try_from(key.as_slice())?;
        params.serialize_request(&pair).map(|request| request.der().to_vec())
    };
    made().map_err(|error: rcgen::Error| Failure::of_names(Ladder::Retry, error.to_string()).at_its_end())
}
