//! HTTPS on an accepted connection: the handshake, then HTTP/2 or HTTP/1.1 as was agreed on.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::http::{HttpDoor, HttpService};
use crate::lifecycle::Stop;
use crate::tls::{Spoken, Tls, spoken};

/// Serves HTTPS connections.
#[derive(Clone)]
pub struct HttpsDoor<S> {
    /// Does the handshakes.
    pub tls: Tls,
    /// Answers what is asked then.
    pub door: HttpDoor<S>,
}

impl<S: HttpService> HttpsDoor<S> {
    /// Does the handshake on `stream`, then as [`HttpDoor::serve`].
    pub async fn serve<IO>(self, stream: IO, peer: SocketAddr, stop: Stop)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = match self.tls.handshake(stream).await {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%peer, %error, "HTTPS connection closed: no TLS"),
        };
        match spoken(&stream) {
            Spoken::Http1 => self.door.serve(stream, peer, stop).await,
            Spoken::Http2 => Box::pin(self.door.serve_http2(stream, peer, stop)).await,
            Spoken::Challenge => tracing::debug!(%peer, "an ACME server looked at the answer to its challenge"),
        }
    }
}
