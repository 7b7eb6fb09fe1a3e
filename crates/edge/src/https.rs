//! HTTPS on an accepted connection: the handshake, then HTTP/2 or HTTP/1.1 as was agreed on.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

use crate::http::HttpDoor;
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

impl<S, B> HttpsDoor<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
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
