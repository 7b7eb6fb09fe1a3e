//! The HTTP client with which authorities are spoken to: HTTPS alone, one connection for each
//! request, limits of time and size, and an ear for what the library does not pass on.
//!
//! An order takes some fifteen requests, so a connection for each costs little, and none is ever
//! found dead. Redirects are not followed.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{DATE, HOST, RETRY_AFTER, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error as AcmeError, HttpClient};
use ostiary_model::{Clock, Span, Timestamp};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::schedule::LONGEST_WAIT;
use crate::tls::provider;

/// Bytes of an answer. A chain of certificates has a few thousand.
const MAX_ANSWER: usize = 512 * 1024;
/// For one address of a host; there may be others.
const TO_CONNECT: Duration = Duration::from_secs(5);
const AGENT: HeaderValue = HeaderValue::from_static(concat!("ostiary/", env!("CARGO_PKG_VERSION")));

/// Why there was no answer.
#[derive(Debug, Error)]
pub(crate) enum NoAnswer {
    #[error("{0:?} is no address that begins with https://")]
    Address(String),
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, std::io::Error),
    #[error("{0} is not trusted: {1}")]
    Handshake(String, std::io::Error),
    #[error("{0} did not answer in time")]
    TooSlow(String),
    #[error("{0} broke off: {1}")]
    Broken(String, Box<dyn std::error::Error + Send + Sync>),
}

/// What was heard last. Nothing when the last request had no answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The status of the answer.
    pub(crate) status: Option<u16>,
    /// When to come again (RFC 9110 section 10.2.3), at most a week from now.
    pub(crate) retry_after: Option<Timestamp>,
}

/// Speaks to authorities. Clones share what was heard.
#[derive(Clone)]
pub(crate) struct Client {
    connector: TlsConnector,
    clock: Arc<dyn Clock>,
    patience: Duration,
    heard: Arc<Mutex<Heard>>,
}

impl Client {
    /// Trusts `roots`; each request may take `patience`.
    pub(crate) fn new(
        roots: Arc<RootCertStore>,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Self, rustls::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), clock, patience, heard: Arc::default() })
    }

    /// What was heard last.
    pub(crate) fn heard(&self) -> Heard {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, heard: Heard) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = heard;
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, AcmeError> {
        self.hear(Heard::default());
        let place = Place::of(request.uri()).map_err(|error| AcmeError::Other(Box::new(error)))?;
        let name = place.authority.to_string();
        let answered = tokio::time::timeout(self.patience, self.exchange(place, request)).await;
        let mut response =
            answered.unwrap_or(Err(NoAnswer::TooSlow(name))).map_err(|error| AcmeError::Other(Box::new(error)))?;
        let retry_after = self.retry_after(response.headers_mut());
        self.hear(Heard { status: Some(response.status().as_u16()), retry_after });
        Ok(BytesResponse::from(response))
    }

    async fn exchange(
        &self,
        place: Place,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, NoAnswer> {
        let name = place.authority.to_string();
        let broken = |error: hyper::Error| NoAnswer::Broken(name.clone(), Box::new(error));
        let stream = self.connect(&place).await?;
        let host = HeaderValue::from_str(&name).map_err(|_| NoAnswer::Address(name.clone()))?;
        *request.uri_mut() = Uri::from(place.path);
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(USER_AGENT, AGENT);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let exchange = async {
            let (parts, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| NoAnswer::Broken(name.clone(), error))?.to_bytes();
            Ok(Response::from_parts(parts, Full::new(body)))
        };
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            biased;
            done = exchange.as_mut() => done,
            // What came before the end of the connection may still be waiting to be read.
            _ = connection => exchange.await,
        }
    }

    async fn connect(&self, place: &Place) -> Result<TlsStream<TcpStream>, NoAnswer> {
        let name = || place.authority.to_string();
        let unreachable = |error| NoAnswer::Unreachable(name(), error);
        let host = place.authority.host().trim_start_matches('[').trim_end_matches(']');
        let server = ServerName::try_from(host.to_owned()).map_err(|_| NoAnswer::Address(name()))?;
        let mut last = std::io::Error::other("its name has no address");
        for address in
            tokio::net::lookup_host((host, place.authority.port_u16().unwrap_or(443))).await.map_err(unreachable)?
        {
            match tokio::time::timeout(TO_CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are written in two pieces; the second must not wait for an answer
                    // to the first.
                    stream.set_nodelay(true).map_err(unreachable)?;
                    let connected = self.connector.connect(server, stream).await;
                    return connected.map_err(|error| NoAnswer::Handshake(name(), error));
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = std::io::ErrorKind::TimedOut.into(),
            }
        }
        Err(unreachable(last))
    }

    /// When to come again. The library adds what it finds in this header to the time of day, so
    /// it finds only what cannot overflow there.
    fn retry_after(&self, headers: &mut HeaderMap) -> Option<Timestamp> {
        let value = headers.remove(RETRY_AFTER)?;
        let now = self.clock.now();
        // A date is one of the authority's clock, which says in the same breath how late it is there.
        let there = headers.get(DATE).and_then(|date| read_date(date.to_str().ok()?)).unwrap_or(now);
        let moment = read_retry_after(value.to_str().ok()?, now, there)?.min(now + LONGEST_WAIT);
        let seconds = u32::try_from((moment.since(now).as_micros() + 999_999) / 1_000_000).ok()?;
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        Some(moment)
    }
}

/// A number of seconds, or a date (RFC 9110 section 10.2.3) by a clock that shows `there` when ours
/// shows `now`.
fn read_retry_after(text: &str, now: Timestamp, there: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(now + text.parse().map_or(LONGEST_WAIT, Span::from_secs));
    }
    Some(now + read_date(text)?.since(there))
}

fn read_date(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(i64::try_from(date.as_secs()).ok()?))
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, AcmeError>> + Send>> {
        Box::pin(self.clone().ask(request))
    }
}

/// Where a request goes.
struct Place {
    authority: Authority,
    path: PathAndQuery,
}

impl Place {
    fn of(uri: &Uri) -> Result<Self, NoAnswer> {
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let is_secure = uri.scheme() == Some(&Scheme::HTTPS);
        let authority = uri.authority().filter(|authority| is_secure && !authority.as_str().contains('@'));
        Ok(Self { authority: authority.ok_or_else(|| NoAnswer::Address(uri.to_string()))?.clone(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            NOW
        }
    }

    fn client() -> Client {
        Client::new(Arc::new(RootCertStore::empty()), Arc::new(Still), TO_CONNECT).unwrap()
    }

    fn date(moment: Timestamp) -> String {
        let secs = u64::try_from(moment.as_secs()).unwrap();
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs))
    }

    #[test]
    fn a_date_is_one_of_the_authoritys_clock() {
        for there in [NOW - Span::from_days(1), NOW + Span::from_days(1), NOW + Span::from_days(400)] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(&date(there + Span::from_secs(5))).unwrap());
            headers.insert(DATE, HeaderValue::from_str(&date(there)).unwrap());
            assert_eq!(client().retry_after(&mut headers), Some(NOW + Span::from_secs(5)), "{there:?}");
        }
    }

    #[test]
    fn both_forms_of_retry_after_are_read_and_bounded() {
        let client = client();
        let hour = Span::from_hours(1);
        for (text, expected, left) in [
            ("3600".to_owned(), Some(NOW + hour), Some("3600")),
            (date(NOW + hour), Some(NOW + hour), Some("3600")),
            (date(NOW - hour), Some(NOW), Some("0")),
            ("99999999999999999999".to_owned(), Some(NOW + LONGEST_WAIT), Some("604800")),
            (date(NOW + Span::from_days(900)), Some(NOW + LONGEST_WAIT), Some("604800")),
            ("soon".to_owned(), None, None),
            ("-1".to_owned(), None, None),
            (String::new(), None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(&text).unwrap());
            assert_eq!(client.retry_after(&mut headers), expected, "{text}");
            assert_eq!(headers.get(RETRY_AFTER).map(|value| value.to_str().unwrap()), left, "{text}");
        }
    }

    #[test]
    fn only_https_is_spoken() {
        for text in ["http://ca.example/dir", "https://user@ca.example/dir", "/dir", "ca.example:443"] {
            assert!(Place::of(&text.parse().unwrap()).is_err(), "{text}");
        }
        let place = Place::of(&"https://ca.example:14000/dir?x=1".parse().unwrap()).unwrap();
        assert_eq!((place.authority.as_str(), place.path.as_str()), ("ca.example:14000", "/dir?x=1"));
    }
}
