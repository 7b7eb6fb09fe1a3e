//! HTTP/2 on an encrypted stream (RFC 9113). Many requests share a connection, so it counts as idle
//! when none of them is being answered, whatever else is said on it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::{Service, ServiceExt as _};

use crate::guarded::Guarded;
use crate::http::{HttpDoor, MAX_HEAD};
use crate::lifecycle::Stop;

/// Requests that a connection may have at once.
const MAX_STREAMS: u32 = 100;
/// Requests that a connection may take back before they were looked at: more is an attack
/// (CVE-2023-44487).
const MAX_TAKEN_BACK: usize = 20;
/// Bytes of answers that wait until the peer takes them, for each request.
const MAX_UNSENT: usize = 256 * 1024;
/// How often a connection on which nothing is said is asked whether it is still there, and how long
/// the answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

impl<S, B> HttpDoor<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// As [`HttpDoor::serve`], for HTTP/2.
    pub(crate) async fn serve_http2<IO>(self, stream: IO, peer: SocketAddr, stop: Stop)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limits = self.limits;
        let running = Running::default();
        let begin = running.clone();
        let answering = service_fn(move |mut request: Request<Incoming>| {
            let (service, answer) = (self.service.clone(), begin.answer());
            request.extensions_mut().insert(peer);
            async move {
                let response = service.oneshot(request).await?;
                // The answer lasts until its last byte is on the way.
                Ok::<_, Infallible>(response.map(|body| {
                    body.map_frame(move |frame| {
                        let _ = &answer;
                        frame
                    })
                }))
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
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
            () = stop.draining().cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
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

/// How many requests are being answered.
#[derive(Clone)]
struct Running(Arc<watch::Sender<usize>>);

/// One that is.
struct Answer(Running);

impl Default for Running {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Running {
    fn answer(&self) -> Answer {
        self.0.send_modify(|count| *count += 1);
        Answer(self.clone())
    }

    /// Ends when there was none for `patience`.
    async fn idle(&self, patience: Duration) {
        let mut count = self.0.subscribe();
        loop {
            let _ = count.wait_for(|count| *count == 0).await;
            if tokio::time::timeout(patience, count.wait_for(|count| *count > 0)).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn what_is_being_answered_is_not_idle() {
        let running = Running::default();
        let answer = running.answer();
        let other = running.answer();
        drop(other);
        assert!(tokio::time::timeout(PATIENCE * 10, running.idle(PATIENCE)).await.is_err());
        drop(answer);
        assert!(tokio::time::timeout(PATIENCE * 2, running.idle(PATIENCE)).await.is_ok());
    }
}
