//! An authority for one test, and what it issues.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{Datelike, Days, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CrlDistributionPoint, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// An authority that only its own test trusts.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The file of its certificate, for clients.
    pub file: PathBuf,
}

/// A certificate and its key, as PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Makes one, with its certificate in `folder`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn make(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "An authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let file = folder.join("authority.pem");
        std::fs::write(&file, issuer.pem())?;
        Ok(Self { issuer, file })
    }

    /// A certificate for this machine by any name that a client may call it. (OpenLDAP asks for
    /// the machine's own name when it is told `localhost`.)
    ///
    /// # Errors
    /// None in practice.
    pub fn issue(&self) -> Result<Issued> {
        let mut names =
            ["localhost", "accounts.localhost", "directory.localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        names.extend(std::fs::read_to_string("/etc/hostname").map(|name| name.trim().to_owned()));
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        // As authorities make them: good for a season and for servers, and with a word on where
        // to ask whether it was called back.
        let day = |from_today: i64| {
            let today = Utc::now().date_naive();
            let days = Days::new(from_today.unsigned_abs());
            let day = if from_today < 0 { today - days } else { today + days };
            let part = |number: u32| u8::try_from(number).context("no part of a date");
            anyhow::Ok(date_time_ymd(day.year(), part(day.month())?, part(day.day())?))
        };
        (params.not_before, params.not_after) = (day(-3)?, day(87)?);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.crl_distribution_points =
            vec![CrlDistributionPoint { uris: vec!["http://authority.localhost/list.crl".to_owned()] }];
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl Issued {
    /// Writes both into `folder` and gives their files.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, &self.certificate)?;
        std::fs::write(&key, &self.key)?;
        Ok((certificate, key))
    }
}
