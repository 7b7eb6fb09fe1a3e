//! An authenticator app: RFC 6238 written from the RFC, not from the code under test.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use ostiary_model::{Secret, Timestamp};

use crate::secret;

/// What the person's phone holds.
pub(crate) struct Authenticator(Vec<u8>);

impl Authenticator {
    /// Types the secret in.
    pub(crate) fn of(base32: &Secret) -> Self {
        Self(BASE32_NOPAD.decode(base32.expose().as_bytes()).unwrap())
    }

    /// What it shows at a time.
    pub(crate) fn code(&self, at: Timestamp) -> Secret {
        self.code_of(at.as_secs() / 30)
    }

    /// What it shows in a time step.
    pub(crate) fn code_of(&self, step: i64) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let mac = hmac::sign(&key, &step.to_be_bytes());
        let mac = mac.as_ref();
        let offset = usize::from(mac[19] & 15);
        let number = u32::from_be_bytes(mac[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
        secret(&format!("{:06}", number % 1_000_000))
    }

    /// A code that it shows in none of the steps around `at`.
    pub(crate) fn wrong_code(&self, at: Timestamp) -> Secret {
        let near: Vec<String> =
            (-2..=2).map(|step| self.code_of(at.as_secs() / 30 + step).expose().to_owned()).collect();
        let wrong = (0..).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).unwrap();
        secret(&wrong)
    }

    /// The bare secret, to look for it where it must not be.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
