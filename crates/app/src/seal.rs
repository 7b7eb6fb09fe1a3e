//! The master key, and the sealing of secrets that must be read again: authenticator secrets and
//! signing keys.
//!
//! AES-256-GCM with a random nonce; purpose and row are authenticated along, so a sealed value
//! opens only where it was put. Leaves out where the key file lies: that is the binary's matter.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostiary_model::{Ctx, Entropy};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Trouble;

const KEY_LEN: usize = 32;

/// The key under which everything recoverable is sealed. Whoever has it and the database has all.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; KEY_LEN]);

/// The file does not hold a master key.
#[derive(Debug, Error)]
#[error("a master key is 32 bytes in base64 on one line; found something else")]
pub struct MasterKeyError;

impl MasterKey {
    /// A new key from `entropy`.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; KEY_LEN];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// Reads what [`MasterKey::to_text`] wrote.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| MasterKeyError)?);
        let bytes = <[u8; KEY_LEN]>::try_from(bytes.as_slice()).map_err(|_| MasterKeyError)?;
        Ok(Self(bytes))
    }

    /// The key for its file: base64 and a line end.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = STANDARD.encode(self.0);
        text.push('\n');
        Zeroizing::new(text)
    }
}

/// What a sealed value is for. Part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An authenticator app's secret; bound to the account.
    Totp,
    /// What a short-lived ticket holds; bound to the ticket.
    Ticket,
    /// A private signing key; bound to the key's row.
    SigningKey,
    /// A private key of the front, such as a certificate's; bound to its row.
    FrontKey,
    /// A refresh token's successor; bound to the family. Sealed under the token itself.
    RefreshSuccessor,
}

impl Purpose {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Totp => b"ostiary totp.secret v1",
            Self::Ticket => b"ostiary ticket v1",
            Self::SigningKey => b"ostiary signing_key.private v1",
            Self::FrontKey => b"ostiary front.key v1",
            Self::RefreshSuccessor => b"ostiary refresh_token.successor v1",
        }
    }
}

const NOT_DERIVED: Trouble = Trouble::Crypto("a key could not be derived");

/// A key for `info` alone (RFC 5869).
fn derive(secret: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, Trouble> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    Salt::new(HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[info], Length)
        .and_then(|okm| okm.fill(bytes.as_mut_slice()))
        .map_err(|_| NOT_DERIVED)?;
    Ok(bytes)
}

/// The key that vouches for what stands in the cache.
pub(crate) fn cache_key(master: &MasterKey) -> Result<Zeroizing<[u8; KEY_LEN]>, Trouble> {
    derive(&master.0, b"ostiary cache v1")
}

/// Seals and opens under one key.
pub(crate) struct Vault(LessSafeKey);

impl Vault {
    /// The vault of this installation.
    pub(crate) fn new(master: &MasterKey) -> Result<Self, Trouble> {
        Self::derived(&master.0, b"ostiary vault v1")
    }

    /// A vault that only the holder of `secret` can make: for values that a stored fingerprint
    /// of the secret must not open.
    pub(crate) fn of_holder(secret: &[u8]) -> Result<Self, Trouble> {
        Self::derived(secret, b"ostiary holder vault v1")
    }

    fn derived(secret: &[u8], info: &[u8]) -> Result<Self, Trouble> {
        let bytes = derive(secret, info)?;
        UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map(|key| Self(LessSafeKey::new(key))).map_err(|_| NOT_DERIVED)
    }

    /// Seals `plain` for this purpose and row.
    pub(crate) fn seal(
        &self,
        ctx: &Ctx,
        purpose: Purpose,
        row: impl AsRef<[u8]>,
        plain: &[u8],
    ) -> Result<Vec<u8>, Trouble> {
        let nonce = ctx.bytes::<NONCE_LEN>();
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(plain);
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(purpose, row), &mut sealed)
            .map_err(|_| Trouble::Crypto("a secret could not be sealed"))?;
        sealed.splice(0..0, nonce);
        Ok(sealed)
    }

    /// Opens what was sealed for this purpose and row.
    pub(crate) fn open(
        &self,
        purpose: Purpose,
        row: impl AsRef<[u8]>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Trouble::Sealed)?;
        let mut plain = Zeroizing::new(rest.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad(purpose, row), &mut plain)
            .map_err(|_| Trouble::Sealed)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

fn aad(purpose: Purpose, row: impl AsRef<[u8]>) -> Aad<Vec<u8>> {
    Aad::from([purpose.name(), row.as_ref()].concat())
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_LEN
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ostiary_model::{Actor, Timestamp};
    use uuid::Uuid;

    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            for (byte, value) in buffer.iter_mut().zip(1..) {
                *byte = value;
            }
        }
    }

    fn ctx() -> Ctx {
        Ctx::new(Timestamp::from_secs(1_000), Actor::Server, Arc::new(Counting))
    }

    #[test]
    fn a_sealed_value_opens_only_where_it_was_put() {
        let vault = Vault::new(&MasterKey::generate(&Counting)).unwrap();
        let (row, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = vault.seal(&ctx(), Purpose::Totp, row, b"secret").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(vault.open(Purpose::Totp, row, &sealed).unwrap().as_slice(), b"secret");
        assert!(vault.open(Purpose::Totp, other, &sealed).is_err());
        assert!(vault.open(Purpose::Ticket, row, &sealed).is_err());
        assert!(Vault::new(&MasterKey([7; KEY_LEN])).unwrap().open(Purpose::Totp, row, &sealed).is_err());
        for cut in 0..sealed.len() {
            assert!(vault.open(Purpose::Totp, row, &sealed[..cut]).is_err());
        }
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert!(vault.open(Purpose::Totp, row, &altered).is_err());
        }
    }

    #[test]
    fn a_master_key_survives_its_file() {
        let key = MasterKey::generate(&Counting);
        assert_eq!(MasterKey::parse(&key.to_text()).unwrap().0, key.0);
        for bad in ["", "x", "AAAA", &"A".repeat(45)] {
            assert!(MasterKey::parse(bad).is_err(), "{bad:?}");
        }
    }
}
