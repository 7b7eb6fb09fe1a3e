//! What an authority is answered when it looks whether a name is ours, on every node alike.
//!
//! The node that orders puts answers into the store; all nodes copy them from there. Answers are
//! no secrets: whoever asks under the right name gets them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_store::{AcmeAnswer, AnswerKind};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::certificates::Certificates;
use crate::tls::provider;

/// Characters of a token. Authorities use some forty.
const MAX_TOKEN: usize = 128;

/// Answers authorities. Clones share everything.
#[derive(Clone)]
pub struct Answers(Arc<Shared>);

struct Shared {
    certificates: Certificates,
    held: RwLock<HashMap<(AnswerKind, String), String>>,
}

impl Answers {
    pub(super) fn new(certificates: Certificates) -> Self {
        Self(Arc::new(Shared { certificates, held: RwLock::default() }))
    }

    /// What is answered over HTTP at `/.well-known/acme-challenge/TOKEN`, as text
    /// (RFC 8555 section 8.3). `None` for a token that nobody is to be answered for: that is a 404.
    /// Everybody may ask, so the store is not asked: an authority is called when all have the copy.
    #[must_use]
    pub fn http_01(&self, token: &str) -> Option<String> {
        if !is_token(token) {
            return None;
        }
        let wanted = (AnswerKind::Http01, token.to_owned());
        self.0.held.read().unwrap_or_else(PoisonError::into_inner).get(&wanted).cloned()
    }

    /// Answers with exactly `answers` from now on.
    pub(super) fn hold(&self, answers: Vec<AcmeAnswer>) {
        let wanted: HashMap<_, _> =
            answers.into_iter().map(|answer| ((answer.kind, answer.name), answer.value)).collect();
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        for (kind, name) in held.keys().filter(|key| !wanted.contains_key(*key)) {
            if *kind == AnswerKind::TlsAlpn01 {
                self.0.certificates.challenge(name, None);
            }
        }
        for (key @ (kind, name), value) in &wanted {
            if *kind == AnswerKind::TlsAlpn01 && held.get(key) != Some(value) {
                self.0.certificates.challenge(name, certificate(name, value));
            }
        }
        *held = wanted;
    }
}

/// Whether `token` can be one: base64url (RFC 8555 section 8.3), of bearable length.
pub(super) fn is_token(token: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(is_of_token)
}

/// What is shown over TLS (RFC 8737 section 3): a certificate of our own making for this one name,
/// with `digest`, the SHA-256 of the key authorization in base64url. `None` when either is unusable.
fn certificate(name: &str, digest: &str) -> Option<Arc<CertifiedKey>> {
    let digest: [u8; 32] = URL_SAFE_NO_PAD.decode(digest).ok()?.try_into().ok()?;
    let key = KeyPair::generate().ok()?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).ok()?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let certificate = params.self_signed(&key).ok()?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = provider().key_provider.load_private_key(key).ok()?;
    // Not by a way that looks at the certificate: no verifier knows its critical extension.
    Some(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    use super::*;

    #[test]
    fn the_certificate_of_a_challenge_is_as_the_rfc_wants_it() {
        let shown = certificate("a.example.org", &URL_SAFE_NO_PAD.encode([7; 32])).unwrap();
        let (_, read) = X509Certificate::from_der(shown.cert.first().unwrap()).unwrap();
        let names = read.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 1);
        let extension = read.extensions().iter().find(|one| one.oid.to_id_string() == "1.3.6.1.5.5.7.1.31").unwrap();
        assert!(extension.critical);
        assert_eq!(extension.value, [&[4, 32][..], &[7; 32]].concat());
        for unusable in ["", "AAAA", "!"] {
            assert!(certificate("a.example.org", unusable).is_none());
        }
    }
}
