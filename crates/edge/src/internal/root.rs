//! The root of the house: one key that vouches for certificates of its own hosts, and of no others
//! (name constraints, RFC 5280 section 4.2.1.10). So whoever trusts it trusts it for this house alone.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use ostiary_model::{Span, Timestamp};
use ostiary_store::{Error as StoreError, RootRecord};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::InternalSettings;
use super::leaf::{Leaf, Life};
use crate::means::{Vault, VaultError};
use crate::tls::provider;

/// How long a root is good.
const LIFE: Span = Span::from_days(3_652);
/// How long before it was made it is good already. It may have been made, or be looked at, by a
/// clock that is off.
const EARLIER: Span = Span::from_days(365);
/// Characters of a common name (RFC 5280 appendix A.1).
const MAX_NAME: usize = 64;

/// Why there is no root.
#[derive(Debug, Error)]
pub enum RootError {
    /// The store did not answer.
    #[error("it cannot be fetched: {0}")]
    Store(#[from] StoreError),
    /// The key of the stored root does not open.
    #[error(
        "its key does not open: it was sealed with another master key ({0}); bring that one back from a backup, or make another root with `ostiary ca renew`"
    )]
    Sealed(VaultError),
    /// The stored root cannot be used.
    #[error("what is stored cannot be used: {0}")]
    Unreadable(String),
    /// It could not be made.
    #[error("it cannot be made: {0}")]
    Unmade(String),
    /// Somebody else made another one at the same moment.
    #[error("somebody else made another root at this moment; look at that one first")]
    Overtaken,
}

/// The root of the house, with its key.
pub struct Root {
    version: i64,
    pem: String,
    subject: String,
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
    fingerprint: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Root {
    /// Makes the root number `version`, and what is to be stored of it.
    pub(super) fn make(
        settings: &InternalSettings,
        version: i64,
        vault: &dyn Vault,
        now: Timestamp,
    ) -> Result<(Self, RootRecord), RootError> {
        let unmade = |error: rcgen::Error| RootError::Unmade(error.to_string());
        let key = KeyPair::generate().map_err(unmade)?;
        let pem = params(settings, version, now).self_signed(&key).map_err(unmade)?.pem();
        let pkcs8 = PrivatePkcs8KeyDer::from(key.serialized_der());
        let root = Self::of(version, pem, &pkcs8)?;
        let key_sealed = vault.seal(&root.row(), pkcs8.secret_pkcs8_der());
        let key_sealed = key_sealed.map_err(|VaultError(error)| RootError::Unmade(error))?;
        let record = RootRecord { version, certificate: root.pem.clone(), key_sealed, created_at: now };
        Ok((root, record))
    }

    /// Reads what is stored.
    pub(super) fn read(record: &RootRecord, vault: &dyn Vault) -> Result<Self, RootError> {
        let der = certificate(&record.certificate)?;
        let key = vault.open(&row(&fingerprint(&der)), &record.key_sealed).map_err(RootError::Sealed)?;
        Self::of(record.version, record.certificate.clone(), &PrivatePkcs8KeyDer::from(&key[..]))
    }

    fn of(version: i64, pem: String, key: &PrivatePkcs8KeyDer<'_>) -> Result<Self, RootError> {
        let unreadable = |error: &dyn fmt::Display| RootError::Unreadable(error.to_string());
        let der = certificate(&pem)?;
        let (_, read) = X509Certificate::from_der(&der).map_err(|error| unreadable(&error))?;
        let subject = read.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let subject = subject.ok_or_else(|| unreadable(&"it has no name"))?.to_owned();
        let constraints = read.name_constraints().map_err(|error| unreadable(&error))?;
        let permitted = constraints.and_then(|found| found.value.permitted_subtrees.as_ref());
        let dns = permitted.into_iter().flatten().filter_map(|subtree| match subtree.base {
            GeneralName::DNSName(name) => Some(name.to_owned()),
            _ => None,
        });
        let key = KeyPair::try_from(key).map_err(|error| unreadable(&error))?;
        Ok(Self {
            version,
            subject,
            names: dns.collect(),
            not_before: Timestamp::from_secs(read.validity().not_before.timestamp()),
            not_after: Timestamp::from_secs(read.validity().not_after.timestamp()),
            fingerprint: fingerprint(&der),
            issuer: Issuer::from_ca_cert_der(&der, key).map_err(|error| unreadable(&error))?,
            pem,
        })
    }

    /// What its key is sealed for: this very certificate.
    fn row(&self) -> String {
        row(&self.fingerprint)
    }

    /// Whether it is the one that is stored.
    pub(super) fn is(&self, record: &RootRecord) -> bool {
        self.version == record.version && self.pem == record.certificate
    }

    /// Its number among the roots that the house has had.
    pub(super) const fn version(&self) -> i64 {
        self.version
    }

    /// Its certificate as PEM (RFC 7468).
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What it is called.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The domains that it is for, each with all names under it.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Since when it is good.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// When it ends.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// SHA-256 of its certificate, as people compare it: `AB:CD:…`.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether it vouches for `host`.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.names.iter().any(|domain| is_within(host, domain))
    }

    /// Makes a certificate for `hosts`, which is good from now on.
    pub(super) fn leaf(&self, hosts: &[String], now: Timestamp) -> Result<Leaf, RootError> {
        let unmade = |error: &dyn fmt::Display| RootError::Unmade(error.to_string());
        let life = Life::beginning(now, self.not_after);
        let mut params = CertificateParams::new(hosts).map_err(|error| unmade(&error))?;
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (moment(life.not_before), moment(life.not_after));
        let key = KeyPair::generate().map_err(|error| unmade(&error))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| unmade(&error))?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider());
        Ok(Leaf { key: Arc::new(key.map_err(|error| unmade(&error))?), life, root: self.version })
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("subject", &self.subject).finish_non_exhaustive()
    }
}

fn params(settings: &InternalSettings, version: i64, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = moment(now - EARLIER);
    params.not_after = moment(now + LIFE);
    // Two roots of the same name would be hard to tell apart in a list of them.
    let number = if version == 1 { String::new() } else { format!(" ({version})") };
    let rest = format!(" Root {}{number}", moment(now).year());
    let house: String = settings.organisation.chars().take(MAX_NAME.saturating_sub(rest.len())).collect();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{house}{rest}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Names say which servers; this says that it is for servers, not for mail or programs.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let addresses = [CidrSubnet::V4([0; 4], [0; 4]), CidrSubnet::V6([0; 16], [0; 16])];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: domains(settings).into_iter().map(GeneralSubtree::DnsName).collect(),
        excluded_subtrees: addresses.map(GeneralSubtree::IpAddress).to_vec(),
    });
    params
}

/// What a root made now is for: the domain of the house, and hosts that are not under it.
fn domains(settings: &InternalSettings) -> Vec<String> {
    let mut domains = vec![settings.domain.clone()];
    for host in settings.hosts.iter().flatten() {
        let is_known = domains.iter().any(|domain| is_within(host, domain));
        if !is_known && !is_address(host) {
            domains.push(host.clone());
        }
    }
    domains
}

/// Whether a host, as addresses of pages write it, is no name.
pub(super) fn is_address(host: &str) -> bool {
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// Whether `host` is `domain` or a name under it.
fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>, RootError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| RootError::Unreadable(error.to_string()))
}

fn row(fingerprint: &str) -> String {
    format!("root {fingerprint}")
}

fn fingerprint(der: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, der).as_ref() {
        let colon = if text.is_empty() { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

/// The same moment in the words of certificates, which end with the year 9999.
fn moment(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_secs()).unwrap_or_else(|_| date_time_ymd(9999, 12, 31))
}
