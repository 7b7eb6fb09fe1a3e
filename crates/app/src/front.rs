//! What the front keeps in this house: private keys of certificates and of accounts with those who
//! issue them. The front itself knows no master key.

use std::sync::Arc;

use ostiary_model::Actor;
use ostiary_store::Store;
use zeroize::Zeroizing;

use crate::seal::Purpose;
use crate::{App, Trouble};

impl App {
    /// The memory that the front shares.
    #[must_use]
    pub fn shared_store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// Seals a private key of the front so that it opens for this `row` alone.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn front_key_seal(&self, row: &str, plain: &[u8]) -> Result<Vec<u8>, Trouble> {
        self.vault.seal(&self.ctx(Actor::Server), Purpose::FrontKey, row, plain)
    }

    /// Opens what [`App::front_key_seal`] sealed.
    ///
    /// # Errors
    /// When it was sealed for another row or under another master key.
    pub fn front_key_open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        self.vault.open(Purpose::FrontKey, row, sealed)
    }
}
