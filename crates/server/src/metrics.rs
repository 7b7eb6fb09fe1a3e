//! Figures for Prometheus and whatever speaks its language, over plain HTTP on ports of their own.
//!
//! Everything is read at the moment of the question: nothing runs beside and nothing is counted for
//! it. Who is in the directory and what anybody does is not among it.

use std::cmp::Reverse;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use ostiary_app::{App, Health};
use ostiary_edge::{Gate, HttpDoor, HttpLimits, Lifecycle, Limits, Seat, accept, bounded};
use ostiary_httpkit::CertificatesShown;
use ostiary_model::{CertificateStanding, CertificateState, Clock, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::machine::SystemClock;

/// Where the figures are.
pub(crate) const PATH: &str = "/metrics";
/// What they are (OpenMetrics 1.0, which Prometheus reads).
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whoever asks is a program nearby, and there are few of them.
const LIMITS: HttpLimits = HttpLimits {
    idle: Duration::from_secs(60),
    request: Duration::from_secs(10),
    body: 0,
    tunnel: Duration::from_secs(1),
};
const MAX_CONNECTIONS: usize = 16;

type Labels = Vec<(&'static str, String)>;

/// Where the figures come from.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) app: Arc<App>,
    pub(crate) certificates: CertificatesShown,
    /// The doors whose connections are told, by their names.
    pub(crate) gates: Vec<(&'static str, Gate)>,
    /// When the process began.
    pub(crate) since: Timestamp,
}

/// What is told.
struct Figures {
    health: Health,
    certificates: Vec<CertificateState>,
    connections: Vec<(&'static str, usize)>,
    since: Timestamp,
    now: Timestamp,
}

impl Metrics {
    /// Answers on `listeners`.
    pub(crate) fn open(self, listeners: Vec<TcpListener>, life: &Lifecycle) {
        let gate = Gate::new(Limits { total: MAX_CONNECTIONS, per_party: MAX_CONNECTIONS, shared: Vec::new() });
        let service = tower::service_fn(move |request: Request<_>| answer(self.clone(), request));
        let door = HttpDoor { service: bounded(service, LIMITS), limits: LIMITS };
        for listener in listeners {
            let (door, stop) = (door.clone(), life.stop().clone());
            let serve = move |stream, peer, _: Seat| door.clone().serve(stream, peer, stop.clone());
            life.service("metrics", accept(listener, gate.clone(), life.clone(), serve));
        }
    }

    async fn figures(&self) -> Figures {
        Figures {
            health: self.app.health().await,
            certificates: self.certificates.now(),
            connections: self.gates.iter().map(|(door, gate)| (*door, gate.held())).collect(),
            since: self.since,
            now: SystemClock.now(),
        }
    }
}

async fn answer<B>(metrics: Metrics, request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (is_here, is_read) = (request.uri().path() == PATH, matches!(*request.method(), Method::GET | Method::HEAD));
    // Nobody reads a request's body, so it need not outlive this line.
    drop(request);
    Ok(match (is_here, is_read) {
        (false, _) => plain(StatusCode::NOT_FOUND, "The figures are at /metrics.\n"),
        (true, false) => {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "The figures can only be read.\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            refused
        }
        (true, true) => match metrics.figures().await.text() {
            Ok(text) => said(StatusCode::OK, KIND, text),
            Err(error) => {
                tracing::error!(%error, "the figures could not be written");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "The figures could not be written.\n")
            }
        },
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    said(status, "text/plain; charset=utf-8", text)
}

fn said(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

impl Figures {
    /// As text.
    fn text(&self) -> Result<String, fmt::Error> {
        let mut all = Registry::default();
        all.register("ostiary_build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        all.register("process_start_time_seconds", "When the process began", gauge(self.since.as_secs()));
        let (database, cache) = (self.health.database, self.health.cache);
        all.register("ostiary_database_up", "Whether the database answers", gauge(i64::from(database.answers)));
        all.register("ostiary_cache_up", "Whether the cache answers", gauge(i64::from(cache.answers)));
        let connections = self
            .connections
            .iter()
            .map(|(door, held)| (vec![("door", (*door).to_owned())], i64::try_from(*held).unwrap_or(i64::MAX)));
        all.register("ostiary_connections", "Open connections", family(connections));
        self.register_certificates(&mut all);
        let mut text = String::new();
        encode(&mut text, &all)?;
        Ok(text)
    }

    fn register_certificates(&self, all: &mut Registry) {
        // LDAP may have one of its own for the same names. What is written last stays: the worse one.
        let mut certificates: Vec<&CertificateState> = self.certificates.iter().collect();
        certificates.sort_by_key(|state| (state.standing(self.now), Reverse(state.not_after)));
        let at = |moment: fn(&CertificateState) -> Option<Timestamp>| {
            let known = certificates.iter().filter_map(|state| Some((labels(state), moment(state)?.as_secs())));
            family(known)
        };
        all.register(
            "ostiary_certificate_not_after_timestamp_seconds",
            "When the certificate that is served ends",
            at(|state| state.not_after),
        );
        all.register("ostiary_certificate_renewal_timestamp_seconds", "When it is renewed", at(|state| state.renew_at));
        all.register(
            "ostiary_certificate_next_attempt_timestamp_seconds",
            "When it is tried again after something went wrong",
            at(|state| state.next_attempt),
        );
        let standings = certificates.iter().flat_map(|state| {
            let own = state.standing(self.now);
            CertificateStanding::ALL.into_iter().map(move |standing| {
                let named = [labels(state), vec![("standing", standing.as_str().to_owned())]].concat();
                (named, i64::from(standing == own))
            })
        });
        all.register("ostiary_certificate_standing", "How it stands with the certificate", family(standings));
    }
}

/// By what a certificate is told from others. There are as many as the configuration names.
fn labels(state: &CertificateState) -> Labels {
    vec![("names", state.names.join(","))]
}

fn gauge(value: i64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

fn family(values: impl IntoIterator<Item = (Labels, i64)>) -> Family<Labels, Gauge> {
    let family = Family::<Labels, Gauge>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    family
}

#[cfg(test)]
mod tests {
    use ostiary_app::Part;
    use ostiary_model::Span;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_332_461);

    fn state(name: &str, end: Option<Timestamp>, error: Option<&str>) -> CertificateState {
        CertificateState {
            names: vec![format!("accounts.{name}"), format!("directory.{name}")],
            issuer: None,
            not_before: end.map(|_| NOW),
            not_after: end,
            renew_at: end.map(|end| end - Span::from_days(30)),
            last_error: error.map(str::to_owned),
            next_attempt: error.map(|_| NOW + Span::from_mins(5)),
        }
    }

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let figures = Figures {
            health: Health {
                database: Part { kind: "SQLite", answers: true },
                cache: Part { kind: "Redis", answers: false },
            },
            certificates: vec![
                state("example.org", Some(NOW + Span::from_days(60)), None),
                state("example.net", None, Some("https://ca.inner.example: it is away")),
                // LDAP's own.
                state("example.org", Some(NOW + Span::from_days(90)), None),
            ],
            connections: vec![("http", 3), ("ldap", 41)],
            since: NOW - Span::from_hours(1),
            now: NOW,
        };
        let text = figures.text().unwrap();
        let (org, net) = ("accounts.example.org,directory.example.org", "accounts.example.net,directory.example.net");
        for line in [
            "# TYPE ostiary_build info".to_owned(),
            format!("ostiary_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
            "process_start_time_seconds 1795328861".to_owned(),
            "ostiary_database_up 1".to_owned(),
            "ostiary_cache_up 0".to_owned(),
            "# TYPE ostiary_connections gauge".to_owned(),
            "ostiary_connections{door=\"http\"} 3".to_owned(),
            "ostiary_connections{door=\"ldap\"} 41".to_owned(),
            format!("ostiary_certificate_not_after_timestamp_seconds{{names=\"{org}\"}} 1800516461"),
            format!("ostiary_certificate_renewal_timestamp_seconds{{names=\"{org}\"}} 1797924461"),
            format!("ostiary_certificate_next_attempt_timestamp_seconds{{names=\"{net}\"}} 1795332761"),
            format!("ostiary_certificate_standing{{names=\"{org}\",standing=\"good\"}} 1"),
            format!("ostiary_certificate_standing{{names=\"{org}\",standing=\"missing\"}} 0"),
            format!("ostiary_certificate_standing{{names=\"{net}\",standing=\"missing\"}} 1"),
            "# EOF".to_owned(),
        ] {
            assert!(text.lines().any(|own| own == line), "{line:?} is missing in:\n{text}");
        }
        assert_eq!(text.matches("_not_after_timestamp_seconds{").count(), 1, "what is not there has no end");
        assert!(!text.contains("inner"), "{text}");
    }
}
