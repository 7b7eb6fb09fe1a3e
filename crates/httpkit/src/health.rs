//! The health check: whether the parts answer, and how it stands with the certificates.
//!
//! It answers under every host name and to everybody, so strangers learn what a handshake with our
//! own two hosts shows anyhow. The names of other sites, which nobody learns who does not know
//! them, and what went wrong in detail, which holds the words of authorities, addresses of inner
//! name servers and paths of commands, are for whoever asks on this machine: `ostiary health`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, FORWARDED, HeaderName, VIA};
use http::{HeaderValue, Request, StatusCode};
use ostiary_app::{App, Health};
use ostiary_model::{Actor, CertificateState, Timestamp};
use serde::Serialize;

use crate::front::asked_host;

/// What strangers are told of everything that goes wrong with a certificate.
const GENERAL: &str = "the last attempt to get one failed; the log and the page System say why";

/// With one of these a request comes from somewhere else, whoever brings it here.
const FORWARDING: [HeaderName; 6] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// Tells how it stands with the certificates of this server, whenever somebody wants to know.
#[derive(Clone)]
pub struct CertificatesShown {
    tell: Arc<dyn Fn() -> Vec<CertificateState> + Send + Sync>,
    root: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl CertificatesShown {
    /// `tell` is called for each page that shows it, so it must not wait for anything.
    pub fn new(tell: impl Fn() -> Vec<CertificateState> + Send + Sync + 'static) -> Self {
        Self { tell: Arc::new(tell), root: Arc::new(|| None) }
    }

    /// With the fingerprint of the root of the house, when there is one to be downloaded.
    #[must_use]
    pub fn with_root(self, root: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self { root: Arc::new(root), ..self }
    }

    /// The fingerprint of the root of the house, which is under [`routes::ROOT`].
    ///
    /// [`routes::ROOT`]: crate::routes::ROOT
    #[must_use]
    pub fn root(&self) -> Option<String> {
        (self.root)()
    }

    /// How it stands now, own hosts first. Empty when this server has no certificates.
    #[must_use]
    pub fn now(&self) -> Vec<CertificateState> {
        (self.tell)()
    }
}

impl Default for CertificatesShown {
    fn default() -> Self {
        Self::new(Vec::new)
    }
}

impl fmt::Debug for CertificatesShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CertificatesShown")
    }
}

/// What the health check says, as JSON.
#[derive(Serialize)]
struct Told {
    /// `OK`; `DEGRADED` while a certificate is missing, over, or near its end with something wrong;
    /// `FAILED` without a database.
    status: &'static str,
    database: bool,
    cache: bool,
    certificates: Vec<Certificate>,
}

#[derive(Serialize)]
struct Certificate {
    names: Vec<String>,
    standing: &'static str,
    ends_at: Option<String>,
    renews_at: Option<String>,
    next_attempt: Option<String>,
    problem: Option<String>,
}

/// The answer, `in_full` or as strangers get it. Without its cache Ostiary works on, slower; a
/// restart mends no certificate; so the status is 503 for a database that does not answer, and for
/// nothing else.
pub(crate) async fn answer(app: &App, certificates: &CertificatesShown, in_full: bool) -> Response {
    let now = app.ctx(Actor::Anonymous).now;
    let site = &app.settings().site;
    let own = [&site.accounts_url, &site.directory_url].map(|url| url.host_str().unwrap_or_default());
    let seen_by = if in_full { SeenBy::Ourselves } else { SeenBy::Strangers(own) };
    let told = told(app.health().await, &certificates.now(), now, seen_by);
    let status = if told.database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(&told) {
        Ok(json) => (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response(),
        Err(error) => {
            tracing::error!(%error, "the health check could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Who reads the answer.
#[derive(Clone, Copy)]
enum SeenBy<'a> {
    /// Everything is told.
    Ourselves,
    /// Only what concerns these hosts is told, and not what went wrong.
    Strangers([&'a str; 2]),
}

fn told(health: Health, certificates: &[CertificateState], now: Timestamp, seen_by: SeenBy<'_>) -> Told {
    let is_pressing = certificates.iter().any(|state| state.is_pressing(now));
    let shown = |state: &CertificateState| {
        let mut told = certificate(state, now, matches!(seen_by, SeenBy::Ourselves));
        if let SeenBy::Strangers(own) = seen_by {
            told.names.retain(|name| own.contains(&name.as_str()));
        }
        (!told.names.is_empty()).then_some(told)
    };
    Told {
        status: match (health.database.answers, is_pressing) {
            (false, _) => "FAILED",
            (true, true) => "DEGRADED",
            (true, false) => "OK",
        },
        database: health.database.answers,
        cache: health.cache.answers,
        certificates: certificates.iter().filter_map(shown).collect(),
    }
}

fn certificate(state: &CertificateState, now: Timestamp, in_full: bool) -> Certificate {
    let at = |time: Option<Timestamp>| time.map(Timestamp::to_rfc3339);
    let problem = state.last_error.as_ref();
    Certificate {
        names: state.names.clone(),
        standing: state.standing(now).as_str(),
        ends_at: at(state.not_after),
        renews_at: at(state.renew_at),
        next_attempt: at(state.next_attempt),
        problem: problem.map(|words| if in_full { words.clone() } else { GENERAL.to_owned() }),
    }
}

/// Whether somebody on this machine asks, for themselves. A proxy beside us asks for others: it
/// says so, or it asks for one of our names.
pub(crate) fn is_from_here<B>(request: &Request<B>) -> bool {
    let peer = request.extensions().get::<SocketAddr>();
    let is_forwarded = FORWARDING.iter().any(|name| request.headers().contains_key(name));
    let is_local_name = || {
        let host = asked_host(request)?;
        host.host().trim_matches(['[', ']']).parse::<IpAddr>().ok()
    };
    peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        && !is_forwarded
        && is_local_name().is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::header::HOST;
    use ostiary_app::Part;
    use ostiary_model::Span;
    use serde_json::{Value, json};

    use super::*;

    /// 2026-11-22 07:27:41 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_332_461);

    fn state(days_left: Option<u32>, error: Option<&str>) -> CertificateState {
        CertificateState {
            names: vec!["accounts.example.org".to_owned(), "directory.example.org".to_owned()],
            issuer: Some("/etc/ostiary/certificate.pem".to_owned()),
            not_before: days_left.map(|_| NOW - Span::from_days(30)),
            not_after: days_left.map(|days| NOW + Span::from_days(days)),
            renew_at: days_left.map(|_| NOW + Span::from_days(1)),
            last_error: error.map(str::to_owned),
            next_attempt: error.map(|_| NOW + Span::from_mins(5)),
        }
    }

    fn shown(states: &[CertificateState], database: bool, in_full: bool) -> Value {
        let part = |answers| Part { kind: "", answers };
        let health = Health { database: part(database), cache: part(true) };
        let strangers = SeenBy::Strangers(["accounts.example.org", "directory.example.org"]);
        let seen_by = if in_full { SeenBy::Ourselves } else { strangers };
        serde_json::to_value(told(health, states, NOW, seen_by)).unwrap()
    }

    #[test]
    fn where_all_is_well_it_says_what_it_always_said() {
        assert_eq!(
            shown(&[], true, false),
            json!({ "status": "OK", "database": true, "cache": true, "certificates": [] })
        );
        assert_eq!(shown(&[], false, false)["status"], "FAILED");
    }

    #[test]
    fn certificates_are_told_with_their_dates() {
        let told = shown(&[state(Some(60), None)], true, false);
        assert_eq!(told["status"], "OK");
        assert_eq!(
            told["certificates"],
            json!([{
                "names": ["accounts.example.org", "directory.example.org"],
                "standing": "good",
                "ends_at": "2027-01-21T07:27:41Z",
                "renews_at": "2026-11-23T07:27:41Z",
                "next_attempt": null,
                "problem": null,
            }])
        );
        for (days, error, standing, status) in [
            (Some(60), Some("x"), "troubled", "OK"),
            (Some(13), Some("x"), "troubled", "DEGRADED"),
            (Some(0), None, "ended", "DEGRADED"),
            (None, Some("x"), "missing", "DEGRADED"),
        ] {
            let told = shown(&[state(Some(60), None), state(days, error)], true, false);
            assert_eq!((&told["certificates"][1]["standing"], &told["status"]), (&json!(standing), &json!(status)));
        }
    }

    #[test]
    fn strangers_do_not_read_what_went_wrong() {
        let told = "https://ca.inner.example/dir: the name server ns.inner.example:53 cannot be reached; \
                    the command /etc/ostiary/\"hook\" failed";
        let troubled = [state(Some(60), Some(told))];
        assert_eq!(shown(&troubled, true, true)["certificates"][0]["problem"], told);
        let stranger = shown(&troubled, true, false).to_string();
        assert!(!stranger.contains("inner") && !stranger.contains("/etc/"), "{stranger}");
        assert!(stranger.contains("2026-11-22T07:32:41Z"), "{stranger}");
        assert_eq!(shown(&troubled, true, false)["certificates"][0]["problem"], GENERAL);
    }

    #[test]
    fn strangers_do_not_learn_the_names_of_other_sites() {
        let inner = CertificateState { names: vec!["payroll.example.org".to_owned()], ..state(None, Some("x")) };
        let states = [state(Some(60), None), inner];
        let stranger = shown(&states, true, false);
        assert_eq!(stranger["certificates"].as_array().map(Vec::len), Some(1), "{stranger}");
        assert_eq!(stranger["status"], "DEGRADED", "that something is wrong is told");
        assert!(!stranger.to_string().contains("payroll"), "{stranger}");
        assert_eq!(shown(&states, true, true)["certificates"][1]["names"], json!(["payroll.example.org"]));
    }

    #[test]
    fn only_who_asks_on_this_machine_for_themselves_is_here() {
        let asks = |peer: &str, host: &str, header: &str| {
            let mut request = Request::builder().uri("/api/health").header(HOST, host);
            if !header.is_empty() {
                request = request.header(header, "203.0.113.9");
            }
            let mut request = request.body(()).unwrap();
            request.extensions_mut().insert(peer.parse::<SocketAddr>().unwrap());
            is_from_here(&request)
        };
        assert!(asks("127.0.0.1:5000", "127.0.0.1:8080", ""));
        assert!(asks("[::1]:5000", "[::1]:8080", "user-agent"));
        assert!(asks("[::ffff:127.0.0.1]:5000", "127.0.0.1", ""));
        assert!(!asks("203.0.113.9:5000", "127.0.0.1:8080", ""), "somebody else");
        assert!(!asks("127.0.0.1:5000", "accounts.example.org", ""), "a proxy that says nothing");
        for name in FORWARDING {
            assert!(!asks("127.0.0.1:5000", "127.0.0.1:8080", name.as_str()), "{name}");
        }
        let nameless = Request::builder().uri("/api/health").header(HOST, "127.0.0.1").body(()).unwrap();
        assert!(!is_from_here(&nameless), "nobody knows from where");
    }
}
