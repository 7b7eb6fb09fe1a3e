//! Proxies that say by the PROXY protocol for whom they connect. From their networks every
//! connection must begin with that header; from everywhere else it is never looked for, so that
//! nobody can give an address that is not theirs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ostiary_model::Network;
use tokio::io::AsyncRead;

use crate::lifecycle::Stop;
use crate::limits::Seat;
use crate::proxy_header::{NoHeader, read_header};

/// The proxies of a port. Clones share them.
#[derive(Clone)]
pub struct Proxies {
    from: Arc<[Network]>,
    patience: Duration,
    stop: Stop,
}

impl Proxies {
    /// Proxies in the networks `from`, whose header may take `patience` to come, and is not waited for
    /// by a `stop`.
    #[must_use]
    pub fn new(from: &[Network], patience: Duration, stop: &Stop) -> Self {
        Self { from: from.into(), patience, stop: stop.clone() }
    }

    /// Who is at the other end of `stream`, which `peer` opened and holds `seat` for: `peer`, or
    /// whom it speaks for, as whom the seat counts from then on. `None` when the connection is to
    /// be closed. Nothing but the header is read.
    pub async fn client<IO>(&self, stream: &mut IO, peer: SocketAddr, seat: &Seat) -> Option<SocketAddr>
    where
        IO: AsyncRead + Unpin,
    {
        if !self.from.iter().any(|network| network.contains(peer.ip())) {
            return Some(peer);
        }
        let client = match self.stop.within(self.patience, read_header(stream)).await {
            Some(Ok(client)) => client.unwrap_or(peer),
            Some(Err(NoHeader::Nothing)) => return None,
            Some(Err(error)) => {
                tracing::warn!(%peer, "a connection of a proxy was closed: {error}");
                return None;
            }
            None => {
                tracing::warn!(%peer, "a connection of a proxy was closed: its PROXY header did not come in time");
                return None;
            }
        };
        if seat.stand_for(client.ip()) {
            return Some(client);
        }
        tracing::debug!(%peer, %client, "closed: its address holds as many connections as it may");
        None
    }
}
