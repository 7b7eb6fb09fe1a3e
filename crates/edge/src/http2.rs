//! HTTP/2 on an encrypted stream (RFC 9113). Many requests share a connection, so it counts as idle
//! when none of them is being answered, whatever else is said on it. How requests are counted and
//! answers watched stands in `streams`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::guarded::Guarded;
use crate::http::{HttpDoor, HttpService, MAX_HEAD};
use crate::lifecycle::{FAREWELL, Stop};
use crate::redirect::plain;
use crate::streams::{Running, Streams, Watched};

/// Requests that a connection may have at once.
const MAX_STREAMS: u32 = 100;
/// Requests that a connection may take back before they were looked at: more is an attack
/// (CVE-2023-44487).
const MAX_TAKEN_BACK: usize = 20;
/// Bytes of an answer that are taken from whoever gives it before the peer takes them.
const MAX_UNSENT: usize = 256 * 1024;
/// How often a connection on which nothing is said is asked whether it is still there, and how long
/// the answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

impl<S: HttpService> HttpDoor<S> {
    /// As [`HttpDoor::serve`], for HTTP/2. Each request takes one of `turns`, and waits for it as long
    /// as a connection may be idle.
    pub(crate) async fn serve_http2<IO>(self, stream: IO, peer: SocketAddr, turns: Option<Arc<Semaphore>>, stop: Stop)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.limits;
        let running = Running::default();
        let begin = running.clone();
        let answering = service_fn(move |mut request: Request<Incoming>| {
            let (service, turns, mut answer) = (self.service.clone(), turns.clone(), begin.answer());
            request.extensions_mut().insert(peer);
            async move {
                let response = if answer.takes_turn(turns, limits.idle).await {
                    service.oneshot(request).await?.map(Either::Left)
                } else {
                    let words = "There is too much to do for your address. Try again in a moment.\n";
                    plain(StatusCode::SERVICE_UNAVAILABLE, words).map(Either::Right)
                };
                Ok::<_, Infallible>(response.map(|body| Watched::new(body, answer)))
            }
        });
        let connection = http2::Builder::new(Streams { patience: limits.idle })
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_TAKEN_BACK)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .max_send_buf_size(MAX_UNSENT)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .serve_connection(TokioIo::new(Guarded::new(stream, limits.idle)), answering);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = running.begun_or_farewell(&stop) => {
                connection.as_mut().graceful_shutdown();
                // Who sleeps is not waited for when nothing is on its way.
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = running.sent(FAREWELL) => Ok(()),
                }
            }
            () = running.given_up() => {
                tracing::debug!(%peer, "a connection was ended: it asks and does not wait for answers");
                Ok(())
            }
            () = running.idle(limits.idle) => {
                connection.as_mut().graceful_shutdown();
                // Who does not leave is left.
                tokio::time::timeout(limits.idle, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended early");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;

    use bytes::Bytes;
    use h2::client::{Builder, SendRequest};
    use http::Response;
    use http_body_util::Full;
    use tokio::io::{DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::http::HttpLimits;

    const IDLE: Duration = Duration::from_millis(200);
    const SOON: Duration = Duration::from_secs(5);

    /// A page of one piece; `/never` is never answered.
    async fn reply(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        match request.uri().path() {
            "/never" => std::future::pending().await,
            path => Ok(Response::new(Full::new(Bytes::from(path.to_owned())))),
        }
    }

    async fn client(theirs: DuplexStream, window: u32) -> SendRequest<Bytes> {
        let (requests, connection) = Builder::new().initial_window_size(window).handshake(theirs).await.unwrap();
        crate::Lifecycle::new().connection(async move { drop(connection.await) });
        requests
    }

    /// A connection that opens `window` bytes for each answer, and what its server has for turns.
    async fn open(window: u32, turns: usize) -> (SendRequest<Bytes>, Arc<Semaphore>, Stop) {
        let (ours, theirs) = duplex(64 * 1024);
        let limits = HttpLimits { idle: IDLE, ..HttpLimits::default() };
        let (turns, stop) = (Arc::new(Semaphore::new(turns)), Stop::default());
        let door = HttpDoor { service: tower::service_fn(reply), limits };
        let peer = "192.0.2.1:4711".parse().unwrap();
        let serving = door.serve_http2(ours, peer, Some(Arc::clone(&turns)), stop.clone());
        crate::Lifecycle::new().connection(serving);
        (client(theirs, window).await, turns, stop)
    }

    async fn get(requests: &mut SendRequest<Bytes>, path: &str) -> Result<Response<h2::RecvStream>, h2::Error> {
        poll_fn(|context| requests.poll_ready(context)).await?;
        let request = Request::get(format!("https://accounts.example.org{path}")).body(()).unwrap();
        requests.send_request(request, true)?.0.await
    }

    /// Has one answered, and takes another back that was begun.
    async fn take_back(requests: &mut SendRequest<Bytes>) -> Result<(), h2::Error> {
        get(requests, "/finished").await?;
        poll_fn(|context| requests.poll_ready(context)).await?;
        let request = Request::get("https://accounts.example.org/never").body(()).unwrap();
        let (_, mut stream) = requests.send_request(request, true)?;
        sleep(Duration::from_millis(1)).await;
        stream.send_reset(h2::Reason::CANCEL);
        Ok(())
    }

    #[tokio::test]
    async fn an_answer_of_one_piece_that_nobody_takes_is_reset_and_others_go_on() {
        let (mut requests, turns, _) = open(0, 2).await;
        let mut untaken = get(&mut requests, "/untaken").await.unwrap().into_body();
        assert_eq!(turns.available_permits(), 1);
        let reset = timeout(SOON, untaken.data()).await.expect("it is not waited for").unwrap().unwrap_err();
        assert!(reset.is_reset(), "{reset}");
        assert_eq!(get(&mut requests, "/other").await.unwrap().status(), StatusCode::OK);
        let _both = timeout(SOON, turns.acquire_many(2)).await.expect("turns come back").unwrap();
    }

    #[tokio::test]
    async fn who_asks_and_takes_back_again_and_again_is_left() {
        let (mut requests, _, _) = open(1024, 1_000).await;
        let mut begun = 0;
        while begun < 1_000 && take_back(&mut requests).await.is_ok() {
            begun += 1;
        }
        assert!(begun < 300, "after {begun}");
    }

    #[tokio::test]
    async fn who_has_no_turn_waits_for_one() {
        let (mut requests, turns, _) = open(1024, 1).await;
        let held = Arc::clone(&turns).acquire_owned().await.unwrap();
        assert_eq!(get(&mut requests, "/").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        let freeing = async {
            sleep(IDLE / 4).await;
            drop(held);
        };
        let (answer, ()) = tokio::join!(get(&mut requests, "/"), freeing);
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn draining_sends_what_was_answered() {
        let (mut requests, _, stop) = open(1, 10).await;
        let mut body = get(&mut requests, "/long").await.unwrap().into_body();
        stop.draining().cancel();
        let mut whole = Vec::new();
        while let Some(piece) = timeout(SOON, body.data()).await.unwrap() {
            let piece = piece.unwrap();
            whole.extend_from_slice(&piece);
            // Slower in all than anybody who sleeps is waited for.
            sleep(FAREWELL / 3).await;
            body.flow_control().release_capacity(piece.len()).unwrap();
        }
        assert_eq!(whole, b"/long");
    }
}
