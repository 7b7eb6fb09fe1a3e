//! HTTP/1.1 on an accepted connection: limits of time and size, the peer's address, and an end in
//! good order. What is answered is the service's business, and so is how long a request may take
//! and how much it may bring: pages are [`bounded`], what is passed on to others is not.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{Either, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::{Service, ServiceExt};

use crate::guarded::Guarded;
use crate::lifecycle::{FAREWELL, Stop};
use crate::tunnel::Tunnel;

/// Bytes that hold a request's head: its line and all headers.
pub(crate) const MAX_HEAD: usize = 16 * 1024;

/// Headers in a request.
pub(crate) const MAX_HEADERS: usize = 100;

/// How long a connection on which nothing happens is waited for while draining.
const QUIET: Duration = FAREWELL.saturating_mul(3);

/// Limits of an HTTP connection.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// How long a connection may bring no complete request head, be it idle or slow, and how
    /// long it may take nothing of an answer.
    pub idle: Duration,
    /// How long one [`bounded`] request may take, its body included.
    pub request: Duration,
    /// Bytes in the body of a [`bounded`] request: what comes beyond is not read. Whoever answers
    /// keeps less, and reads on so that somebody who sends too large a picture hears of it.
    pub body: usize,
    /// How long nothing may be said on a connection that speaks another protocol by now.
    pub tunnel: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            request: Duration::from_secs(60),
            body: 32 * 1024 * 1024,
            tunnel: Duration::from_secs(60 * 60),
        }
    }
}

/// A tower service that answers HTTP: what every door asks of one. Nobody implements it; whatever
/// fits has it.
pub trait HttpService:
    Service<Request<Incoming>, Response = Response<<Self as HttpService>::Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
    /// What it answers with.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;
}

/// Serves HTTP connections with a tower service.
///
/// An answer 101 that has the other end's stream among its extensions (as [`OnUpgrade`], put there
/// by hyper's client) couples the two: bytes go both ways until one side ends it.
#[derive(Clone)]
pub struct HttpDoor<S> {
    /// Answers requests. Each carries the peer's [`SocketAddr`] as an extension.
    pub service: S,
    /// Limits of time and size.
    pub limits: HttpLimits,
}

impl<S: HttpService> HttpDoor<S> {
    /// Answers requests on `stream` until the peer leaves or a limit is reached. When draining
    /// begins, the running request is answered, or the next that comes in a moment, and with it
    /// the peer is told that it was the last (RFC 9112 section 9.6).
    pub async fn serve<IO>(self, stream: IO, peer: SocketAddr, stop: Stop)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.limits;
        let tunnel = Arc::new(OnceLock::new());
        let begun = Arc::clone(&tunnel);
        let draining = stop.draining().clone();
        let asked = Arc::new(AtomicUsize::new(0));
        let asking = Arc::clone(&asked);
        let answering = service_fn(move |request| {
            let (door, tunnel, draining) = (self.clone(), Arc::clone(&begun), draining.clone());
            let asked = Arc::clone(&asking);
            async move {
                asked.fetch_add(1, Ordering::Relaxed);
                let mut response = door.answer(request, peer, &tunnel).await;
                asked.fetch_sub(1, Ordering::Relaxed);
                if draining.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let stream = Guarded::new(stream, limits.idle);
        let written = stream.written();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answering)
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.farewell() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = quiet(&asked, &written) => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended early");
        } else if let Some(tunnel) = tunnel.get() {
            // Whoever holds one comes again: a stop does not wait for what never ends by itself.
            tokio::select! {
                () = Box::pin(tunnel.run(peer, limits)) => {}
                () = stop.draining().cancelled() => {}
            }
        }
    }

    async fn answer(
        self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        tunnel: &OnceLock<Tunnel>,
    ) -> Response<S::Body> {
        request.extensions_mut().insert(peer);
        let near = request.extensions().get::<OnUpgrade>().cloned();
        let mut response = match self.service.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let (Some(near), Some(far)) = (near, response.extensions_mut().remove::<OnUpgrade>())
        {
            // What else came with the answer lasts as long: such as its place among what is forwarded.
            let held = std::mem::take(response.extensions_mut());
            let _ = tunnel.set(Tunnel { near, far, _held: held });
        }
        response
    }
}

/// Ends when for a while nothing was being answered and nothing was written: then somebody has sent
/// half a request, and a stop does not wait for the rest.
async fn quiet(asked: &AtomicUsize, written: &AtomicU64) {
    loop {
        let before = written.load(Ordering::Relaxed);
        tokio::time::sleep(QUIET).await;
        if asked.load(Ordering::Relaxed) == 0 && written.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// What a [`bounded`] service answers with.
pub type BoundedBody<B> = Either<B, Full<Bytes>>;

/// `service`, whose requests may take only so much time and bring only so much.
pub fn bounded<S, B>(service: S, limits: HttpLimits) -> impl HttpService<Body = BoundedBody<B>>
where
    S: Service<Request<Limited<Incoming>>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    tower::service_fn(move |request: Request<Incoming>| {
        let answer = service.clone().oneshot(request.map(|body| Limited::new(body, limits.body)));
        async move {
            match tokio::time::timeout(limits.request, answer).await {
                Ok(answer) => answer.map(|response| response.map(Either::Left)),
                Err(_) => Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "This took too long. Try again.\n")),
            }
        }
    })
}

/// An answer of the wall itself, which has no pages.
fn plain<B>(status: StatusCode, text: &'static str) -> Response<BoundedBody<B>> {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tower::service_fn as tower_service;

    use super::*;

    const LIMITS: HttpLimits = HttpLimits {
        idle: Duration::from_millis(150),
        request: Duration::from_millis(300),
        body: 32,
        tunnel: Duration::from_millis(300),
    };

    /// A door that tells the client's address, or waits, or reads the body, as the path says.
    async fn reply(request: Request<Limited<Incoming>>) -> Result<Response<Full<Bytes>>, Infallible> {
        let peer = request.extensions().get::<SocketAddr>().copied();
        let text = match request.uri().path() {
            "/wait" => {
                tokio::time::sleep(LIMITS.request / 2).await;
                "waited".to_owned()
            }
            "/hang" => std::future::pending().await,
            "/body" => match http_body_util::BodyExt::collect(request.into_body()).await {
                Ok(body) => format!("{} bytes", body.to_bytes().len()),
                Err(error) => error.to_string(),
            },
            _ => peer.map_or_else(String::new, |peer| peer.to_string()),
        };
        Ok(Response::new(Full::new(Bytes::from(text))))
    }

    fn open(stop: &Stop) -> DuplexStream {
        open_with(LIMITS, stop)
    }

    fn open_with(limits: HttpLimits, stop: &Stop) -> DuplexStream {
        let (ours, theirs) = duplex(4096);
        let door = HttpDoor { service: bounded(tower_service(reply), limits), limits };
        let serving = door.serve(theirs, "192.0.2.1:4711".parse().unwrap(), stop.clone());
        crate::Lifecycle::new().connection(serving);
        ours
    }

    async fn ask(stream: &mut DuplexStream, request: &str) {
        stream.write_all(request.as_bytes()).await.unwrap();
    }

    async fn rest(stream: &mut DuplexStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_request_carries_its_peers_address() {
        let mut stream = open(&Stop::default());
        ask(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("192.0.2.1:4711"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_that_asks_nothing_is_closed() {
        for begun in ["", "GET / HTTP/1.1\r\nHos"] {
            let mut stream = open(&Stop::default());
            ask(&mut stream, begun).await;
            assert_eq!(rest(&mut stream).await, "", "{begun:?}");
        }
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_given_up() {
        let mut stream = open(&Stop::default());
        ask(&mut stream, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }

    #[tokio::test]
    async fn a_body_or_head_beyond_its_size_is_refused() {
        let mut stream = open(&Stop::default());
        let body = "x".repeat(LIMITS.body + 1);
        ask(
            &mut stream,
            &format!(
                "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ),
        )
        .await;
        let answer = rest(&mut stream).await;
        assert!(answer.ends_with("length limit exceeded"), "{answer}");

        let mut stream = open(&Stop::default());
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        // The answer comes before everything is read.
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test]
    async fn who_is_about_to_ask_when_draining_begins_is_answered() {
        let (stop, limits) = (Stop::default(), HttpLimits { idle: Duration::from_secs(60), ..LIMITS });
        let mut kept = open_with(limits, &stop);
        ask(&mut kept, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut first = [0; 17];
        kept.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK\r\n");
        let mut fresh = open_with(limits, &stop);
        stop.draining().cancel();
        let mut late = open_with(limits, &stop);
        tokio::time::sleep(LIMITS.idle / 3).await;
        for stream in [&mut kept, &mut fresh, &mut late] {
            ask(stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let answer = rest(stream).await;
            assert!(answer.contains("connection: close\r\n") && answer.ends_with("192.0.2.1:4711"), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_request_does_not_hold_a_stop() {
        let (stop, limits) = (Stop::default(), HttpLimits { idle: Duration::from_secs(60), ..LIMITS });
        let mut stream = open_with(limits, &stop);
        ask(&mut stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        stop.draining().cancel();
        let answer = tokio::time::timeout(FAREWELL * 6, rest(&mut stream)).await.expect("it is left");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    #[tokio::test]
    async fn draining_answers_what_was_asked_and_closes() {
        let stop = Stop::default();
        // No limit ends them before the stop does.
        let limits = HttpLimits { idle: Duration::from_secs(60), ..LIMITS };
        let mut busy = open_with(limits, &stop);
        let mut idle = open_with(limits, &stop);
        ask(&mut busy, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
        tokio::time::sleep(LIMITS.idle / 3).await;
        stop.draining().cancel();
        let ended = tokio::time::timeout(limits.idle / 6, async { (rest(&mut idle).await, rest(&mut busy).await) });
        let (nothing, answer) = ended.await.unwrap();
        assert_eq!(nothing, "");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("waited"), "{answer}");
    }
}
