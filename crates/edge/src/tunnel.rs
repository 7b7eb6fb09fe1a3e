//! What becomes of a connection that has changed its protocol (RFC 9110 section 7.8), such as a
//! WebSocket: bytes go between its two ends, whatever they mean, until one of them ends it or
//! neither says anything for too long.
//!
//! It runs where the connection was served, so that it keeps its place at the gate and ends with it.

use std::io::Result;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Extensions;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

use crate::guarded::Guarded;
use crate::http::HttpLimits;

/// Two streams about to be coupled.
pub(crate) struct Tunnel {
    /// The client's.
    pub(crate) near: OnUpgrade,
    /// That of whoever answers it.
    pub(crate) far: OnUpgrade,
    /// What lasts as long as they are coupled.
    pub(crate) _held: Extensions,
}

impl Tunnel {
    /// Carries bytes both ways until the end.
    pub(crate) async fn run(&self, peer: SocketAddr, limits: HttpLimits) {
        let ended = match tokio::try_join!(self.near.clone(), self.far.clone()) {
            // The near stream is guarded already: it is the one that was served.
            Ok((near, far)) => {
                couple(TokioIo::new(near), Guarded::new(TokioIo::new(far), limits.idle), limits.tunnel).await
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "a connection could not change its protocol");
                return;
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a tunnel ended early");
        }
    }
}

/// Copies both ways. Ends when both sides have ended, or when for `patience` (up to twice of it)
/// nothing came from either.
async fn couple<N, F>(near: N, far: F, patience: Duration) -> Result<()>
where
    N: AsyncRead + AsyncWrite + Unpin,
    F: AsyncRead + AsyncWrite + Unpin,
{
    let heard = Arc::new(AtomicBool::new(false));
    let mut near = Heard { stream: near, heard: Arc::clone(&heard) };
    let mut far = Heard { stream: far, heard: Arc::clone(&heard) };
    let mut copying = Box::pin(copy_bidirectional(&mut near, &mut far));
    loop {
        match tokio::time::timeout(patience, &mut copying).await {
            Ok(ended) => return ended.map(drop),
            Err(_) if heard.swap(false, Ordering::Relaxed) => {}
            Err(_) => return Ok(()),
        }
    }
}

/// `stream`, which notes that something came.
struct Heard<S> {
    stream: S,
    heard: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(context, into);
        if outcome.is_ready() {
            self.heard.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(150);

    #[tokio::test]
    async fn bytes_go_both_ways_until_both_sides_end() {
        let (mut client, near) = duplex(16);
        let (far, mut upstream) = duplex(16);
        let both = async {
            client.write_all(b"question").await.unwrap();
            let mut part = [0; 8];
            upstream.read_exact(&mut part).await.unwrap();
            assert_eq!(&part, b"question");
            upstream.write_all(b"answer").await.unwrap();
            drop(upstream);
            let mut rest = String::new();
            client.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "answer");
            drop(client);
        };
        let (ended, ()) = tokio::join!(couple(near, far, PATIENCE), both);
        assert!(ended.is_ok());
    }

    #[tokio::test]
    async fn one_side_that_speaks_keeps_it_open_and_silence_ends_it() {
        let (mut client, near) = duplex(16);
        let (far, mut upstream) = duplex(16);
        let speaking = async {
            for _ in 0..6 {
                tokio::time::sleep(PATIENCE / 2).await;
                upstream.write_all(b"!").await.unwrap();
            }
            let mut heard = [0; 6];
            client.read_exact(&mut heard).await.unwrap();
            // The upstream stays, and so does the client; neither says a word.
            client.read(&mut heard).await.unwrap()
        };
        let (ended, rest) = tokio::join!(couple(near, far, PATIENCE), speaking);
        assert!(ended.is_ok());
        assert_eq!(rest, 0);
    }
}
