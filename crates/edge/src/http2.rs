//! HTTP/2 on an encrypted stream (RFC 9113). Many requests share a connection, so it counts as idle
//! when none of them is being answered, whatever else is said on it.
//!
//! Windows are each stream's own: an answer that is not taken blocks no write, and is watched here.
//! So are requests that are taken back once they were begun: the library counts those alone that
//! were not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::guarded::Guarded;
use crate::http::{HttpDoor, HttpService, MAX_HEAD};
use crate::lifecycle::{FAREWELL, Stop};

/// Requests that a connection may have at once.
const MAX_STREAMS: u32 = 100;
/// Requests that a connection may take back before they were looked at: more is an attack
/// (CVE-2023-44487).
const MAX_TAKEN_BACK: usize = 20;
/// How many more requests a connection may give up after they were begun than it lets come to their
/// end.
const MAX_GIVEN_UP: usize = 100;
/// Bytes of answers that wait until the peer takes them, for each request.
const MAX_UNSENT: usize = 256 * 1024;
/// How often a connection on which nothing is said is asked whether it is still there, and how long
/// the answer may take.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

impl<S: HttpService> HttpDoor<S> {
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
                // Who sleeps is not waited for when there is nothing to answer.
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = running.idle(FAREWELL) => Ok(()),
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

/// The requests of a connection.
#[derive(Clone)]
struct Running(Arc<watch::Sender<Counts>>);

#[derive(Default)]
struct Counts {
    has_begun: bool,
    running: usize,
    /// Those that did not come to their end, less those that did.
    given_up: usize,
}

/// One that is being answered, until its last byte is on the way.
struct Answer {
    running: Running,
    is_finished: bool,
}

impl Default for Running {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Counts::default())))
    }
}

impl Running {
    fn answer(&self) -> Answer {
        self.0.send_modify(|counts| (counts.has_begun, counts.running) = (true, counts.running + 1));
        Answer { running: self.clone(), is_finished: false }
    }

    /// Ends when there was none for `patience`.
    async fn idle(&self, patience: Duration) {
        let mut counts = self.0.subscribe();
        loop {
            let _ = counts.wait_for(|counts| counts.running == 0).await;
            if tokio::time::timeout(patience, counts.wait_for(|counts| counts.running > 0)).await.is_err() {
                return;
            }
        }
    }

    /// Ends when draining has begun; for whoever has connected to ask and not yet asked, when they
    /// do, or a moment later.
    async fn begun_or_farewell(&self, stop: &Stop) {
        stop.draining().cancelled().await;
        let mut counts = self.0.subscribe();
        let _ = tokio::time::timeout(FAREWELL, counts.wait_for(|counts| counts.has_begun)).await;
    }

    /// Ends when too many were given up.
    async fn given_up(&self) {
        let _ = self.0.subscribe().wait_for(|counts| counts.given_up > MAX_GIVEN_UP).await;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let is_finished = self.is_finished;
        self.running.0.send_modify(|counts| {
            counts.running = counts.running.saturating_sub(1);
            counts.given_up = if is_finished { counts.given_up.saturating_sub(1) } else { counts.given_up + 1 };
        });
    }
}

tokio::task_local! {
    /// Of the stream whose task runs.
    static TAKEN: Taken;
}

/// Whether the peer takes an answer: how many parts were handed on, and whether one is waiting.
#[derive(Clone)]
struct Taken(Arc<watch::Sender<(u64, bool)>>);

impl Taken {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new((0, false))))
    }

    /// A part, or the head, waits for the peer's window.
    fn wait(&self) {
        self.0.send_modify(|(parts, waits)| (*parts, *waits) = (*parts + 1, true));
    }

    fn wait_no_longer(&self) {
        self.0.send_modify(|(_, waits)| *waits = false);
    }

    /// Ends when one part waited for `patience`.
    async fn stuck(&self, patience: Duration) {
        let mut state = self.0.subscribe();
        loop {
            let Ok(parts) = state.wait_for(|(_, waits)| *waits).await.map(|state| state.0) else {
                return std::future::pending().await;
            };
            let moved = state.wait_for(|(now, waits)| *now != parts || !waits);
            if tokio::time::timeout(patience, moved).await.is_err() {
                return;
            }
        }
    }
}

/// Runs the streams of a connection. One whose answer is not taken for `patience` is reset, and the
/// others go on.
#[derive(Clone)]
struct Streams {
    patience: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (taken, patience) = (Taken::new(), self.patience);
        #[expect(clippy::disallowed_methods, reason = "a stream ends with its connection, which is of the lifecycle")]
        tokio::spawn(async move {
            let stream = TAKEN.scope(taken.clone(), stream);
            tokio::select! {
                () = stream => {}
                () = taken.stuck(patience) => {}
            }
        });
    }
}

/// The body of an answer, which tells whether it is taken and comes to its end.
struct Watched<B> {
    body: Pin<Box<B>>,
    answer: Answer,
    taken: Option<Taken>,
}

impl<B: Body> Watched<B> {
    /// In the task of its stream.
    fn new(body: B, mut answer: Answer) -> Self {
        let taken = TAKEN.try_with(Taken::clone).ok();
        answer.is_finished = body.is_end_stream();
        if let Some(taken) = taken.as_ref().filter(|_| !answer.is_finished) {
            taken.wait();
        }
        Self { body: Box::pin(body), answer, taken }
    }
}

impl<B: Body> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(taken) = &self.taken {
            taken.wait_no_longer();
        }
        let polled = self.body.as_mut().poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.answer.is_finished = true,
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.answer.is_finished = true,
            Poll::Ready(Some(Ok(_))) => {
                if let Some(taken) = &self.taken {
                    taken.wait();
                }
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
        assert!(tokio::time::timeout(PATIENCE * 3, running.idle(PATIENCE)).await.is_err());
        drop(answer);
        assert!(tokio::time::timeout(PATIENCE * 2, running.idle(PATIENCE)).await.is_ok());
    }

    #[tokio::test]
    async fn who_has_not_asked_yet_is_waited_for() {
        let (running, stop) = (Running::default(), Stop::default());
        assert!(tokio::time::timeout(PATIENCE, running.begun_or_farewell(&stop)).await.is_err());
        stop.draining().cancel();
        assert!(tokio::time::timeout(PATIENCE, running.begun_or_farewell(&stop)).await.is_err());
        drop(running.answer());
        assert!(tokio::time::timeout(PATIENCE, running.begun_or_farewell(&stop)).await.is_ok());
    }

    #[tokio::test]
    async fn who_gives_up_again_and_again_is_noticed() {
        let running = Running::default();
        for _ in 0..MAX_GIVEN_UP {
            drop(running.answer());
        }
        let mut finished = running.answer();
        finished.is_finished = true;
        drop(finished);
        drop(running.answer());
        assert!(tokio::time::timeout(PATIENCE, running.given_up()).await.is_err(), "as many as may be");
        drop(running.answer());
        assert!(tokio::time::timeout(PATIENCE, running.given_up()).await.is_ok());
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_is_stuck_and_one_that_moves_is_not() {
        let taken = Taken::new();
        assert!(tokio::time::timeout(PATIENCE * 2, taken.stuck(PATIENCE)).await.is_err(), "nothing waits yet");
        let moving = async {
            for _ in 0..6 {
                taken.wait_no_longer();
                taken.wait();
                tokio::time::sleep(PATIENCE / 2).await;
            }
            taken.wait_no_longer();
            tokio::time::sleep(PATIENCE * 2).await;
        };
        tokio::select! {
            () = taken.stuck(PATIENCE) => panic!("it moves, and then waits for whoever answers"),
            () = moving => {}
        }
        taken.wait();
        assert!(tokio::time::timeout(PATIENCE * 2, taken.stuck(PATIENCE)).await.is_ok());
    }
}
