//! Which certificate is served for which name. HTTPS, LDAPS and StartTLS share one map, so that a
//! new certificate is everywhere at once; connections that are open keep theirs.
//!
//! Names come in SNI (RFC 6066 section 3). A certificate that answers a challenge (RFC 8737) is
//! given only to who speaks nothing but the challenge's protocol: a CA.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The protocol of the challenge TLS-ALPN-01 (RFC 8737 section 6.2).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The certificates of all names. Clones share them.
#[derive(Clone, Default)]
pub struct Certificates(Arc<RwLock<Held>>);

#[derive(Default)]
struct Held {
    /// By name in lower case; `*.example.org` stands for one label more.
    by_name: HashMap<String, Arc<CertifiedKey>>,
    /// What a CA is to see, by name.
    challenges: HashMap<String, Arc<CertifiedKey>>,
    /// For whom names no name.
    default: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Holds none.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `certificate` for `names` from now on, and no longer the one that the first of them
    /// had.
    pub fn put(&self, names: &[String], certificate: Arc<CertifiedKey>) {
        let before = names.first().and_then(|name| {
            let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
            held.by_name.get(&name.to_ascii_lowercase()).cloned()
        });
        self.renew(before.as_ref(), names, certificate);
    }

    /// As [`Certificates::put`], and those who name no name get it from now on.
    pub fn put_default(&self, names: &[String], certificate: Arc<CertifiedKey>) {
        self.put(names, Arc::clone(&certificate));
        self.0.write().unwrap_or_else(PoisonError::into_inner).default = Some(certificate);
    }

    /// Serves `certificate` for `names` from now on, and `before` no longer. Who names no name gets
    /// the first one that was ever served, or what took its place.
    pub(super) fn renew(&self, before: Option<&Arc<CertifiedKey>>, names: &[String], certificate: Arc<CertifiedKey>) {
        let is_before = |one: &Arc<CertifiedKey>| before.is_some_and(|before| Arc::ptr_eq(one, before));
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        held.by_name.retain(|_, one| !is_before(one));
        for name in names {
            held.by_name.insert(name.to_ascii_lowercase(), Arc::clone(&certificate));
        }
        if held.default.as_ref().is_none_or(is_before) {
            held.default = Some(certificate);
        }
    }

    /// Shows `certificate` to a CA that asks for `name`, or no longer any.
    pub fn challenge(&self, name: &str, certificate: Option<Arc<CertifiedKey>>) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let name = name.to_ascii_lowercase();
        match certificate {
            Some(certificate) => held.challenges.insert(name, certificate),
            None => held.challenges.remove(&name),
        };
    }

    /// The certificate for `name`, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).named(name).cloned()
    }

    /// Whether a client that named `named` in its handshake may ask for `host` over that connection
    /// (RFC 9110 section 7.4): one certificate is for both. So browsers may share a connection for
    /// our two hosts. Who names none has the certificate of those.
    pub(crate) fn are_one(&self, named: Option<&str>, host: &str) -> bool {
        if named.is_some_and(|named| named.eq_ignore_ascii_case(host)) {
            return true;
        }
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let shown = named.map_or(held.default.as_ref(), |named| held.named(named));
        shown.zip(held.named(host)).is_some_and(|(shown, asked)| Arc::ptr_eq(shown, asked))
    }

    /// Whether there is one for those who name no name.
    pub(crate) fn has_default(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).default.is_some()
    }

    /// What a TLS acceptor asks.
    #[must_use]
    pub(crate) fn resolver(&self, strangers: Strangers) -> Resolver {
        Resolver { certificates: self.clone(), strangers }
    }
}

impl Held {
    fn named(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let wildcard = || self.by_name.get(&format!("*.{}", name.split_once('.')?.1));
        self.by_name.get(&name).or_else(wildcard)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

/// What is done for a name that has no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strangers {
    /// The handshake is refused. Browsers name the site that they want.
    Refused,
    /// They get the certificate for those who name no name. LDAP clients come by addresses and
    /// names of the inner network, and check the certificate as they were told to.
    GetDefault,
}

/// Chooses a certificate for a handshake.
#[derive(Debug)]
pub(crate) struct Resolver {
    certificates: Certificates,
    strangers: Strangers,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let held = self.certificates.0.read().unwrap_or_else(PoisonError::into_inner);
        let name = hello.server_name();
        if is_challenge(&hello) {
            return held.challenges.get(&name?.to_ascii_lowercase()).cloned();
        }
        let default = || held.default.as_ref();
        match name {
            None => default(),
            Some(name) => held.named(name).or_else(|| default().filter(|_| self.strangers == Strangers::GetDefault)),
        }
        .cloned()
    }
}

/// Whether a CA looks at the answer to a challenge: it speaks that protocol and no other (RFC 8737
/// section 3).
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(ACME_TLS) && offered.next().is_none())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use rustls::pki_types::PrivateKeyDer;

    use super::*;
    use crate::tls::provider;

    fn made() -> Arc<CertifiedKey> {
        let Made { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        Arc::new(CertifiedKey::from_der(vec![cert.der().clone()], key, &provider()).unwrap())
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_has_its_certificate_whatever_its_case() {
        let certificates = Certificates::new();
        assert!(certificates.get("accounts.example.org").is_none());
        let (own, wild) = (made(), made());
        certificates.put(&names(&["Accounts.example.org", "directory.example.org"]), Arc::clone(&own));
        certificates.put(&names(&["*.example.net"]), Arc::clone(&wild));
        let is = |name: &str, one: &Arc<CertifiedKey>| certificates.get(name).is_some_and(|got| Arc::ptr_eq(&got, one));
        assert!(is("accounts.EXAMPLE.org", &own) && is("directory.example.org", &own));
        assert!(is("a.example.net", &wild));
        for stranger in ["example.org", "x.example.org", "a.b.example.net", "example.net", ""] {
            assert!(certificates.get(stranger).is_none(), "{stranger}");
        }
    }

    #[test]
    fn hosts_of_one_certificate_are_one() {
        let certificates = Certificates::new();
        assert!(!certificates.are_one(None, "a.example") && certificates.are_one(Some("a.example"), "A.example"));
        certificates.put(&names(&["a.example", "b.example"]), made());
        certificates.put(&names(&["wiki.example"]), made());
        certificates.put(&names(&["*.example.net"]), made());
        for (named, host, expected) in [
            (Some("a.example"), "b.example", true),
            (Some("b.example"), "A.example", true),
            (Some("x.example.net"), "y.example.net", true),
            (None, "a.example", true),
            (None, "b.example", true),
            (None, "wiki.example", false),
            (None, "127.0.0.1", false),
            (Some("a.example"), "wiki.example", false),
            (Some("wiki.example"), "a.example", false),
            (Some("a.example"), "c.example", false),
            (Some("c.example"), "d.example", false),
        ] {
            assert_eq!(certificates.are_one(named, host), expected, "{named:?} {host}");
        }
    }

    #[test]
    fn a_default_may_come_later() {
        let certificates = Certificates::new();
        let (site, own) = (made(), made());
        certificates.put(&names(&["wiki.example"]), site);
        certificates.put_default(&names(&["a.example"]), Arc::clone(&own));
        assert!(Arc::ptr_eq(certificates.0.read().unwrap().default.as_ref().unwrap(), &own));
        // A name under a wildcard takes nothing from it.
        certificates.put(&names(&["*.example"]), made());
        certificates.put(&names(&["b.example"]), made());
        assert!(certificates.get("c.example").is_some());
    }

    #[test]
    fn what_takes_the_place_of_the_default_is_the_default() {
        let certificates = Certificates::new();
        let default = || certificates.0.read().unwrap().default.clone();
        let (first, other, second) = (made(), made(), made());
        certificates.put(&names(&["a.example"]), Arc::clone(&first));
        certificates.put(&names(&["b.example"]), other);
        assert!(Arc::ptr_eq(&default().unwrap(), &first));
        certificates.put(&names(&["a.example"]), Arc::clone(&second));
        assert!(Arc::ptr_eq(&default().unwrap(), &second));
        // A name that the new one is not for has none.
        certificates.renew(Some(&second), &names(&["c.example"]), made());
        assert!(certificates.get("a.example").is_none() && certificates.get("b.example").is_some());
    }
}
