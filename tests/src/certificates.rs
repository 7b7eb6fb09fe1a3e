//! An authority for one test, and what it issues.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

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
