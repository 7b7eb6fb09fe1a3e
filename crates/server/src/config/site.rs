//! What follows from several keys together: addresses from the domain and the port, the base DN,
//! and the settings of the verbs. And what can only be judged together.

use ostiary_app::{HashParameters, MailRoute, MailSettings, Settings, Site};
use ostiary_model::{Dn, Email};
use ostiary_store::DatabaseUrl;
use url::Url;

use super::Config;
use super::problems::{Place, Problems};

/// A domain whose names every browser resolves to its own machine (RFC 6761 section 6.3), and to
/// which plain HTTP is as safe as HTTPS.
fn is_local(domain: &str) -> bool {
    domain == "localhost" || domain.ends_with(".localhost")
}

pub(super) fn is_domain(domain: &str) -> bool {
    domain.len() <= 240
        // Else browsers take it for an address.
        && domain.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

impl Config {
    /// Judges what no key can be judged by alone, and what needs more than its kind.
    pub(crate) fn check(&self, problems: &mut Problems) {
        let mut told = |section: &str, key: &str, what: String| match self.place(section, key) {
            Some(place) => problems.at(place, format_args!("[{section}] {key} {what}")),
            None => problems.general(format_args!("[{section}] {key} {what}")),
        };
        if !is_domain(&self.site.domain) {
            let found = &self.site.domain;
            told(
                "site",
                "domain",
                format!(
                    "is {found:?}; allowed is a domain name in small letters such as \"example.org\" (others in their xn-- form)"
                ),
            );
        } else if let Err((key, what)) = self.site(0) {
            told("site", key, what);
        } else if let Err(error) = Dn::parse(&self.base_dn()) {
            let found = &self.base_dn;
            told(
                "directory",
                "base_dn",
                format!("is {found:?}; allowed is a distinguished name such as \"dc=example,dc=org\" ({error})"),
            );
        }
        if self.site.org_name.is_empty() {
            told("site", "org_name", "is empty; allowed is a name".to_owned());
        }
        if Email::parse(&self.mail_from()).is_err() {
            told("mail", "from", format!("is {:?}; allowed is an e-mail address", self.mail.from));
        }
        let min_length = self.password_policy.min_length;
        if !(8..=64).contains(&min_length) {
            told("password_policy", "min_length", format!("is {min_length}; allowed is 8 to 64"));
        }
        let HashParameters { memory_kib, parallelism, .. } = self.hash;
        if parallelism > 255 {
            told("sign_in", "hash_parallelism", format!("is {parallelism}; allowed is 1 to 255"));
        } else if memory_kib < parallelism.saturating_mul(8) {
            told(
                "sign_in",
                "hash_memory",
                format!("is {memory_kib}; allowed are 8 KiB or more for each of the {parallelism} lanes"),
            );
        }
        for (key, allowed) in self.posix.problems() {
            told("posix", key, format!("cannot be used; allowed is {allowed}"));
        }
        for (key, what) in self.ldap.problems(self.https.is_on()) {
            told("ldap", key, what);
        }
        for (key, what) in self.acme.problems() {
            told("acme", key, what);
        }
        for (section, key, what) in self.order_problems() {
            told(section, key, what);
        }
        for (key, what) in self.https.problems() {
            told("https", key, what);
        }
        for (number, client) in self.clients.iter().enumerate() {
            let twice = self.clients.iter().take(number).any(|other| other.id == client.id);
            if let (true, Some(place)) = (twice, &client.place) {
                problems.at(place, format_args!("[[clients]] {:?} is there twice; leave one of them out", client.id));
            }
        }
        self.check_sites(problems);
    }

    /// Where a key was set, if it was.
    pub(super) fn place(&self, section: &str, key: &str) -> Option<&Place> {
        self.places.iter().find(|(in_section, name, _)| in_section == section && name == key).map(|(_, _, place)| place)
    }

    /// Names and addresses, for a server whose pages are on `port`.
    ///
    /// # Errors
    /// Which key is to blame, and for what: both hosts would be the same, say.
    pub(crate) fn site(&self, port: u16) -> Result<Site, (&'static str, String)> {
        let accounts_url = self.host_url("accounts", port, self.site.accounts_url.as_ref())?;
        let directory_url = self.host_url("directory", port, self.site.directory_url.as_ref())?;
        // Where both are at odds, it is the one that somebody has set.
        let given = if self.site.directory_url.is_some() { "directory_url" } else { "accounts_url" };
        if accounts_url.host_str() == directory_url.host_str() {
            let host = accounts_url.host_str().unwrap_or_default();
            return Err((given, format!("makes {host:?} the host of both sites; allowed are two hosts")));
        }
        let both = [("accounts_url", &accounts_url), ("directory_url", &directory_url)];
        if let Some((key, _)) = both.iter().find(|(_, url)| self.https.is_on() && url.scheme() != "https") {
            let what = "is plain HTTP, but [https] mode is on; allowed is an address that begins with https://";
            return Err((key, what.to_owned()));
        }
        if accounts_url.scheme() != directory_url.scheme() {
            let what = "is https where the other site is http, or the other way round; allowed is one of them for both";
            return Err((given, what.to_owned()));
        }
        Ok(Site { org_name: self.site.org_name.clone(), accounts_url, directory_url })
    }

    fn host_url(&self, name: &str, port: u16, given: Option<&Url>) -> Result<Url, (&'static str, String)> {
        if let Some(url) = given {
            return Ok(url.clone());
        }
        let domain = &self.site.domain;
        let address = match (is_local(domain), port) {
            (_, 0 | 443) if self.https.is_on() => format!("https://{name}.{domain}"),
            (_, port) if self.https.is_on() => format!("https://{name}.{domain}:{port}"),
            (true, 0 | 80) => format!("http://{name}.{domain}"),
            (true, port) => format!("http://{name}.{domain}:{port}"),
            (false, _) => format!("https://{name}.{domain}"),
        };
        let unusable = |error| format!("gives the address {address}, which cannot be used: {error}");
        Url::parse(&address).map_err(|error| ("domain", unusable(error)))
    }

    /// The base DN: as set, or one `dc` for each part of the domain (RFC 2247).
    pub(crate) fn base_dn(&self) -> String {
        if self.base_dn.is_empty() {
            self.site.domain.split('.').map(|label| format!("dc={label}")).collect::<Vec<_>>().join(",")
        } else {
            self.base_dn.clone()
        }
    }

    /// Where the database is.
    pub(crate) fn database(&self) -> DatabaseUrl {
        self.database.clone().unwrap_or_else(|| DatabaseUrl::Sqlite(self.data_dir.join("ostiary.db")))
    }

    fn mail_from(&self) -> String {
        if self.mail.from.is_empty() { format!("ostiary@{}", self.site.domain) } else { self.mail.from.clone() }
    }

    /// The settings of the verbs, for a server whose pages are on `port`.
    ///
    /// # Errors
    /// As [`Config::site`].
    pub(crate) fn settings(&self, port: u16) -> Result<Settings, String> {
        let site = self.site(port).map_err(|(key, what)| format!("[site] {key} {what}"))?;
        Ok(Settings {
            base_dn: self.base_dn(),
            hash: self.hash,
            lockout: self.lockout.clone(),
            session: self.session,
            password_policy: self.password_policy,
            tokens: self.tokens,
            ldap_bind_password: self.ldap.bind_password,
            ldap_url: site.accounts_url.host_str().and_then(|host| self.ldap.url(host)),
            site,
            posix: self.posix.clone(),
            mail: MailSettings {
                route: self.mail.route.clone().unwrap_or_else(|| MailRoute::Folder(self.data_dir.join("mail"))),
                from: self.mail_from(),
            },
        })
    }

    /// What works but deserves a word.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Ok(site) = self.site(0) {
            for url in [&site.accounts_url, &site.directory_url] {
                if url.scheme() == "http" && !url.domain().is_some_and(is_local) {
                    warnings.push(format!("{url} is plain HTTP: passwords and sessions can be read on the way"));
                }
            }
        }
        warnings.extend(self.ldap.warnings(self.https.is_on()));
        warnings.extend(self.metrics.warnings());
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(domain: &str) -> Config {
        let mut config = Config::default();
        config.site.domain = domain.to_owned();
        config
    }

    fn problems(config: &Config) -> String {
        let mut problems = Problems::default();
        config.check(&mut problems);
        if problems.is_empty() { String::new() } else { problems.to_string() }
    }

    #[test]
    fn addresses_follow_from_domain_and_port() {
        for (domain, port, accounts, base_dn) in [
            ("localhost", 8080, "http://accounts.localhost:8080/", "dc=localhost"),
            ("localhost", 80, "http://accounts.localhost/", "dc=localhost"),
            ("example.org", 8080, "https://accounts.example.org/", "dc=example,dc=org"),
        ] {
            let config = config(domain);
            assert_eq!(config.site(port).unwrap().accounts_url.as_str(), accounts);
            assert_eq!(config.base_dn(), base_dn);
            assert_eq!(problems(&config), "");
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for domain in
            ["", "example.7", "192.0.2.1", "Example.org", "exa mple.org", "-a.org", "a..org", "a.org.", "münchen.de"]
        {
            assert!(problems(&config(domain)).contains("[site] domain is"), "{domain:?}");
        }
        let mut same = config("example.org");
        same.site.directory_url = Url::parse("https://accounts.example.org").ok();
        assert!(problems(&same).contains("the host of both sites"));
        same.site.directory_url = Url::parse("http://directory.example.org").ok();
        assert!(problems(&same).contains("is https where"));
        let mut weak = config("example.org");
        weak.password_policy.min_length = 4;
        weak.hash.parallelism = 4000;
        weak.mail.from = "nobody".to_owned();
        weak.posix.last = weak.posix.first - 1;
        weak.posix.defaults.home = "/home".to_owned();
        let told = problems(&weak);
        assert!(
            told.contains("min_length is 4") && told.contains("hash_parallelism is 4000") && told.contains("from is"),
            "{told}"
        );
        assert!(told.contains("[posix] last cannot be used") && told.contains("has {username} in it"), "{told}");
    }

    #[test]
    fn the_key_that_is_to_blame_is_named() {
        for (accounts, directory, rest, blamed) in [
            (
                "http://accounts.example.org",
                "https://directory.example.org",
                "",
                "line 3: [site] accounts_url is plain",
            ),
            (
                "https://accounts.example.org",
                "http://directory.example.org",
                "",
                "line 4: [site] directory_url is plain",
            ),
            ("https://a_b.example.org", "https://-c.example.org", "", "line 3: [site] accounts_url is \"https://a_b."),
            ("https://a_b.example.org", "https://-c.example.org", "", "line 4: [site] directory_url is \"https://-c."),
            ("", "", "directory = \"http://ca.example/dir\"", "line 8: [acme] directory is \"http://ca.example/dir\""),
            ("", "", "challenges = \"dns-01\"", "line 8: [acme] challenges has dns-01, which needs dns_server or"),
            ("", "", "dns_server = \"ns1.example.org\"", "line 8: [acme] dns_server is \"ns1.example.org\""),
        ] {
            let given = |key: &str, url: &str| if url.is_empty() { String::new() } else { format!("{key} = {url:?}") };
            let (accounts, directory) = (given("accounts_url", accounts), given("directory_url", directory));
            let text = format!(
                "[site]\ndomain = \"example.org\"\n{accounts}\n{directory}\n[https]\nmode = \"acme\"\n[acme]\n{rest}\n"
            );
            let file = Some((std::path::Path::new("ostiary.toml"), text.as_str()));
            let told = super::super::read::read(file, Vec::new(), Problems::default()).err();
            let told = told.map(|problems| problems.to_string()).unwrap_or_default();
            assert!(told.contains(blamed) && !told.contains("] host "), "{blamed:?} is missing in:\n{told}");
        }
    }

    #[test]
    fn plain_text_over_a_network_deserves_a_word() {
        assert!(config("localhost").warnings().is_empty());
        let mut open = config("example.org");
        open.site.accounts_url = Url::parse("http://accounts.example.org").ok();
        open.site.directory_url = Url::parse("http://directory.example.org").ok();
        open.ldap.listen = Some(vec!["0.0.0.0:389".parse().unwrap()]);
        assert_eq!(open.warnings().len(), 3);
    }
}
