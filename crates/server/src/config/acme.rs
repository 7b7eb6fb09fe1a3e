//! `[acme]`: from whom certificates are ordered, and how names are proved to be ours.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use ostiary_edge::acme::{Challenge, Dns, DnsKey, ExternalAccount, Issuer, Pace, Settings};
use ostiary_model::Secret;
use zeroize::Zeroizing;

use super::raw::Raw;
use super::setting::{Allowed, Setting};
use super::site::is_domain;
use super::{Config, HttpsMode};

/// Let's Encrypt.
const DEFAULT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// `[acme]`.
pub(crate) struct AcmeConfig {
    pub(crate) directory: Vec<String>,
    pub(crate) email: String,
    pub(crate) challenges: Challenges,
    pub(crate) profile: String,
    pub(crate) eab_directory: String,
    pub(crate) eab_key_id: String,
    pub(crate) eab_mac_key: Option<MacKey>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) dns_server: String,
    pub(crate) dns_key_name: String,
    pub(crate) dns_key: Option<UpdateKey>,
    pub(crate) dns_hook: Option<PathBuf>,
}

/// The key by which updates of a zone are signed.
pub(crate) struct UpdateKey(Secret);

/// How names are proved, in order.
pub(crate) struct Challenges(pub(crate) Vec<Challenge>);

/// The key of an account to be bound to.
pub(crate) struct MacKey(Secret);

impl Default for AcmeConfig {
    fn default() -> Self {
        Self {
            directory: vec![DEFAULT.to_owned()],
            email: String::new(),
            challenges: Challenges(vec![Challenge::TlsAlpn01, Challenge::Http01]),
            profile: String::new(),
            eab_directory: String::new(),
            eab_key_id: String::new(),
            eab_mac_key: None,
            ca_file: None,
            dns_server: String::new(),
            dns_key_name: String::new(),
            dns_key: None,
            dns_hook: None,
        }
    }
}

impl Setting for Challenges {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        const ALLOWED: &str = r#"a list of "tls-alpn-01", "http-01" and "dns-01""#;
        let names = Vec::<String>::read(raw).map_err(|_| ALLOWED.to_owned())?;
        let challenges: Option<Vec<_>> = names.iter().map(|name| Challenge::named(name)).collect();
        challenges.filter(|list| !list.is_empty()).map(Self).ok_or_else(|| ALLOWED.to_owned())
    }

    fn write(&self) -> String {
        self.0.iter().map(|challenge| challenge.name().to_owned()).collect::<Vec<_>>().write()
    }
}

impl MacKey {
    fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let text = self.0.expose();
        URL_SAFE_NO_PAD
            .decode(text)
            .or_else(|_| URL_SAFE.decode(text))
            .ok()
            .filter(|key| !key.is_empty())
            .map(Zeroizing::new)
    }
}

impl Setting for MacKey {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        let key = Self(Secret::new(String::read(raw)?));
        match key.decode() {
            Some(_) => Ok(key),
            None => Err("a key in base64url, as the authority gave it".to_owned()),
        }
    }

    fn write(&self) -> String {
        String::new().write()
    }
}

impl UpdateKey {
    fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        STANDARD.decode(self.0.expose()).ok().filter(|key| !key.is_empty()).map(Zeroizing::new)
    }
}

impl Setting for UpdateKey {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        let key = Self(Secret::new(String::read(raw)?));
        match key.decode() {
            Some(_) => Ok(key),
            None => Err("a key in base64, as tsig-keygen or keymgr writes it".to_owned()),
        }
    }

    fn write(&self) -> String {
        String::new().write()
    }
}

impl AcmeConfig {
    /// Keys that do not go with the others, and why.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.eab_key_id.is_empty() != self.eab_mac_key.is_none() {
            let missing = if self.eab_key_id.is_empty() { "eab_key_id" } else { "eab_mac_key" };
            problems.push((
                missing,
                "is not set, but the other one is; set eab_key_id and eab_mac_key, or none".to_owned(),
            ));
        }
        if !self.eab_directory.is_empty() && !self.directory.contains(&self.eab_directory) {
            problems
                .push(("eab_directory", format!("is {:?}; allowed is one of [acme] directory", self.eab_directory)));
        }
        if self.dns_key_name.is_empty() != self.dns_key.is_none() {
            let missing = if self.dns_key.is_none() { "dns_key" } else { "dns_key_name" };
            problems
                .push((missing, "is not set, but the other one is; set dns_key_name and dns_key, or none".to_owned()));
        }
        if !self.dns_server.is_empty() && self.dns_hook.is_some() {
            problems.push(("dns_hook", "is set, and dns_server as well; set one of them".to_owned()));
        }
        problems
    }

    fn dns(&self) -> Option<Dns> {
        if let Some(hook) = &self.dns_hook {
            return Some(Dns::Command(hook.clone()));
        }
        let key = self.dns_key.as_ref().and_then(UpdateKey::decode);
        let key = key.map(|secret| DnsKey { name: self.dns_key_name.clone(), secret });
        (!self.dns_server.is_empty()).then(|| Dns::Update { server: self.dns_server.clone(), key })
    }

    /// Orders for these sets of names.
    pub(crate) fn settings(&self, names: Vec<Vec<String>>) -> Settings {
        let account = self.eab_mac_key.as_ref().and_then(MacKey::decode);
        let mut account = account.map(|mac_key| ExternalAccount { key_id: self.eab_key_id.clone(), mac_key });
        let mut issuer = |directory: &String| {
            let is_bound = self.eab_directory.is_empty() || self.eab_directory == *directory;
            Issuer { directory: directory.clone(), external_account: if is_bound { account.take() } else { None } }
        };
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Settings {
            names,
            issuers: self.directory.iter().map(&mut issuer).collect(),
            email: given(&self.email),
            challenges: self.challenges.0.clone(),
            dns: self.dns(),
            profile: given(&self.profile),
            ca_file: self.ca_file.clone(),
            pace: Pace::default(),
        }
    }
}

impl Config {
    /// What authorities would refuse to be asked for or by: section, key, and why. Opens no file.
    pub(super) fn order_problems(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut problems = Vec::new();
        if self.https.mode != HttpsMode::Acme {
            return problems;
        }
        if let Ok(site) = self.site(0) {
            for (key, url) in [("accounts_url", &site.accounts_url), ("directory_url", &site.directory_url)] {
                if !url.domain().is_some_and(is_domain) {
                    let allowed = "an address with a host name, which [https] mode = \"acme\" needs";
                    problems.push(("site", key, format!("is {:?}; allowed is {allowed}", url.as_str())));
                }
            }
        }
        if let Err(error) = self.acme.settings(Vec::new()).check() {
            problems.push(("acme", error.setting, error.what));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn an_account_belongs_to_one_authority() {
        let mut config = AcmeConfig {
            directory: vec!["https://a.example/dir".to_owned(), "https://b.example/dir".to_owned()],
            eab_key_id: "kid".to_owned(),
            eab_mac_key: MacKey::read(&text("c2VjcmV0")).ok(),
            ..AcmeConfig::default()
        };
        let bound = |config: &AcmeConfig| {
            let settings = config.settings(Vec::new());
            settings.issuers.iter().map(|issuer| issuer.external_account.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(bound(&config), [true, false]);
        config.eab_directory = "https://b.example/dir".to_owned();
        assert_eq!(bound(&config), [false, true]);
        assert!(config.problems().is_empty());
        config.eab_directory = "https://c.example/dir".to_owned();
        config.eab_mac_key = None;
        config.dns_hook = Some(PathBuf::from("/etc/hook"));
        assert!(matches!(config.dns(), Some(Dns::Command(_))));
        assert_eq!(config.problems().iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["eab_mac_key", "eab_directory"]);
    }

    #[test]
    fn challenges_and_keys_are_read() {
        assert!(MacKey::read(&text("not base64!")).is_err() && MacKey::read(&text("")).is_err());
        assert!(Challenges::read(&text("dns-02")).is_err() && UpdateKey::read(&text("-")).is_err());
        assert!(Challenges::read(&text("")).is_err());
        assert_eq!(Challenges::read(&text("http-01")).ok().map(|list| list.0), Some(vec![Challenge::Http01]));
    }
}
