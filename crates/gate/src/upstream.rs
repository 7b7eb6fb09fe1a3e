//! The services behind the sites: where each is, and the connections to them, which are kept for
//! the next request.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use hyper::rt::Executor;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioTimer;
use thiserror::Error;

use crate::moving::Carried;

/// How long an unused connection is kept. Node.js ends one after five seconds; a request that is
/// sent at that moment would be lost.
const KEPT: Duration = Duration::from_secs(4);

/// Unused connections that are kept for one upstream at most, for a moment.
pub const MAX_KEPT: usize = 128;

/// Bytes of an answer that are held at once, and so the most that its head may have.
const MAX_HELD: usize = 64 * 1024;

/// After this time without a word the system asks whether the other machine is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Runs what belongs to a connection until it has ended.
pub type Spawn = Arc<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

pub(crate) type Upstreams = Client<HttpConnector, Carried>;

/// Where a service answers in plain HTTP: a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream(Authority);

/// A text that names no upstream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an address with host and port and nothing else, such as \"http://127.0.0.1:3000\"")]
pub struct InvalidUpstream;

impl Upstream {
    /// The address of `path` there.
    pub(crate) fn at(&self, path: Option<&PathAndQuery>) -> Result<Uri, http::Error> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.0.clone());
        parts.path_and_query = Some(path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
        Ok(Uri::from_parts(parts)?)
    }
}

impl FromStr for Upstream {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, InvalidUpstream> {
        let parts = text.parse::<Uri>().map_err(|_| InvalidUpstream)?.into_parts();
        let is_bare = parts.path_and_query.is_none_or(|path| path == "/") && !text.contains(['#', '?']);
        let authority = parts.authority.filter(is_plain).ok_or(InvalidUpstream)?;
        if parts.scheme == Some(Scheme::HTTP) && is_bare { Ok(Self(authority)) } else { Err(InvalidUpstream) }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// Whether there is a host, nobody's name before it, and behind it a port or nothing at all.
pub(crate) fn is_plain(authority: &Authority) -> bool {
    let host = authority.host();
    let has_port = || authority.port_u16().is_some_and(|port| port != 0);
    !host.is_empty() && !authority.as_str().contains('@') && (authority.as_str() == host || has_port())
}

/// Connections to upstreams, whose tasks `spawn` runs.
pub(crate) fn upstreams(spawn: Spawn, connecting: Duration) -> Upstreams {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connecting));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_nodelay(true);
    Client::builder(Tasks(spawn))
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT)
        .pool_max_idle_per_host(MAX_KEPT)
        .http1_max_buf_size(MAX_HELD)
        .build(connector)
}

#[derive(Clone)]
struct Tasks(Spawn);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, work: F) {
        (self.0)(Box::pin(work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        for (text, shown) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://wiki:3000/", "http://wiki:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://wiki.internal", "http://wiki.internal"),
        ] {
            assert_eq!(text.parse::<Upstream>().map(|upstream| upstream.to_string()).as_deref(), Ok(shown));
        }
        for bad in [
            "",
            "wiki:3000",
            "//wiki:3000",
            "/wiki",
            "https://wiki:3000",
            "http://wiki:3000/path",
            "http://wiki:3000/?query",
            "http://wiki:3000?query",
            "http://wiki:3000/#part",
            "http://user@wiki:3000",
            "http://wiki:0",
            "http://wiki:70000",
            "http://wiki:",
            "http://:3000",
            "http://",
            "http://wiki:3000 ",
        ] {
            assert_eq!(bad.parse::<Upstream>(), Err(InvalidUpstream), "{bad:?}");
        }
    }

    #[test]
    fn a_path_goes_on_as_it_was_asked() {
        let upstream: Upstream = "http://wiki:3000".parse().unwrap();
        for path in ["/", "/a//b/../c?d=%2e%2E", "*", "/?"] {
            let path: PathAndQuery = path.parse().unwrap();
            assert_eq!(upstream.at(Some(&path)).unwrap().path_and_query(), Some(&path));
        }
        assert_eq!(upstream.at(None).unwrap().path(), "/");
    }
}
