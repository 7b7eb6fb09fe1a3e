//! What those work with who get certificates: the store, and somebody who seals keys for it, since
//! nobody here knows a master key; the map that is served; time and chance.

use std::sync::Arc;

use ostiary_model::{Clock, Entropy};
use ostiary_store::Store;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::certificates::Certificates;

/// A private key could not be sealed or opened. The text says why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct VaultError(pub String);

/// Seals private keys for the store.
pub trait Vault: Send + Sync {
    /// Seals `plain` so that it opens for this `row` alone.
    ///
    /// # Errors
    /// When that cannot be done.
    fn seal(&self, row: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError>;

    /// Opens what was sealed for this `row`.
    ///
    /// # Errors
    /// When it was sealed for another row, or under another key.
    fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError>;
}

/// What those work with who get certificates.
#[derive(Clone)]
pub struct Means {
    /// Where everything is kept.
    pub store: Arc<Store>,
    /// Seals private keys.
    pub vault: Arc<dyn Vault>,
    /// From where certificates are served.
    pub certificates: Certificates,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}
