//! The loop that accepts connections and hands each to its door.

use std::future::Future;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::lifecycle::Lifecycle;
use crate::limits::Gate;

/// How long to wait when the machine has run out of what a connection needs.
const SHORTAGE: Duration = Duration::from_millis(100);

/// Accepts on `listener` for ever and runs `door` for each connection that `gate` admits, as a
/// task of `life`. The address given to `door` is the peer's, with IPv4 never dressed as IPv6.
pub async fn accept<D, F>(listener: TcpListener, gate: Gate, life: Lifecycle, door: D)
where
    D: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let Some(place) = gate.place().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    tokio::time::sleep(SHORTAGE).await;
                }
                continue;
            }
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(permit) = gate.admit(peer.ip(), place) else {
            tracing::debug!(%peer, "closed: this address holds as many connections as it may");
            continue;
        };
        // Answers are short; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let work = door(stream, peer);
        life.connection(async move {
            work.await;
            drop(permit);
        });
    }
}

/// Whether the failure concerns just the connection that was about to be accepted (accept(2)).
fn is_of_one_connection(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}
