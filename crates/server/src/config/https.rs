//! `[https]`: ports, where certificates come from, and what does not go together; and the
//! certificates from files, for HTTPS and for LDAP.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use ostiary_edge::{CertificateFiles, Certificates, InternalSettings, ServedCertificate};

use super::Config;
use super::log::{choice, write_choice};
use super::problems::Problems;
use super::raw::Raw;
use super::setting::{Allowed, Setting};

/// `[https]`.
pub(crate) struct HttpsConfig {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) mode: HttpsMode,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

/// Where the certificates for HTTPS come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpsMode {
    /// There is no HTTPS: somebody else is in front.
    Off,
    /// From files.
    Files,
    /// From authorities: they renew themselves.
    Acme,
    /// Made here, for those who trust the root of the house.
    Internal,
}

const MODES: &[(&str, HttpsMode)] = &[
    ("off", HttpsMode::Off),
    ("files", HttpsMode::Files),
    ("acme", HttpsMode::Acme),
    ("internal", HttpsMode::Internal),
];

impl Default for HttpsConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 443))],
            mode: HttpsMode::Off,
            certificate_file: None,
            key_file: None,
        }
    }
}

impl Setting for HttpsMode {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        choice(raw, MODES)
    }

    fn write(&self) -> String {
        write_choice(self, MODES)
    }
}

impl HttpsMode {
    /// As the configuration calls it.
    pub(crate) fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

impl HttpsConfig {
    pub(crate) fn is_on(&self) -> bool {
        self.mode != HttpsMode::Off
    }

    /// Keys that do not go with the others, and why.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let files = [("certificate_file", &self.certificate_file), ("key_file", &self.key_file)];
        files
            .into_iter()
            .filter_map(|(key, file)| match (self.mode, file) {
                (HttpsMode::Files, None) => {
                    Some((key, "is not set; [https] mode = \"files\" needs certificate_file and key_file".to_owned()))
                }
                (HttpsMode::Off | HttpsMode::Acme | HttpsMode::Internal, Some(_)) => {
                    Some((key, "is set, but nothing is served with it; set [https] mode = \"files\"".to_owned()))
                }
                _ => None,
            })
            .collect()
    }
}

/// The certificates that are served, and the files that some of them come from.
pub(crate) struct Served {
    /// For HTTPS.
    pub(crate) https: Certificates,
    /// For LDAP, if it is to speak TLS: files of its own, else those of HTTPS.
    pub(crate) ldap: Option<Certificates>,
    /// Each with the section that names it.
    pub(crate) files: Vec<(&'static str, Arc<ServedCertificate>)>,
}

impl Config {
    /// Every host of HTTPS, those that share a certificate together: our own two, then each site.
    pub(crate) fn sets_of_hosts(&self) -> Vec<Vec<String>> {
        let own = self.site(0).into_iter().map(|site| {
            [site.accounts_url, site.directory_url].map(|url| url.host_str().unwrap_or_default().to_owned()).to_vec()
        });
        own.chain(self.sites.iter().map(|site| vec![site.host.clone()])).collect()
    }

    /// Every host of HTTPS, our own two first.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.sets_of_hosts().concat()
    }

    /// What certificates of the house's own are made for.
    pub(crate) fn internal(&self) -> InternalSettings {
        let (organisation, domain) = (self.site.org_name.clone(), self.site.domain.clone());
        InternalSettings { organisation, domain, hosts: self.sets_of_hosts() }
    }

    /// Reads the certificates that come from files, and looks whether the one of authorities can be
    /// used.
    ///
    /// # Errors
    /// Says which of the files cannot be used, and why.
    pub(crate) fn certificates(&self) -> Result<Served, Problems> {
        if self.https.mode == HttpsMode::Acme {
            let checked = self.acme.settings(self.sets_of_hosts()).check_file();
            checked.map_err(|error| self.problem("acme", error.setting, &error))?;
        }
        let mut served = Served { https: Certificates::new(), ldap: None, files: Vec::new() };
        let files = |certificate: &Option<PathBuf>, key: &Option<PathBuf>| {
            Some(CertificateFiles { certificate: certificate.clone()?, key: key.clone()? })
        };
        if self.https.is_on() {
            if let Some(files) = files(&self.https.certificate_file, &self.https.key_file) {
                served.files.push(("https", self.opened("https", files, &served.https)?));
            }
            served.ldap = Some(served.https.clone());
        }
        if let Some(files) = files(&self.ldap.certificate_file, &self.ldap.key_file) {
            let own = Certificates::new();
            served.files.push(("ldap", self.opened("ldap", files, &own)?));
            served.ldap = Some(own);
        }
        Ok(served)
    }

    fn opened(
        &self,
        section: &str,
        files: CertificateFiles,
        certificates: &Certificates,
    ) -> Result<Arc<ServedCertificate>, Problems> {
        let opened = ServedCertificate::open(files, certificates.clone());
        opened.map_err(|error| self.problem(section, error.setting(), format_args!("{} {error}", error.setting())))
    }

    fn problem(&self, section: &str, key: &str, what: impl Display) -> Problems {
        let mut problems = Problems::default();
        match self.place(section, key) {
            Some(place) => problems.at(place, format_args!("[{section}] {what}")),
            None => problems.general(format_args!("[{section}] {what}")),
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_authorities_is_looked_at_before_anything_is_opened() {
        let mut config = Config::default();
        config.acme.ca_file = Some(PathBuf::from("/nonexistent/ca.pem"));
        assert!(config.certificates().is_ok());
        config.https.mode = HttpsMode::Acme;
        let told = config.certificates().err().map(|problems| problems.to_string()).unwrap_or_default();
        assert!(told.contains("[acme] ca_file names \"/nonexistent/ca.pem\", which cannot be read"), "{told}");
    }

    #[test]
    fn files_go_with_the_mode_of_files() {
        let told = |mode, certificate: Option<&str>, key: Option<&str>| {
            let of = |path: Option<&str>| path.map(PathBuf::from);
            let config =
                HttpsConfig { mode, certificate_file: of(certificate), key_file: of(key), ..HttpsConfig::default() };
            config.problems().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(told(HttpsMode::Off, None, None), [""; 0]);
        assert_eq!(told(HttpsMode::Files, Some("c.pem"), Some("k.pem")), [""; 0]);
        assert_eq!(told(HttpsMode::Files, Some("c.pem"), None), ["key_file"]);
        assert_eq!(told(HttpsMode::Files, None, None), ["certificate_file", "key_file"]);
        assert_eq!(told(HttpsMode::Off, Some("c.pem"), None), ["certificate_file"]);
        assert_eq!(told(HttpsMode::Internal, Some("c.pem"), Some("k.pem")), ["certificate_file", "key_file"]);
    }
}
