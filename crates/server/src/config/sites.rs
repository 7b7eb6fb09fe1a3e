//! `[[sites]]`: host names that are forwarded to services of one's own.

use std::net::IpAddr;

use ostiary_gate::{Site, Upstream};

use super::Config;
use super::problems::{Place, Problems};
use super::raw::Raw;
use super::setting::{Allowed, Setting};
use super::site::is_domain;

/// One entry.
#[derive(Default)]
pub(crate) struct SiteEntry {
    pub(crate) host: String,
    pub(crate) upstream: Option<Upstream>,
    /// Where it stands, for messages.
    pub(crate) place: Option<Place>,
}

impl SiteEntry {
    /// What is to be forwarded, when it is whole.
    pub(crate) fn to_site(&self) -> Option<Site> {
        Some(Site { host: self.host.as_str().into(), upstream: self.upstream.clone()? })
    }
}

impl Config {
    /// What is wrong with the sites.
    pub(super) fn check_sites(&self, problems: &mut Problems) {
        let own = self.site(0).ok();
        let own = own.iter().flat_map(|site| [site.accounts_url.host_str(), site.directory_url.host_str()]);
        let own: Vec<&str> = own.flatten().collect();
        for (number, site) in self.sites.iter().enumerate() {
            let Some(place) = &site.place else { continue };
            let host = site.host.as_str();
            if !is_domain(host) || host.parse::<IpAddr>().is_ok() {
                let allowed = "a host name in small letters such as \"wiki.example.org\"";
                problems.at(place, format_args!("[[sites]] host is {host:?}; allowed is {allowed}"));
            } else if own.contains(&host) {
                problems.at(place, format_args!("[[sites]] {host:?} is Ostiary's own host; leave it out"));
            } else if self.sites.iter().take(number).any(|other| other.host == host) {
                problems.at(place, format_args!("[[sites]] {host:?} is there twice; leave one of them out"));
            }
            if site.upstream.is_none() {
                problems.at(place, format_args!("[[sites]] {host:?} has no upstream; name one"));
            }
        }
    }
}

impl Setting for Upstream {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        match raw {
            Raw::Text(text) | Raw::Untyped(text) => text.parse().map_err(|error| format!("{error}")),
            _ => Err(ostiary_gate::InvalidUpstream.to_string()),
        }
    }

    fn write(&self) -> String {
        format!("{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read;
    use super::*;

    fn with(text: &str) -> Result<Config, String> {
        let file = Some((Path::new("ostiary.toml"), text));
        read::read(file, Vec::new(), Problems::default()).map_err(|problems| problems.to_string())
    }

    #[test]
    fn sites_are_read() {
        let config = with(
            "[[sites]]\nhost = \"wiki.example.org\"\nupstream = \"http://127.0.0.1:3000\"\n\
             [[sites]]\nhost = \"cms.example.org\"\nupstream = \"http://cms:8055/\"\n",
        )
        .unwrap();
        let sites: Vec<Site> = config.sites.iter().filter_map(SiteEntry::to_site).collect();
        assert_eq!(&*sites[1].host, "cms.example.org");
        assert_eq!(sites[1].upstream.to_string(), "http://cms:8055");
        assert!(with("").unwrap().sites.is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_site_is_told_with_its_line() {
        let good = "upstream = \"http://127.0.0.1:3000\"\n";
        let site = |host: &str, rest: &str| format!("[[sites]]\nhost = {host:?}\n{rest}");
        for (text, part) in [
            (
                site("wiki.example.org", "upstraem = 1\n"),
                "line 3: there is no key upstraem in [[sites]]; the nearest is upstream",
            ),
            (
                site("wiki.example.org", "upstream = \"https://a:1\"\n"),
                "line 3: [sites] upstream is \"https://a:1\"; allowed is an address with host and port",
            ),
            (site("wiki.example.org", "upstream = 3000\n"), "line 3: [sites] upstream is 3000; allowed is an address"),
            (site("wiki.example.org", ""), "line 1: [[sites]] \"wiki.example.org\" has no upstream; name one"),
            (
                site("Wiki.example.org", good),
                "line 1: [[sites]] host is \"Wiki.example.org\"; allowed is a host name in small letters",
            ),
            (site("wiki.example.org:80", good), "line 1: [[sites]] host is"),
            (site("*.example.org", good), "line 1: [[sites]] host is"),
            (site("127.0.0.1", good), "line 1: [[sites]] host is"),
            (site("", good), "line 1: [[sites]] host is"),
            (site("accounts.localhost", good), "line 1: [[sites]] \"accounts.localhost\" is Ostiary's own host"),
            (site("directory.localhost", good), "line 1: [[sites]] \"directory.localhost\" is Ostiary's own host"),
            (
                format!("{0}{0}", site("wiki.example.org", good)),
                "line 4: [[sites]] \"wiki.example.org\" is there twice",
            ),
            ("[sites]\nhost = \"a\"\n".to_owned(), "line 1: sites are a list: begin each one with [[sites]]"),
            ("sites = [1]\n".to_owned(), "line 1: found 1; allowed are tables, each begun by [[sites]]"),
        ] {
            let told = with(&text).err().unwrap_or_default();
            assert!(told.contains(part), "{part:?} is missing in:\n{told}");
        }
    }
}
