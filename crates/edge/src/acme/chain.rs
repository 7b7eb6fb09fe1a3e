//! A certificate chain from an authority is believed when it holds: everything can be read, the
//! key belongs to it, it is for our names, each certificate vouches for the one before it, and
//! its end is not reached.
//!
//! Where a chain must end is not asked here: clients know whom they trust.

use std::sync::Arc;
use std::time::Duration;

use ostiary_model::Timestamp;
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::tls::{certified, provider};

/// Certificates in a chain.
const MAX_CHAIN: usize = 10;

/// Why a chain is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ChainError {
    #[error("the chain cannot be read: {0}")]
    Unreadable(String),
    #[error("the chain does not hold together: {0}")]
    Broken(String),
    #[error("the certificate is not for {0}")]
    Name(String),
    #[error("the certificate belongs to another key")]
    Key,
    #[error("the certificate has ended already")]
    Ended,
}

/// A chain that holds.
#[derive(Debug)]
pub(crate) struct Chain {
    /// For handshakes.
    pub(crate) key: Arc<CertifiedKey>,
    /// From when it is good.
    pub(crate) not_before: Timestamp,
    /// Until when it is good.
    pub(crate) not_after: Timestamp,
}

impl Chain {
    /// Reads `pem` and looks whether it holds for `names` with the private key `pkcs8`. A
    /// certificate without its issuer holds only if it is from one of `roots`.
    pub(crate) fn read(pem: &str, pkcs8: &[u8], names: &[String], roots: &RootCertStore) -> Result<Self, ChainError> {
        let unreadable = |error: &dyn std::fmt::Display| ChainError::Unreadable(error.to_string());
        let ders: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(&error))?;
        let [leaf, issuers @ ..] = ders.as_slice() else {
            return Err(ChainError::Unreadable("it is empty".to_owned()));
        };
        if ders.len() > MAX_CHAIN {
            return Err(ChainError::Unreadable("it is too long".to_owned()));
        }
        let parsed = ParsedCertificate::try_from(leaf).map_err(|error| unreadable(&error))?;
        for name in names {
            // Any label does where any label will do.
            let asked = if name.starts_with("*.") { name.replacen('*', "any", 1) } else { name.clone() };
            let is_for =
                ServerName::try_from(asked.as_str()).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok());
            if !is_for {
                return Err(ChainError::Name(name.clone()));
            }
        }
        let (_, read) = X509Certificate::from_der(leaf).map_err(|error| unreadable(&error))?;
        let validity = read.validity();
        let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        links(&parsed, &ders, issuers, roots, (not_before, not_after))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8));
        let key = certified(ders, &key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => ChainError::Key,
            other => unreadable(&other),
        })?;
        Ok(Self {
            key: Arc::new(key),
            not_before: Timestamp::from_secs(not_before),
            not_after: Timestamp::from_secs(not_after),
        })
    }

    /// Whether it may take the place of another one. That it is not good yet is no reason against
    /// it: then our clock is slow.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> Result<(), ChainError> {
        if self.not_after > now { Ok(()) } else { Err(ChainError::Ended) }
    }
}

/// Looks whether each certificate vouches for the one before it, at the end of the first one's
/// life: a chain that breaks earlier is no good either.
fn links(
    parsed: &ParsedCertificate<'_>,
    ders: &[CertificateDer<'static>],
    issuers: &[CertificateDer<'static>],
    roots: &RootCertStore,
    (not_before, not_after): (i64, i64),
) -> Result<(), ChainError> {
    let broken = |error: &dyn std::fmt::Display| ChainError::Broken(error.to_string());
    for pair in ders.windows(2) {
        let [one, next] = pair else { continue };
        let (_, one) = X509Certificate::from_der(one).map_err(|error| broken(&error))?;
        let (_, next) = X509Certificate::from_der(next).map_err(|error| broken(&error))?;
        if one.issuer().as_raw() != next.subject().as_raw() {
            return Err(broken(&"a certificate is not followed by its issuer's"));
        }
    }
    let mut anchor = RootCertStore::empty();
    let (anchors, between) = match issuers {
        [] => (roots, issuers),
        [between @ .., last] => {
            anchor.add(last.clone()).map_err(|error| broken(&error))?;
            (&anchor, between)
        }
    };
    // The moment before the end, which is part of the life as well.
    let moment = u64::try_from((not_after - 1).max(not_before)).unwrap_or_default();
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(moment));
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(parsed, anchors, between, moment, algorithms)
        .map_err(|error| broken(&error))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority(name: &str, of: Option<&Authority>) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        match of {
            None => CertifiedIssuer::self_signed(params, key).unwrap(),
            Some(issuer) => CertifiedIssuer::signed_by(params, key, issuer).unwrap(),
        }
    }

    fn names() -> Vec<String> {
        vec!["accounts.example.org".to_owned(), "directory.example.org".to_owned()]
    }

    fn leaf(names: Vec<String>, key: &KeyPair, of: &Authority) -> String {
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 11, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 30);
        params.signed_by(key, of).unwrap().pem()
    }

    fn told(pem: &str, key: &KeyPair) -> String {
        let read = Chain::read(pem, &key.serialize_der(), &names(), &RootCertStore::empty());
        read.map_or_else(|error| error.to_string(), |_| "it holds".to_owned())
    }

    #[test]
    fn a_chain_holds_or_it_is_told_why_not() {
        let (root, key, stranger) =
            (authority("root", None), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (middle, impostor) = (authority("middle", Some(&root)), authority("middle", None));
        let pem = leaf(names(), &key, &middle);
        let good = format!("{pem}{}", middle.pem());
        assert_eq!(told(&good, &key), "it holds");
        assert_eq!(told(&format!("{good}{}", root.pem()), &key), "it holds");
        for (chain, key, expected) in [
            (good.as_str(), &stranger, "belongs to another key"),
            (&good[..good.len() - 60], &key, "cannot be read"),
            (&pem, &key, "does not hold together"),
            (&format!("{pem}{}", impostor.pem()), &key, "does not hold together"),
            (&format!("{pem}{}", root.pem()), &key, "is not followed by its issuer's"),
            (&format!("{pem}{}{}", root.pem(), middle.pem()), &key, "is not followed by its issuer's"),
            (&format!("{}{pem}", middle.pem()), &key, "is not for accounts.example.org"),
            (&leaf(names()[..1].to_vec(), &key, &middle), &key, "is not for directory.example.org"),
            ("", &key, "it is empty"),
            ("<html>sorry</html>", &key, "it is empty"),
            (&root.pem().repeat(11), &key, "too long"),
        ] {
            let told = told(chain, key);
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }

    #[test]
    fn a_certificate_alone_holds_when_its_issuer_is_known() {
        let (root, key) = (authority("root", None), KeyPair::generate().unwrap());
        let pem = leaf(names(), &key, &root);
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let chain = Chain::read(&pem, &key.serialize_der(), &names(), &roots).unwrap();
        assert_eq!(chain.not_after, Timestamp::from_secs(1_801_267_200));
        assert_eq!(chain.is_fresh(chain.not_after), Err(ChainError::Ended));
        // A clock that is slow is no reason to refuse it.
        assert!(chain.is_fresh(Timestamp::from_secs(0)).is_ok() && chain.is_fresh(chain.not_before).is_ok());
    }
}
