//! How private keys get into the store: sealed by somebody who knows a master key. Here nobody does.

use thiserror::Error;
use zeroize::Zeroizing;

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
