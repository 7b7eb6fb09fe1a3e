//! Seals over short texts, keyed with what only this browser and we know.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The first 64 bits of the SHA-256 of `content` in hexadecimal: names a version of a file.
#[must_use]
pub fn version_of(content: &[u8]) -> String {
    digest(&SHA256, content).as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA-256 of `text` under `key`, for one `purpose`, in base64url.
pub(crate) fn seal(key: &str, purpose: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(purpose.as_bytes());
    context.update(&[0]);
    context.update(text.as_bytes());
    URL_SAFE_NO_PAD.encode(context.sign())
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn same(left: &str, right: &str) -> bool {
    verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

/// `N` random bytes in base64url.
pub(crate) fn random_text<const N: usize>(bytes: [u8; N]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_beginning_of_sha_256() {
        assert_eq!(version_of(b"abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn a_seal_depends_on_key_purpose_and_text() {
        let sealed = seal("key", "csrf", "");
        assert!(same(&sealed, &seal("key", "csrf", "")));
        for other in
            [seal("kez", "csrf", ""), seal("key", "done", ""), seal("key", "csrf", "x"), seal("key", "csr", "f")]
        {
            assert!(!same(&sealed, &other));
        }
    }
}
