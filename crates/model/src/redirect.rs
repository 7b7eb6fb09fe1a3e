//! Where an application gets its answers: redirect URIs, checked hard when they are registered
//! so that a request needs no more than a comparison of texts.
//!
//! RFC 9700 section 2.1 asks for exact comparison. What makes that safe is that a registered URI
//! stands in its normal form: whatever parser reads it later finds the same host in it.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

/// Longer ones are of no use to anybody.
const MAX_LENGTH: usize = 2048;

/// Why a redirect URI cannot be registered. The text says what to do and may be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidRedirect {
    /// Longer than is stored.
    #[error("the redirect URI is longer than 2048 characters")]
    TooLong,
    /// Not an absolute `http` or `https` URI.
    #[error("{0:?} is not a complete address; write it as https://app.example.org/callback")]
    NotAbsolute(String),
    /// `http` to somewhere that is not this machine.
    #[error("{0:?} would send sign-ins over the network unencrypted; use https (http is for localhost and 127.0.0.1)")]
    Plain(String),
    /// With a fragment (RFC 6749 section 3.1.2).
    #[error("{0:?} has a fragment; leave out the # and what follows")]
    Fragment(String),
    /// With a user name in front of the host.
    #[error("{0:?} has an @ in front of the path; leave out the user name")]
    UserInfo(String),
    /// With a wildcard.
    #[error("{0:?} has a *; write every address out, they are compared letter by letter")]
    Wildcard(String),
    /// With a slash or backslash hidden in the path.
    #[error("{0:?} has an encoded slash in its path; write the path out")]
    EncodedSlash(String),
    /// Not as a browser would write it.
    #[error("{found:?} can be read in two ways; write it as {normal}")]
    NotNormal {
        /// As it was given.
        found: String,
        /// What a browser makes of it.
        normal: Url,
    },
}

/// A redirect URI (RFC 6749 section 3.1.2): `https`, or `http` to this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    url: Url,
}

impl RedirectUri {
    /// Checks `text` for registration.
    ///
    /// Private-use schemes (RFC 8252 section 7.1) are not taken: any program can claim them.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidRedirect> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidRedirect::TooLong);
        }
        let owned = || text.to_owned();
        let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
            return Err(InvalidRedirect::NotAbsolute(owned()));
        };
        let Ok(url) = Url::parse(text) else { return Err(InvalidRedirect::NotAbsolute(owned())) };
        if text.contains('#') {
            return Err(InvalidRedirect::Fragment(owned()));
        }
        if text.contains('*') {
            return Err(InvalidRedirect::Wildcard(owned()));
        }
        if rest.split(['/', '?']).next().is_none_or(|authority| authority.contains('@')) {
            return Err(InvalidRedirect::UserInfo(owned()));
        }
        if has_encoded_slash(url.path()) {
            return Err(InvalidRedirect::EncodedSlash(owned()));
        }
        if !is_normal(text, &url) {
            return Err(InvalidRedirect::NotNormal { found: owned(), normal: url });
        }
        if url.scheme() == "http" && !is_this_machine(&url) {
            return Err(InvalidRedirect::Plain(owned()));
        }
        Ok(Self { text: owned(), url })
    }

    /// Takes back one that was checked before it was stored. `None` when it is no URI.
    #[must_use]
    pub fn from_stored(text: String) -> Option<Self> {
        let url = Url::parse(&text).ok()?;
        Some(Self { text, url })
    }

    /// As it was registered, or as the request had it: the two differ in a port at most.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, for building the answer's address on.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The host with its port, for people to read.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// This URI as `presented` in a request: equal byte for byte or, where `any_loopback_port`
    /// says so, with another port on a loopback address (RFC 8252 section 7.3).
    #[must_use]
    pub fn accept(&self, presented: &str, any_loopback_port: bool) -> Option<Self> {
        if self.text == presented {
            return Some(self.clone());
        }
        if !any_loopback_port {
            return None;
        }
        let registered = LoopbackParts::of(&self.text)?;
        let asked = LoopbackParts::of(presented)?;
        (registered == asked).then(|| Self::from_stored(presented.to_owned())).flatten()
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether `text` is what a browser would make of it. This refuses capital letters in the host,
/// default ports, dots as path segments (also `%2e`), backslashes, tabs, and every odd spelling
/// of an IP address, without a list of tricks to keep up to date.
fn is_normal(text: &str, url: &Url) -> bool {
    let normal = url.as_str();
    // `https://app.example` has the empty path; browsers add the slash.
    let same = text == normal || (url.path() == "/" && normal.strip_suffix('/') == Some(text));
    same && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Some servers decode these before they look for dots, browsers do not.
fn has_encoded_slash(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.contains("%2f") || path.contains("%5c")
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // RFC 6761 section 6.3: these names are the machine itself.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// A loopback URI without its port: the literal in front of it, and path and query behind it.
#[derive(PartialEq, Eq)]
struct LoopbackParts<'a> {
    address: IpAddr,
    rest: &'a str,
}

impl<'a> LoopbackParts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let after = text.strip_prefix("http://")?;
        let end = after.find(['/', '?', '#', '\\', '@']).unwrap_or(after.len());
        let (authority, rest) = after.split_at_checked(end)?;
        if !(rest.is_empty() || rest.starts_with(['/', '?'])) {
            return None;
        }
        let (address, port) = match authority.strip_prefix("[::1]") {
            Some(port) => (IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), port),
            None => (IpAddr::from([127, 0, 0, 1]), authority.strip_prefix("127.0.0.1")?),
        };
        match port.strip_prefix(':') {
            None if port.is_empty() => {}
            Some(digits) if digits.parse::<u16>().is_ok_and(|number| number.to_string() == digits) => {}
            _ => return None,
        }
        Some(Self { address, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_registered() {
        for good in [
            "https://app.example.org/callback",
            "https://app.example.org",
            "https://app.example.org/",
            "https://app.example.org:8443/cb?tenant=a&x=%20",
            "https://xn--bcher-kva.example/cb",
            "https://[2001:db8::1]/cb",
            "https://app.example.org/a..b/c.d",
            "http://localhost:8055/auth/login/ostiary/callback",
            "http://directus.localhost:8055/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:9/callback",
            "http://[::1]:3000/cb",
        ] {
            let uri = RedirectUri::parse(good);
            assert!(uri.is_ok(), "{good}: {uri:?}");
        }
    }

    /// Class 3 of the flaws that peers had: what one parser takes for a path another takes for a host.
    #[test]
    fn what_may_not_be_registered() {
        use InvalidRedirect as No;
        type Is = fn(&No) -> bool;
        let absolute: Is = |no| matches!(no, No::NotAbsolute(_));
        let normal: Is = |no| matches!(no, No::NotNormal { .. });
        let user: Is = |no| matches!(no, No::UserInfo(_));
        let plain: Is = |no| matches!(no, No::Plain(_));
        for (bad, is) in [
            ("", absolute),
            ("/callback", absolute),
            ("//app.example.org/cb", absolute),
            ("app.example.org/cb", absolute),
            ("javascript:alert(1)", absolute),
            ("JavaScript://app.example.org/%0aalert(1)", absolute),
            ("data:text/html,x", absolute),
            ("HTTPS://app.example.org/cb", absolute),
            ("com.example.app:/cb", absolute),
            ("https://", absolute),
            ("https:///", absolute),
            ("https:app.example.org/cb", absolute),
            (" https://app.example.org/cb", absolute),
            ("https://app.example.org/cb ", normal),
            ("https://app.example.org/c\tb", normal),
            ("https://app.example.org/cb\n", normal),
            ("https://app.example.org\\@evil.example/cb", user),
            ("https://app.example.org@evil.example/cb", user),
            ("https://a@b@evil.example/cb", user),
            ("https://user:secret@app.example.org/cb", user),
            ("https://app.example.org/a/../cb", normal),
            ("https://app.example.org/a/%2e%2e/cb", normal),
            ("https://app.example.org/a/%2E./cb", normal),
            ("https://app.example.org/a%2f..%2fcb", |no| matches!(no, No::EncodedSlash(_))),
            ("https://app.example.org/a\\cb", normal),
            ("https://app.example.org/a%5C..%5Ccb", |no| matches!(no, No::EncodedSlash(_))),
            ("https://APP.example.org/cb", normal),
            ("https://app.example.org:443/cb", normal),
            ("https://app.example.org:0443/cb", normal),
            ("https://bücher.example/cb", normal),
            ("http://127.1/cb", normal),
            ("http://0x7f.0.0.1/cb", normal),
            ("http://2130706433/cb", normal),
            ("http://app.example.org/cb", plain),
            ("http://localhost.example.org/cb", plain),
            ("http://notlocalhost/cb", plain),
            ("http://192.168.1.2/cb", plain),
            ("http://0.0.0.0/cb", plain),
            ("https://app.example.org/cb#", |no| matches!(no, No::Fragment(_))),
            ("https://app.example.org/cb#x", |no| matches!(no, No::Fragment(_))),
            ("https://*.example.org/cb", |no| matches!(no, No::Wildcard(_))),
            ("https://app.example.org/*", |no| matches!(no, No::Wildcard(_))),
        ] {
            match RedirectUri::parse(bad) {
                Err(no) => assert!(is(&no), "{bad:?}: {no:?}"),
                Ok(_) => panic!("{bad:?} was taken"),
            }
        }
        assert_eq!(RedirectUri::parse(&format!("https://a.example/{}", "x".repeat(2048))), Err(No::TooLong));
    }

    #[test]
    fn requests_match_byte_for_byte() {
        let registered = RedirectUri::parse("https://app.example.org/cb?x=1").unwrap();
        assert_eq!(registered.accept("https://app.example.org/cb?x=1", true).unwrap(), registered);
        for presented in [
            "",
            "https://app.example.org/cb",
            "https://app.example.org/cb?x=1&y=2",
            "https://app.example.org/cb?x=1#",
            "https://app.example.org/cb/?x=1",
            "https://app.example.org/CB?x=1",
            "https://App.example.org/cb?x=1",
            "https://app.example.org:443/cb?x=1",
            "https://app.example.org.evil.example/cb?x=1",
            "https://app.example.org@evil.example/cb?x=1",
            "https://app.example.org/cb%3Fx=1",
            "https://app.example.org/./cb?x=1",
            "https://app.example.org\\/cb?x=1",
            "http://app.example.org/cb?x=1",
            "https://evil.example/https://app.example.org/cb?x=1",
            "https://appxexample.org/cb?x=1",
        ] {
            assert_eq!(registered.accept(presented, true), None, "{presented}");
        }
    }

    #[test]
    fn only_loopback_literals_may_differ_in_port() {
        let registered = RedirectUri::parse("http://127.0.0.1/cb").unwrap();
        for presented in ["http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", "http://127.0.0.1:9/cb"] {
            assert_eq!(registered.accept(presented, true).unwrap().as_str(), presented);
            assert_eq!(registered.accept(presented, false), None, "{presented}");
        }
        let six = RedirectUri::parse("http://[::1]:3000/cb").unwrap();
        assert!(six.accept("http://[::1]:3001/cb", true).is_some());
        for presented in [
            "http://127.0.0.1:1/other",
            "http://127.0.0.1:1/cb?x",
            "http://127.0.0.1:1/cb#x",
            "http://127.0.0.1:01/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:+1/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "http://127.0.0.1:1\\@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.2:1/cb",
            "http://localhost:1/cb",
            "http://[::1]:1/cb",
            "https://127.0.0.1:1/cb",
        ] {
            assert_eq!(registered.accept(presented, true), None, "{presented}");
        }
        let named = RedirectUri::parse("http://localhost:3000/cb").unwrap();
        assert_eq!(named.accept("http://localhost:3001/cb", true), None);
    }

    #[test]
    fn people_read_the_host() {
        let host = |text| RedirectUri::parse(text).unwrap().host();
        assert_eq!(host("https://app.example.org/cb"), "app.example.org");
        assert_eq!(host("http://127.0.0.1:8055/cb"), "127.0.0.1:8055");
    }
}
