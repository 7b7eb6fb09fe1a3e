//! What one visit to an authority works with: who is asked, by whom, and with what right to write.

use std::sync::Mutex;

use instant_acme::Error as AcmeError;
use ostiary_store::FrontTx;

use super::Inner;
use super::client::{Client, Heard};
use super::proof::Shown;
use super::schedule::Ladder;
use super::settings::Issuer;
use super::trouble::{Failure, Refusal};
use crate::means::VaultError;

/// How often a request is made again because its nonce was refused (RFC 8555 section 6.5). Each time
/// the library tries three times.
pub(super) const NONCES: usize = 20;

/// One visit to an authority by the node that holds the front.
pub(super) struct Desk<'a> {
    pub(super) inner: &'a Inner,
    pub(super) fence: i64,
    pub(super) issuer: &'a Issuer,
    pub(super) client: Client,
    /// What has to be taken back.
    pub(super) shown: Mutex<Vec<Shown>>,
}

/// Evaluates an expression that asks an authority, again while it refuses the nonce.
macro_rules! again {
    ($request:expr) => {{
        let mut left = $crate::acme::desk::NONCES;
        loop {
            let answer = $request;
            left -= 1;
            match answer {
                Err(error) if left > 0 && $crate::acme::trouble::is_problem(&error, "badNonce") => {}
                other => break other,
            }
        }
    }};
}

/// The same, with what a failure means.
macro_rules! ask {
    ($desk:expr, $request:expr) => {
        $crate::acme::desk::again!($request).map_err(|error| $desk.failure(&error))
    };
}
pub(super) use {again, ask};

impl<'a> Desk<'a> {
    pub(super) fn new(inner: &'a Inner, fence: i64, issuer: &'a Issuer) -> Result<Self, Refusal> {
        let (roots, clock) = (inner.roots.clone(), inner.means.clock.clone());
        let client = Client::new(roots, clock, inner.settings.pace.request)
            .map_err(|error| Failure::of_names(Ladder::Permanent, error.to_string()))?;
        Ok(Self { inner, fence, issuer, client, shown: Mutex::default() })
    }

    pub(super) fn directory(&self) -> &str {
        &self.issuer.directory
    }

    /// What an error means after what was heard last.
    pub(super) fn failure(&self, error: &AcmeError) -> Failure {
        Failure::of(error, &self.heard())
    }

    pub(super) fn heard(&self) -> Heard {
        self.client.heard()
    }

    /// Begins to write to the store, if this node still may.
    pub(super) async fn begin(&self) -> Result<FrontTx, Refusal> {
        self.inner.means.store.front_begin(self.fence).await?.ok_or(Refusal::Lost)
    }

    /// Makes what was written last.
    pub(super) async fn commit(&self, tx: FrontTx) -> Result<(), Refusal> {
        Ok(tx.commit(self.inner.now()).await?)
    }

    pub(super) fn seal(&self, row: &str, plain: &[u8]) -> Result<Vec<u8>, Refusal> {
        let told = |VaultError(error)| Failure::of_names(Ladder::Retry, format!("a key cannot be sealed: {error}"));
        Ok(self.inner.means.vault.seal(row, plain).map_err(told)?)
    }
}
