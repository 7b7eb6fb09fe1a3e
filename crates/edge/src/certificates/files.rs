//! A certificate and its key in PEM files (RFC 7468), read anew when they change.
//!
//! A change is taken up when two looks in a row saw the same files, so that a pair that is being
//! written is not read half. A pair that cannot be used is told once, and the one before stays.

use std::fmt;
use std::fs::Metadata;
use std::io::Result as IoResult;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ostiary_model::{CertificateState, Timestamp};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use zeroize::Zeroizing;

use super::map::Certificates;
use crate::tls::certified;

/// How often is looked whether the files have changed.
const LOOK: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 2_000 });
/// Bytes of a file. A chain of certificates has a few thousand.
const MAX_FILE: u64 = 1024 * 1024;

/// Why certificate and key cannot be used. The text goes on after the name of the setting that
/// names the file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The file of the certificate.
    #[error("names {file}, {what}")]
    Certificate {
        /// Its path, in quotes.
        file: String,
        /// What is wrong with it, and what is allowed.
        what: String,
    },
    /// The file of the key.
    #[error("names {file}, {what}")]
    Key {
        /// Its path, in quotes.
        file: String,
        /// What is wrong with it, and what is allowed.
        what: String,
    },
}

impl CertificateError {
    /// The setting that names the file.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => "certificate_file",
            Self::Key { .. } => "key_file",
        }
    }
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those of its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads both.
    ///
    /// # Errors
    /// [`CertificateError`] says which file is to blame, and for what.
    pub fn read(&self) -> Result<CertifiedKey, CertificateError> {
        let read = |path: &Path| match std::fs::metadata(path) {
            Ok(data) if data.len() > MAX_FILE => Err("which is too large".to_owned()),
            _ => std::fs::read(path).map_err(|error| format!("which cannot be read: {error}")),
        };
        let chain = read(&self.certificate).map_err(|what| self.blame_certificate(what))?;
        let key = Zeroizing::new(read(&self.key).map_err(|what| self.blame_key(what))?);
        self.parse(&chain, &key)
    }

    fn parse(&self, chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| self.blame_certificate(format!("which is no PEM file: {error}")))?;
        if chain.is_empty() {
            let what = "which holds no certificate; allowed is a PEM file with BEGIN CERTIFICATE";
            return Err(self.blame_certificate(what.to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            let what = "which holds no private key; allowed is a PEM file with BEGIN PRIVATE KEY, not encrypted";
            self.blame_key(what.to_owned())
        })?;
        certified(chain, &Zeroizing::new(key)).map_err(|error| match error {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let certificate = quoted(&self.certificate);
                self.blame_key(format!("which holds a key that does not belong to the certificate in {certificate}"))
            }
            RustlsError::InvalidCertificate(error) => {
                self.blame_certificate(format!("which holds a certificate that cannot be read: {error}"))
            }
            other => self.blame_key(format!("which holds a key that cannot be used: {other}")),
        })
    }

    fn blame_certificate(&self, what: String) -> CertificateError {
        CertificateError::Certificate { file: quoted(&self.certificate), what }
    }

    fn blame_key(&self, what: String) -> CertificateError {
        CertificateError::Key { file: quoted(&self.key), what }
    }

    /// What tells whether the files are others than before.
    fn stamp(&self) -> IoResult<Stamp> {
        let of = |data: Metadata| (data.dev(), data.ino(), data.len(), data.mtime(), data.mtime_nsec());
        Ok(Stamp(of(std::fs::metadata(&self.certificate)?), of(std::fs::metadata(&self.key)?)))
    }
}

type FileStamp = (u64, u64, u64, i64, i64);

/// Device, number, length and time of change of both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(FileStamp, FileStamp);

/// A certificate from files, as it is served.
pub struct ServedCertificate {
    files: CertificateFiles,
    certificates: Certificates,
    /// What they were when they were first read.
    stamp: Option<Stamp>,
    current: RwLock<Arc<CertifiedKey>>,
    /// Why newer files are not served.
    refused: RwLock<Option<String>>,
}

impl ServedCertificate {
    /// Reads the files and serves what they hold for the names in it, and in `certificates` from now
    /// on.
    ///
    /// # Errors
    /// As [`CertificateFiles::read`].
    pub fn open(files: CertificateFiles, certificates: Certificates) -> Result<Arc<Self>, CertificateError> {
        // Before they are read: what comes after is seen by whoever follows.
        let stamp = files.stamp().ok();
        let current = Arc::new(files.read()?);
        certificates.renew(None, &names(&current), Arc::clone(&current));
        Ok(Arc::new(Self { files, certificates, stamp, current: RwLock::new(current), refused: RwLock::default() }))
    }

    /// The files that it comes from.
    #[must_use]
    pub const fn files(&self) -> &CertificateFiles {
        &self.files
    }

    /// When what is served now ends: the certificate, or an issuer's among them that ends earlier.
    /// `None` when it cannot be told.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.current().cert.iter().filter_map(|certificate| life(certificate)).map(|(_, end)| end).min()
    }

    /// How it stands with it. That it is renewed is somebody else's work.
    #[must_use]
    pub fn state(&self) -> CertificateState {
        let current = self.current();
        let mut names = names(&current);
        names.sort_unstable();
        CertificateState {
            names,
            issuer: Some(self.files.certificate.display().to_string()),
            not_before: current.cert.first().and_then(|own| life(own)).map(|(begin, _)| begin),
            not_after: self.ends_at(),
            renew_at: None,
            last_error: self.refused.read().unwrap_or_else(PoisonError::into_inner).clone(),
            next_attempt: None,
        }
    }

    /// Looks every few seconds whether the files have changed, for ever.
    pub async fn follow(self: Arc<Self>) {
        let mut judged = self.stamp;
        let mut seen = judged;
        loop {
            tokio::time::sleep(LOOK).await;
            // A file that is away for a moment is being replaced.
            let Ok(now) = self.files.stamp() else { continue };
            let is_at_rest = seen == Some(now);
            seen = Some(now);
            if is_at_rest && judged != Some(now) {
                judged = Some(now);
                self.renew();
            }
        }
    }

    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn renew(&self) {
        // Two small files, and only when they have changed: not worth a thread of their own.
        let refused = match self.files.read() {
            Ok(fresh) => {
                let (before, fresh) = (self.current(), Arc::new(fresh));
                self.certificates.renew(Some(&before), &names(&fresh), Arc::clone(&fresh));
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is served");
                None
            }
            Err(error) => {
                let told = format!("{} {error}; the one from before goes on being served", error.setting());
                tracing::warn!("{told}");
                Some(told)
            }
        };
        *self.refused.write().unwrap_or_else(PoisonError::into_inner) = refused;
    }
}

/// From when to when a certificate is good (RFC 5280 section 4.1.2.5).
fn life(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let (begin, end) = (certificate.validity().not_before, certificate.validity().not_after);
    Some((Timestamp::from_secs(begin.timestamp()), Timestamp::from_secs(end.timestamp())))
}

/// The names that a certificate is for (RFC 5280 section 4.2.1.6).
fn names(certificate: &CertifiedKey) -> Vec<String> {
    let own = certificate.cert.first().and_then(|own| X509Certificate::from_der(own).ok());
    let names = own.as_ref().and_then(|(_, own)| own.subject_alternative_name().ok().flatten());
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    names.map(|names| names.value.general_names.iter().filter_map(dns).collect()).unwrap_or_default()
}

impl fmt::Debug for ServedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedCertificate").field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedKey as Made, KeyPair, date_time_ymd, generate_simple_self_signed};

    use super::*;

    fn made() -> (String, String) {
        let Made { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn put(folder: &Path, certificate: &str, key: &str) -> CertificateFiles {
        let files = CertificateFiles { certificate: folder.join("c.pem"), key: folder.join("k.pem") };
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }

    fn opened(files: CertificateFiles) -> Arc<ServedCertificate> {
        ServedCertificate::open(files, Certificates::new()).unwrap()
    }

    #[test]
    fn the_first_of_its_certificates_that_ends_counts() {
        let folder = tempfile::tempdir().unwrap();
        let until = |year| {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 3, 1);
            let key = KeyPair::generate().unwrap();
            (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
        };
        // From 2050 on years have four digits in a certificate.
        for (own, issuer, first) in [(2031, 2055, "20310301000000Z"), (2055, 2051, "20510301000000Z")] {
            let ((own, key), (issuer, _)) = (until(own), until(issuer));
            let served = opened(put(folder.path(), &format!("{own}{issuer}"), &key));
            assert_eq!(served.ends_at(), Timestamp::from_generalized_time(first));
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_with_file_and_finding() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        assert!(put(folder.path(), &certificate, &key).read().is_ok());
        let (_, other) = made();
        let broken = certificate.replace("MII", "MIJ");
        for (certificate, key, setting, told) in [
            ("", key.as_str(), "certificate_file", "which holds no certificate"),
            (&key, &key, "certificate_file", "which holds no certificate"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", &key, "certificate_file", "no PEM"),
            (&broken, &key, "certificate_file", "which holds a certificate that cannot be read"),
            (&certificate, "", "key_file", "which holds no private key"),
            (&certificate, &certificate, "key_file", "which holds no private key"),
            (&certificate, &other, "key_file", "which holds a key that does not belong to the certificate in"),
        ] {
            let error = put(folder.path(), certificate, key).read().unwrap_err();
            let text = error.to_string();
            assert!(error.setting() == setting && text.contains(told), "{setting} {told}: {} {text}", error.setting());
        }
        std::fs::remove_file(folder.path().join("k.pem")).unwrap();
        let gone = CertificateFiles { certificate: folder.path().join("c.pem"), key: folder.path().join("k.pem") };
        assert!(gone.read().unwrap_err().to_string().contains("k.pem\", which cannot be read: No such file"));
    }

    #[tokio::test]
    async fn a_pair_that_came_before_anybody_followed_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        let served = opened(put(folder.path(), &certificate, &key));
        let first = served.current();
        // Clocks of file systems are coarse.
        tokio::time::sleep(LOOK).await;
        let (certificate, key) = made();
        put(folder.path(), &certificate, &key);
        let _ = tokio::time::timeout(LOOK * 7 / 2, Arc::clone(&served).follow()).await;
        assert_ne!(served.current().cert, first.cert);
    }

    #[tokio::test]
    async fn a_changed_pair_is_taken_up_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        let certificates = Certificates::new();
        let served = ServedCertificate::open(put(folder.path(), &certificate, &key), certificates.clone()).unwrap();
        let serves = || certificates.get("localhost").unwrap().cert.first().unwrap().to_vec();
        let first = serves();
        let following = Arc::clone(&served).follow();
        let looking = async {
            tokio::time::sleep(LOOK * 3 / 2).await;
            let (certificate, key) = made();
            put(folder.path(), &certificate, "half written");
            tokio::time::sleep(LOOK * 5 / 2).await;
            assert_eq!(serves(), first, "the key is broken");
            let told = served.state().last_error.unwrap();
            assert!(told.contains("holds no private key") && told.contains("k.pem"), "{told}");
            put(folder.path(), &certificate, &key);
            tokio::time::sleep(LOOK * 5 / 2).await;
            assert_ne!(serves(), first);
            let state = served.state();
            assert_eq!((state.names, state.last_error), (vec!["localhost".to_owned()], None));
            assert!(state.not_before.is_some() && state.not_before < state.not_after, "{:?}", state.not_before);
            assert!(state.issuer.unwrap().ends_with("c.pem"));
        };
        tokio::select! {
            () = following => {}
            () = looking => {}
        }
    }
}
