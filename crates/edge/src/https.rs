//! HTTPS on an accepted connection: the handshake, then HTTP/2 or HTTP/1.1 as was agreed on.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt as _;

use crate::certificates::Certificates;
use crate::http::{HttpDoor, HttpService};
use crate::lifecycle::Stop;
use crate::limits::Seat;
use crate::redirect::{host, plain};
use crate::tls::{Spoken, Tls, spoken};

/// Serves HTTPS connections.
#[derive(Clone)]
pub struct HttpsDoor<S> {
    /// Does the handshakes.
    pub tls: Tls,
    /// The certificates that it shows.
    pub certificates: Certificates,
    /// Answers what is asked then.
    pub door: HttpDoor<S>,
}

impl<S: HttpService> HttpsDoor<S> {
    /// Does the handshake on `stream`, then as [`HttpDoor::serve`]. A request for a host that the
    /// connection's certificate is not for is answered with 421 (RFC 9110 section 7.4).
    pub async fn serve<IO>(self, stream: IO, peer: SocketAddr, seat: Seat, stop: Stop)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = match self.tls.handshake(stream).await {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%peer, %error, "HTTPS connection closed: no TLS"),
        };
        let named = stream.get_ref().1.server_name().map(Arc::from);
        let HttpDoor { service, limits } = self.door;
        let door = HttpDoor { service: only_for_ours(service, self.certificates, named), limits };
        match spoken(&stream) {
            Spoken::Http1 => door.serve(stream, peer, stop).await,
            Spoken::Http2 => Box::pin(door.serve_http2(stream, peer, seat.turns(), stop)).await,
            Spoken::Challenge => tracing::debug!(%peer, "an ACME server looked at the answer to its challenge"),
        }
    }
}

/// `service`, which hears only of hosts that are one with what the client named in its handshake.
fn only_for_ours<S: HttpService>(service: S, certificates: Certificates, named: Option<Arc<str>>) -> impl HttpService {
    tower::service_fn(move |request: Request<Incoming>| {
        let is_ours = host(&request).is_some_and(|host| certificates.are_one(named.as_deref(), &host));
        let answer = is_ours.then(|| service.clone().oneshot(request));
        async move {
            let Some(answer) = answer else {
                let other = plain(StatusCode::MISDIRECTED_REQUEST, "This connection is not for this host.\n");
                return Ok(other.map(Either::Right));
            };
            answer.await.map(|response| response.map(Either::Left))
        }
    })
}
