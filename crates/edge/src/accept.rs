//! The loop that accepts connections and hands each to its door.

use std::future::Future;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::lifecycle::Lifecycle;
use crate::limits::{Admission, Gate, Permit, Seat};

/// How long to wait when the machine has run out of what a connection needs.
const SHORTAGE: Duration = Duration::from_millis(100);

/// Accepts on `listener` for ever and runs `door` for each connection that `gate` admits, as a
/// task of `life`. `door` is given the peer's address, with IPv4 never dressed as IPv6, and the
/// place in which it tells whether it knows the peer. It is dropped when the place is needed.
pub async fn accept<D, F>(listener: TcpListener, gate: Gate, life: Lifecycle, door: D)
where
    D: Fn(TcpStream, SocketAddr, Seat) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
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
        let leave = life.leave();
        let Some(permit) = admitted(&gate, peer, &leave).await else { continue };
        // Answers are short; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let work = Box::pin(door(stream, peer, permit.seat().clone()));
        life.guest(
            leave,
            Box::pin(async move {
                work.await;
                drop(permit);
            }),
        );
    }
}

/// Waits at the gate, if it must be.
async fn admitted(gate: &Gate, peer: SocketAddr, leave: &tokio_util::sync::CancellationToken) -> Option<Permit> {
    loop {
        match gate.admit(peer.ip(), leave) {
            Admission::Enter(permit) => return Some(permit),
            Admission::Wait => gate.left().await,
            Admission::Close(reason) => {
                tracing::debug!(%peer, "closed: {reason}");
                return None;
            }
        }
    }
}

/// Whether the failure concerns just the connection that was about to be accepted (accept(2)).
fn is_of_one_connection(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}
