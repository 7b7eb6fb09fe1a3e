//! What certificates are ordered for, from whom and how.

use std::collections::BTreeSet;
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use thiserror::Error;
use zeroize::Zeroizing;

use super::dns::Dns;
use super::{NameSet, Pace};

/// Names in one certificate. Authorities give at most so many.
const MAX_NAMES: usize = 100;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{setting} {what}")]
pub struct SettingError {
    /// Its name.
    pub setting: &'static str,
    /// What was found and what is allowed. Goes on after the name.
    pub what: String,
}

/// How a name is proved to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// Over TLS on port 443 (RFC 8737).
    TlsAlpn01,
    /// Over HTTP on port 80 (RFC 8555 section 8.3).
    Http01,
    /// In the DNS (RFC 8555 section 8.4): the only one for names such as `*.example.org`.
    Dns01,
}

impl Challenge {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::TlsAlpn01, Self::Http01, Self::Dns01];

    /// As authorities and settings call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
        }
    }

    /// The one that is called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|challenge| challenge.name() == name)
    }
}

/// What an authority gave to somebody who has an account with it already (RFC 8555 section 7.3.4).
#[derive(Clone)]
pub struct ExternalAccount {
    /// The key's id.
    pub key_id: String,
    /// The key itself, decoded.
    pub mac_key: Zeroizing<Vec<u8>>,
}

/// An authority.
#[derive(Clone)]
pub struct Issuer {
    /// The address of its directory (RFC 8555 section 7.1.1).
    pub directory: String,
    /// An account there to be bound to.
    pub external_account: Option<ExternalAccount>,
}

/// What certificates are ordered for, from whom and how.
#[derive(Clone)]
pub struct Settings {
    /// Sets of names; each gets one certificate.
    pub names: Vec<Vec<String>>,
    /// Authorities, in order: the first that gives a certificate is good.
    pub issuers: Vec<Issuer>,
    /// Where authorities may write to.
    pub email: Option<String>,
    /// How names are proved, in order. What worked is tried first the next time.
    pub challenges: Vec<Challenge>,
    /// How texts come into the DNS, for [`Challenge::Dns01`].
    pub dns: Option<Dns>,
    /// Which of an authority's profiles is wanted.
    pub profile: Option<String>,
    /// A file of certificates (PEM) that are trusted for authorities' servers beside the public
    /// ones.
    pub ca_file: Option<PathBuf>,
    /// How quickly things are done.
    pub pace: Pace,
}

impl Settings {
    pub(super) fn issuer(&self, directory: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.directory == directory)
    }

    /// Names what an order depends on, so that what failed is tried at once when somebody has
    /// changed it.
    pub(super) fn fingerprint(&self, issuer: &Issuer) -> String {
        let text = |text: &Option<String>| text.clone().unwrap_or_default().into_bytes();
        let file = self.ca_file.clone().unwrap_or_default().into_os_string().into_encoded_bytes();
        let mut hash = Context::new(&SHA256);
        let mut add = |part: &[u8]| {
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        };
        [text(&self.email), text(&self.profile), file].iter().for_each(|part| add(part));
        if let Some(account) = &issuer.external_account {
            [b"account", account.key_id.as_bytes(), &account.mac_key].into_iter().for_each(&mut add);
        }
        self.dns.iter().flat_map(Dns::parts).for_each(&mut add);
        self.challenges.iter().for_each(|challenge| add(challenge.name().as_bytes()));
        let digest = hash.finish();
        digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Looks whether everything can be used. Opens no file.
    ///
    /// # Errors
    /// Says which setting cannot be used, `names` when it is one of the hosts.
    pub fn check(&self) -> Result<(), SettingError> {
        self.sets().map(drop)
    }

    /// Looks whether the file of authorities can be used.
    ///
    /// # Errors
    /// Says why not.
    pub fn check_file(&self) -> Result<(), SettingError> {
        self.roots().map(drop)
    }

    /// The sets of names, checked and in order.
    pub(super) fn sets(&self) -> Result<Vec<NameSet>, SettingError> {
        for issuer in &self.issuers {
            if !issuer.directory.starts_with("https://") {
                let what = format!("is {:?}; allowed are addresses that begin with https://", issuer.directory);
                return Err(SettingError { setting: "directory", what });
            }
        }
        for (setting, is_empty) in [("directory", self.issuers.is_empty()), ("challenges", self.challenges.is_empty())]
        {
            if is_empty {
                return Err(SettingError { setting, what: "is empty; at least one is needed".to_owned() });
            }
        }
        match &self.dns {
            Some(dns) => dns.check()?,
            None if self.challenges.contains(&Challenge::Dns01) => {
                let what = "has dns-01, which needs dns_server or dns_hook".to_owned();
                return Err(SettingError { setting: "challenges", what });
            }
            None => {}
        }
        let has_wildcards = self.challenges.iter().all(|challenge| *challenge == Challenge::Dns01);
        self.names.iter().map(|names| NameSet::of(names, has_wildcards)).collect()
    }

    /// The public authorities, and what the file holds.
    pub(super) fn roots(&self) -> Result<RootCertStore, SettingError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let Some(file) = &self.ca_file else { return Ok(roots) };
        let name = file.display().to_string();
        let refuse = |what: &str| SettingError { setting: "ca_file", what: format!("names {name:?}, which {what}") };
        let text = std::fs::read(file).map_err(|error| refuse(&format!("cannot be read: {error}")))?;
        let mut count = 0;
        for der in CertificateDer::pem_slice_iter(&text) {
            let der = der.map_err(|error| refuse(&format!("is no PEM file: {error}")))?;
            roots.add(der).map_err(|error| refuse(&format!("holds a certificate that cannot be used: {error}")))?;
            count += 1;
        }
        if count == 0 {
            return Err(refuse("holds no certificate; allowed is a PEM file with BEGIN CERTIFICATE"));
        }
        Ok(roots)
    }
}

impl NameSet {
    fn of(names: &[String], has_wildcards: bool) -> Result<Self, SettingError> {
        let refuse = |what: String| SettingError { setting: "names", what };
        let mut sorted = BTreeSet::new();
        for name in names {
            let lower = name.to_ascii_lowercase();
            let plain = lower.strip_prefix("*.").filter(|_| has_wildcards).unwrap_or(&lower);
            if !matches!(ServerName::try_from(plain), Ok(ServerName::DnsName(_))) || lower.ends_with('.') {
                let allowed =
                    "a host name such as accounts.example.org, or *.example.org where dns-01 is the only challenge";
                return Err(refuse(format!("is {name:?}; allowed is {allowed}")));
            }
            sorted.insert(lower);
        }
        if sorted.is_empty() || sorted.len() > MAX_NAMES {
            return Err(refuse(format!("has {} names; allowed are 1 to {MAX_NAMES}", sorted.len())));
        }
        let names: Vec<String> = sorted.into_iter().collect();
        Ok(Self { key: names.join(" "), names })
    }
}

#[cfg(test)]
mod tests {
    use super::super::DnsKey;
    use super::*;

    fn settings() -> Settings {
        Settings {
            names: vec![vec!["directory.example.org".to_owned(), "Accounts.example.org".to_owned()]],
            issuers: vec![Issuer { directory: "https://ca.example/dir".to_owned(), external_account: None }],
            email: None,
            challenges: vec![Challenge::TlsAlpn01, Challenge::Http01],
            dns: None,
            profile: None,
            ca_file: None,
            pace: Pace::default(),
        }
    }

    #[test]
    fn a_set_has_one_spelling() {
        let mut settings = settings();
        let sets = settings.sets().unwrap();
        assert_eq!(sets.first().unwrap().key, "accounts.example.org directory.example.org");
        settings.names = vec![vec![
            "accounts.example.org".to_owned(),
            "DIRECTORY.example.org".to_owned(),
            "accounts.example.org".to_owned(),
        ]];
        assert_eq!(settings.sets().unwrap(), sets);
    }

    #[test]
    fn what_cannot_be_ordered_is_told() {
        for name in ["", "192.0.2.1", "::1", "*.example.org", "a b", "a..b", "example.org."] {
            let error = Settings { names: vec![vec![name.to_owned()]], ..settings() }.sets().unwrap_err();
            assert_eq!(error.setting, "names", "{name}");
        }
        assert_eq!(Settings { names: vec![vec![]], ..settings() }.sets().unwrap_err().setting, "names");
        assert_eq!(Settings { issuers: vec![], ..settings() }.sets().unwrap_err().setting, "directory");
        assert_eq!(Settings { challenges: vec![], ..settings() }.sets().unwrap_err().setting, "challenges");
        let dns_only = Settings { challenges: vec![Challenge::Dns01], ..settings() };
        assert_eq!(dns_only.sets().unwrap_err().setting, "challenges");
        let wild = Settings {
            names: vec![vec!["*.example.org".to_owned(), "example.org".to_owned()]],
            dns: Some(Dns::Update { server: "ns1.example.org:53".to_owned(), key: None }),
            ..dns_only.clone()
        };
        assert!(wild.sets().is_ok());
        assert_eq!(Settings { challenges: Challenge::ALL.to_vec(), ..wild }.sets().unwrap_err().setting, "names");
        for server in ["ns1.example.org", ":53", "ns1:dns"] {
            let dns = Some(Dns::Update { server: server.to_owned(), key: None });
            assert_eq!(Settings { dns, ..dns_only.clone() }.sets().unwrap_err().setting, "dns_server", "{server}");
        }
        let plain = Issuer { directory: "http://ca.example/dir".to_owned(), external_account: None };
        let error = Settings { issuers: vec![plain], ..settings() }.sets().unwrap_err();
        assert!(error.to_string().contains("\"http://ca.example/dir\""), "{error}");
    }

    #[test]
    fn a_file_of_authorities_holds_some() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let roots = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Settings { ca_file: Some(file.clone()), ..settings() }.roots()
        };
        let made = rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
        let public = settings().roots().unwrap().roots.len();
        assert_eq!(roots(&made.cert.pem()).unwrap().roots.len(), public + 1);
        for text in ["", "nothing", &made.signing_key.serialize_pem(), "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
            let error = roots(text).unwrap_err();
            assert!(error.to_string().starts_with("ca_file names "), "{error}");
        }
        let gone = Settings { ca_file: Some(folder.path().join("gone")), ..settings() };
        assert!(gone.roots().unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn settings_that_an_order_depends_on_have_a_name() {
        let of = |settings: &Settings| settings.fingerprint(settings.issuers.first().unwrap());
        // It is stored: neither a new compiler nor another machine gives it another one.
        assert_eq!(of(&settings()), "84dacf16fa3fab5c");
        let account = ExternalAccount { key_id: "k".to_owned(), mac_key: Zeroizing::new(vec![1]) };
        let issuer = Issuer { external_account: Some(account), ..settings().issuers.remove(0) };
        let update = |server: &str, key: Option<(&str, u8)>| {
            let key = key.map(|(name, secret)| DnsKey { name: name.to_owned(), secret: Zeroizing::new(vec![secret]) });
            Settings { dns: Some(Dns::Update { server: server.to_owned(), key }), ..settings() }
        };
        let hook = |path: &str| Settings { dns: Some(Dns::Command(path.into())), ..settings() };
        let others = [
            settings(),
            Settings { email: Some("a".to_owned()), ..settings() },
            Settings { profile: Some("a".to_owned()), ..settings() },
            Settings { challenges: vec![Challenge::Http01], ..settings() },
            Settings { ca_file: Some("a".into()), ..settings() },
            Settings { issuers: vec![issuer], ..settings() },
            update("a:53", None),
            update("b:53", None),
            update("a:53", Some(("k", 1))),
            update("a:53", Some(("l", 1))),
            update("a:53", Some(("k", 2))),
            hook("a:53"),
            hook("b"),
        ];
        let all: BTreeSet<String> = others.iter().map(of).collect();
        assert_eq!(all.len(), others.len());
    }
}
