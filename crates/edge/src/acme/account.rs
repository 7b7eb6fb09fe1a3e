//! Accounts with authorities: one for each, kept for ever.
//!
//! Where the library allows it, the key is stored before it is registered. Registering a key again
//! gives the same account, so a crash in between leaves nothing behind at the authority.

use instant_acme::{Account, ExternalAccountKey, Key, NewAccount};
use ostiary_model::Span;
use ostiary_store::AcmeAccount;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::desk::{Desk, again, ask};
use super::settings::ExternalAccount;
use super::trouble::{Failure, Refusal, is_problem};

/// An account of this age is not made again because it is refused.
const YOUNG: Span = Span::from_hours(1);

/// What a key of an account is sealed for.
fn row(directory: &str) -> String {
    format!("acme_account {directory}")
}

/// Whatever goes wrong with an account would go wrong for other names as well.
fn generally(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Failed(failure) => Refusal::Failed(failure.general()),
        other => other,
    }
}

impl Desk<'_> {
    /// Our account with the authority; registers it the first time.
    pub(super) async fn account(&self) -> Result<Account, Refusal> {
        self.account_here().await.map_err(generally)
    }

    /// Another account. The one before is forgotten when this one is there: a key that binds may be
    /// good for one account only.
    pub(super) async fn another_account(&self) -> Result<Account, Refusal> {
        let made = match &self.issuer.external_account {
            Some(external) => self.register_bound(external).await,
            None => self.register(self.new_key()?).await,
        };
        made.map_err(generally)
    }

    async fn account_here(&self) -> Result<Account, Refusal> {
        let stored = self.inner.means.store.acme_account(self.directory()).await?;
        let is_first = stored.is_none();
        let opened = stored.and_then(|AcmeAccount { url, key_sealed, .. }| {
            match self.inner.means.vault.open(&row(self.directory()), &key_sealed) {
                Ok(key) => Some((url, key)),
                Err(error) => {
                    tracing::error!(authority = self.directory(), %error, "the account's key cannot be opened; another is made");
                    None
                }
            }
        });
        match (opened, &self.issuer.external_account) {
            (Some((Some(url), key)), _) => {
                let builder = || Account::builder_with_http(Box::new(self.client.clone()));
                let key = || PrivatePkcs8KeyDer::from(key.as_slice());
                Ok(ask!(self, builder().from_parts(url.clone(), key(), self.directory().to_owned()).await)?)
            }
            (_, Some(external)) => self.register_bound(external).await,
            (Some((None, key)), None) => self.register(key).await,
            (None, None) => {
                let key = self.new_key()?;
                if is_first {
                    self.keep(None, &key).await?;
                }
                self.register(key).await
            }
        }
    }

    fn new_key(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let (_, key) = Key::generate_pkcs8().map_err(|error| self.failure(&error))?;
        Ok(Zeroizing::new(key.secret_pkcs8_der().to_vec()))
    }

    /// Whether the authority has closed `account`. It says no more than `unauthorized` then (RFC 8555
    /// section 7.3.6), which it says for other reasons as well: so the account itself is asked for.
    pub(super) async fn is_closed(&self, account: &Account) -> bool {
        // The library reads orders alone. What is there is none: that is no refusal.
        let read = again!(account.order(account.id().to_owned()).await);
        read.is_err_and(|error| is_problem(&error, "unauthorized") || is_problem(&error, "accountDoesNotExist"))
    }

    /// Whether our account is old enough for an authority to have closed it since. Another one is
    /// not made for every "no".
    pub(super) async fn has_old_account(&self) -> Result<bool, Refusal> {
        let stored = self.inner.means.store.acme_account(self.directory()).await?;
        Ok(stored.is_some_and(|account| self.inner.now().since(account.created_at) > YOUNG))
    }

    /// Registers a key.
    async fn register(&self, key: Zeroizing<Vec<u8>>) -> Result<Account, Refusal> {
        let pair = || {
            let der = PrivatePkcs8KeyDer::from(key.to_vec());
            Ok((Key::from_pkcs8_der(der.clone_key())?, PrivateKeyDer::Pkcs8(der)))
        };
        let pair = || pair().map_err(|error: instant_acme::Error| self.failure(&error));
        let builder = || Account::builder_with_http(Box::new(self.client.clone()));
        let (account, _) = ask!(self, builder().create_from_key(pair()?, self.directory().to_owned()).await)?;
        if let Some(contact) = self.contact() {
            // An account is good without an address; many authorities keep none.
            let told: Result<(), Failure> = ask!(self, account.update_contacts(&[&contact]).await);
            if let Err(failure) = told {
                tracing::warn!(authority = self.directory(), error = failure.told, "the address was not taken");
            }
        }
        self.keep(Some(account.id().to_owned()), &key).await?;
        tracing::info!(authority = self.directory(), account = account.id(), "registered with an authority");
        Ok(account)
    }

    /// Registers a new key, bound to an account that somebody has with the authority.
    async fn register_bound(&self, external: &ExternalAccount) -> Result<Account, Refusal> {
        let binding = ExternalAccountKey::new(external.key_id.clone(), &external.mac_key);
        let contact = self.contact();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let builder = || Account::builder_with_http(Box::new(self.client.clone()));
        let made = ask!(self, builder().create(&wanted, self.directory().to_owned(), Some(&binding)).await);
        let (account, credentials) = made?;
        self.keep(Some(account.id().to_owned()), credentials.private_key().secret_pkcs8_der()).await?;
        tracing::info!(authority = self.directory(), account = account.id(), "registered with an authority");
        Ok(account)
    }

    fn contact(&self) -> Option<String> {
        self.inner.settings.email.as_ref().map(|email| format!("mailto:{email}"))
    }

    async fn keep(&self, url: Option<String>, key: &[u8]) -> Result<(), Refusal> {
        let directory = self.directory().to_owned();
        let created_at = self.inner.now();
        let account = AcmeAccount { key_sealed: self.seal(&row(&directory), key)?, directory, url, created_at };
        let mut tx = self.begin().await?;
        tx.account_put(&account).await?;
        self.commit(tx).await
    }
}
