//! Bodies on their way: passed on piece by piece, given up when nothing comes for too long.
//!
//! Trailers stay behind: a service that takes them for headers would take anybody's word for where
//! a request comes from (RFC 9110 section 6.5.1).

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Sleep, sleep};

/// Whatever went wrong below.
pub type Failed = Box<dyn StdError + Send + Sync>;

/// A body on its way.
pub type Carried = UnsyncBoxBody<Bytes, Failed>;

/// The client's part of an exchange failed: it left, sent what is no body, or nothing for too long.
#[derive(Debug, Error)]
#[error("the client's request broke off: {0}")]
pub(crate) struct ByClient(#[source] pub(crate) Failed);

/// Nothing came for too long.
#[derive(Debug, Error)]
#[error("nothing came for {} seconds", .0.as_secs())]
pub(crate) struct Silent(pub(crate) Duration);

/// Tells whether something moved.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<AtomicBool>);

impl Pulse {
    /// Whether something moved since this was asked last.
    pub(crate) fn beat(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// What a client sends. Whatever is wrong with it is a [`ByClient`]; what gets through is felt in
/// `pulse`.
pub(crate) fn upload<B>(body: B, patience: Duration, pulse: Pulse) -> Carried
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Failed>,
{
    Patient::new(body, patience)
        .inspect_frame(move |_| pulse.0.store(true, Ordering::Relaxed))
        .map_err(|error| ByClient(error).into())
        .boxed_unsync()
}

/// What the upstream of the site `host` answers with. What is wrong with it goes to the log.
pub(crate) fn download<B>(body: B, patience: Duration, host: Arc<str>) -> Carried
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Failed>,
{
    Patient::new(body, patience)
        .inspect_err(move |error| tracing::warn!(site = &*host, %error, "an upstream's answer broke off"))
        .boxed_unsync()
}

/// `body` without its trailers, which fails when it is waited for and nothing comes for `patience`.
struct Patient<B> {
    body: Pin<Box<B>>,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<B> Patient<B> {
    fn new(body: B, patience: Duration) -> Self {
        Self { body: Box::pin(body), patience, waiting: None }
    }
}

impl<B> Body for Patient<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Failed>,
{
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        let Poll::Ready(outcome) = self.body.as_mut().poll_frame(context) else {
            let patience = self.patience;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
            ready!(waiting.as_mut().poll(context));
            return Poll::Ready(Some(Err(Silent(patience).into())));
        };
        self.waiting = None;
        Poll::Ready(match outcome {
            Some(Ok(frame)) if frame.is_data() => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(error.into())),
            // Trailers are the last that comes.
            Some(Ok(_)) | None => None,
        })
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
    use http::HeaderMap;
    use http_body_util::{Channel, Full};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn trailers_stay_behind() {
        let (mut sender, body) = Channel::<Bytes, Failed>::new(4);
        sender.send_data(Bytes::from_static(b"all")).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("remote-user", "ada".parse().unwrap());
        sender.send_trailers(trailers).await.unwrap();
        drop(sender);
        let all = upload(body, PATIENCE, Pulse::default()).collect().await.unwrap();
        assert_eq!(all.trailers(), None);
        assert_eq!(all.to_bytes(), "all");
    }

    #[tokio::test]
    async fn a_body_that_comes_slowly_is_waited_for_and_one_that_stops_is_not() {
        let (mut sender, body) = Channel::<Bytes, Failed>::new(1);
        let pulse = Pulse::default();
        let mut body = upload(body, PATIENCE, pulse.clone());
        let sending = async {
            for _ in 0..4 {
                sleep(PATIENCE / 2).await;
                sender.send_data(Bytes::from_static(b"x")).await.unwrap();
            }
        };
        let reading = async {
            for _ in 0..4 {
                body.frame().await.unwrap().unwrap();
            }
        };
        tokio::join!(sending, reading);
        assert!(pulse.beat() && !pulse.beat());
        // A pause of whoever takes it is no silence of whoever sends it.
        sleep(PATIENCE * 2).await;
        sender.send_data(Bytes::from_static(b"x")).await.unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.is::<ByClient>(), "{error}");
    }

    #[test]
    fn the_length_is_known_when_it_was_known() {
        let body = upload(Full::new(Bytes::from_static(b"four")), PATIENCE, Pulse::default());
        assert_eq!(body.size_hint().exact(), Some(4));
        assert!(upload(http_body_util::Empty::new(), PATIENCE, Pulse::default()).is_end_stream());
    }
}
