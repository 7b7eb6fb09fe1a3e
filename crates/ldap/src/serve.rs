//! A connection: requests in the order in which they came, each answered by the session; from
//! clear text to TLS when that is asked for; and when it ends.
//!
//! When the server ends a connection it says so first (RFC 4511 section 4.4.1), save where there
//! was just silence. What has come in is answered before anything is sent, so that many small
//! requests cost one write.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ldap3_proto::proto::{LdapOp, LdapResultCode};
use ostiary_app::App;
use ostiary_app::directory::Target;
use ostiary_model::Attribute;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::LdapSettings;
use crate::channel::Channel;
use crate::entry::{self, Shape};
use crate::extended::start_tls_response;
use crate::frame::{Frame, Operation};
use crate::results::{Results, Step};
use crate::session::{Answer, Session, result};
use crate::wire::{CHUNK, End, Wire};

/// Makes an encrypted stream of a plain one, as the server. What is behind it is not known here.
pub trait Encrypt<S>: Send {
    /// What it makes.
    type Encrypted: AsyncRead + AsyncWrite + Unpin + Send;

    /// Does the server's part of a handshake.
    ///
    /// # Errors
    /// When there is none; the connection cannot go on.
    fn encrypt(self, plain: S) -> impl Future<Output = io::Result<Self::Encrypted>> + Send;
}

/// Whoever is at the other end.
pub struct Peer {
    /// Their address.
    pub address: IpAddr,
    /// Told whenever they begin or cease to be bound.
    pub settle: Box<dyn Fn(bool) + Send + Sync>,
}

/// Serves LDAP connections. Clones are the same door.
#[derive(Clone)]
pub struct LdapDoor {
    /// Answers what is asked.
    pub app: Arc<App>,
    /// Limits of time and size, and who may send passwords in clear text.
    pub settings: Arc<LdapSettings>,
    /// When cancelled, connections end when nothing is asked on them any more, and soon in any case.
    pub stop: CancellationToken,
}

impl LdapDoor {
    /// Answers requests on `stream`, which anybody on the way can read, until either side ends the
    /// connection. With `encrypt` it offers StartTLS (RFC 4511 section 4.14).
    pub async fn plain<S, E>(self, stream: S, peer: Peer, encrypt: Option<E>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
        E: Encrypt<S>,
    {
        let channel = Channel {
            is_encrypted: false,
            offers_tls: encrypt.is_some(),
            trusts_clear_text: self.settings.trusts_clear_text(peer.address),
        };
        let mut connection = self.connection(stream, peer, channel);
        if !connection.until_the_end(&self.stop).await {
            return;
        }
        let Connection { wire, mut session, peer, .. } = connection;
        let address = peer.address;
        let stream = match (wire.into_stream(), encrypt) {
            (Ok(stream), Some(encrypt)) => Box::pin(encrypt.encrypt(stream)).await,
            (Err(End::Gone(error)), _) => Err(error),
            _ => return,
        };
        match stream {
            Ok(stream) => {
                session.encrypted();
                (peer.settle)(false);
                let wire = Wire::new(stream, Arc::clone(&self.settings));
                let mut connection = Connection { wire, session, peer, is_settled: false };
                // In a box, so that what is waiting in clear text does not hold room for it.
                Box::pin(connection.until_the_end(&self.stop)).await;
            }
            Err(error) => tracing::debug!(peer = %address, %error, "LDAP connection closed: no TLS after StartTLS"),
        }
    }

    /// Answers requests on `stream`, which is encrypted, until either side ends the connection.
    pub async fn encrypted<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.connection(stream, peer, Channel::ENCRYPTED).until_the_end(&self.stop).await;
    }

    fn connection<S>(&self, stream: S, peer: Peer, channel: Channel) -> Connection<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let session = Session::new(Arc::clone(&self.app), peer.address, channel);
        Connection { wire: Wire::new(stream, Arc::clone(&self.settings)), session, peer, is_settled: false }
    }
}

const OUTDATED: End = End::Notice(LdapResultCode::Unavailable, "the account was changed, bind again");
/// How many requests of one connection are answered before others have their turn.
const TURN: u32 = 64;

/// While the server stops: how long a connection on which nothing is asked is kept, and for how long
/// requests are taken at all.
const QUIET: Duration = Duration::from_secs(1);
const LAST_REQUESTS: Duration = Duration::from_secs(5);
const STOPPING: End = End::Notice(LdapResultCode::Unavailable, "the server is stopping");

struct Connection<S> {
    wire: Wire<S>,
    session: Session,
    peer: Peer,
    is_settled: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// True when it ends in that TLS is to begin.
    async fn until_the_end(&mut self, stop: &CancellationToken) -> bool {
        let peer = self.peer.address;
        match self.run(stop).await {
            Ok(()) => return true,
            Err(End::Unbound) => {}
            Err(End::Gone(error)) => tracing::debug!(%peer, %error, "LDAP connection lost"),
            Err(End::Silent) => tracing::debug!(%peer, "LDAP connection closed: nothing came"),
            Err(End::Notice(code, message)) => {
                tracing::debug!(%peer, ?code, message, "LDAP connection closed");
                self.wire.farewell(code, message).await;
            }
        }
        false
    }

    /// Answers requests until TLS is to begin, or the connection ends.
    async fn run(&mut self, stop: &CancellationToken) -> Result<(), End> {
        let mut stopping = std::pin::pin!(stop.cancelled());
        let mut stopping_since = None;
        let mut answered = 0_u32;
        loop {
            let is_bound = self.session.is_bound();
            let frame = match self.wire.at_hand(is_bound)? {
                Some(frame) => frame,
                None => {
                    if stopping_since.is_none() {
                        self.wire.flush().await?;
                        tokio::select! {
                            biased;
                            frame = self.wire.receive(is_bound) => frame?.ok_or(End::Unbound)?,
                            () = &mut stopping => {
                                stopping_since = Some(now());
                                continue;
                            }
                        }
                    } else {
                        Box::pin(self.last(stopping_since)).await?
                    }
                }
            };
            if self.answer(frame).await? {
                return Ok(());
            }
            if self.is_settled != self.session.is_bound() {
                self.is_settled = self.session.is_bound();
                (self.peer.settle)(self.is_settled);
            }
            // Who sends more and more at once does not keep others waiting.
            answered = (answered + 1) % TURN;
            if answered == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits for one of the last requests while the server stops. In LDAP nobody can be told that an
    /// answer is the last one: so who asks one thing after another, as a bind and a search, is let
    /// do so, and who does not come to an end hears it together with an answer.
    async fn last(&mut self, stopping_since: Option<Instant>) -> Result<Frame, End> {
        if stopping_since.is_none_or(|since| now() - since >= LAST_REQUESTS) {
            return Err(STOPPING);
        }
        self.wire.flush().await?;
        let frame = tokio::time::timeout(QUIET, self.wire.receive(self.session.is_bound())).await;
        frame.unwrap_or(Err(STOPPING))?.ok_or(End::Unbound)
    }

    /// Answers one request. True when TLS is to begin.
    async fn answer(&mut self, frame: Frame) -> Result<bool, End> {
        let (id, operation) = (frame.id, frame.operation);
        if self.wire.owes() >= CHUNK || may_take_long(operation) {
            self.wire.flush().await?;
        }
        match self.session.handle(frame).await {
            Answer::Nothing => {}
            Answer::Unbind => return Err(End::Unbound),
            Answer::Outdated => return Err(OUTDATED),
            Answer::Search(results) => self.results(id, results).await?,
            Answer::StartTls => return self.start_tls(id).await,
            Answer::Replies(replies, controls) => self.wire.put_all(id, replies, controls)?,
        }
        tracing::debug!(?operation, "LDAP request answered");
        Ok(false)
    }

    /// Answers that TLS begins now; or that it does not, when earlier requests are not answered
    /// to the end (RFC 4511 section 4.14.1).
    async fn start_tls(&mut self, id: i32) -> Result<bool, End> {
        let is_alone = self.wire.owes() == 0;
        let result = if is_alone {
            result(LdapResultCode::Success, "")
        } else {
            result(LdapResultCode::OperationsError, "earlier requests are still being answered")
        };
        self.wire.put(id, start_tls_response(result), Vec::new())?;
        self.wire.flush().await?;
        Ok(is_alone)
    }

    /// Gathers what a search finds. What does not end at once goes on in a box, so that a connection
    /// that waits does not hold room for it.
    async fn results(&mut self, id: i32, mut results: Box<Results>) -> Result<(), End> {
        match self.slice(id, &mut results)? {
            Step::End => self.done(id, *results, false),
            Step::More => self.done(id, *results, true),
            step => Box::pin(self.further(id, results, step)).await,
        }
    }

    /// Sends entries as they are found. Between the slices of a long search others have their
    /// turn, whoever reads is asked for again, and what they have sent in the meantime is seen.
    async fn further(&mut self, id: i32, mut results: Box<Results>, mut step: Step) -> Result<(), End> {
        let limit = Duration::from_secs(results.time_limit);
        let begun = now();
        loop {
            match step {
                Step::Pause => {}
                Step::Fetch(target, attributes) => self.with_pictures(id, &results, target, attributes).await?,
                Step::End => return self.done(id, *results, false),
                Step::More => return self.done(id, *results, true),
            }
            if self.wire.owes() >= CHUNK {
                self.wire.flush().await?;
            }
            tokio::task::yield_now().await;
            if self.wire.glance(id, self.session.is_bound()).await? {
                return self.wire.flush().await;
            }
            if !limit.is_zero() && now() - begun >= limit {
                let done = LdapOp::SearchResultDone(result(LdapResultCode::TimeLimitExceeded, ""));
                return self.wire.put(id, done, Vec::new());
            }
            step = self.slice(id, &mut results)?;
        }
    }

    /// Gathers one slice of what a search finds.
    fn slice(&mut self, id: i32, results: &mut Results) -> Result<Step, End> {
        let Ok(Some(reader)) = self.session.reader() else { return Err(OUTDATED) };
        Ok(results.step(self.session.app().directory(), reader, id, self.wire.gathered()))
    }

    /// Gathers the end of a search.
    fn done(&mut self, id: i32, results: Results, more: bool) -> Result<(), End> {
        let (done, controls) = results.end(more, &mut self.session.pages);
        self.wire.put(id, LdapOp::SearchResultDone(done), controls)
    }

    /// Writes an entry with the pictures that it has. One that is gone in the meantime is left out.
    async fn with_pictures(
        &mut self,
        id: i32,
        results: &Results,
        target: Target,
        attributes: Vec<Attribute>,
    ) -> Result<(), End> {
        let pictures = self.session.pictures(target, attributes).await;
        let Ok(Some(reader)) = self.session.reader() else { return Err(OUTDATED) };
        let shape = Shape { wanted: &results.wanted, types_only: false, pictures: &pictures };
        let out = self.wire.gathered();
        self.session.app().directory().view(reader, target, |view| entry::write(out, id, view, &shape));
        Ok(())
    }
}

/// Whether earlier answers should not wait for this one.
const fn may_take_long(operation: Operation) -> bool {
    !matches!(operation, Operation::Search | Operation::Compare | Operation::Abandon | Operation::Extended)
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measures how long a search takes")]
    Instant::now()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    /// TLS as `server` gives it, by its size: a pointer.
    struct Handshake;

    impl Encrypt<TcpStream> for Handshake {
        type Encrypted = Box<TcpStream>;

        async fn encrypt(self, plain: TcpStream) -> io::Result<Self::Encrypted> {
            Ok(Box::new(plain))
        }
    }

    fn size_of_plain<A, B, C, F>(_: impl Fn(LdapDoor, A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_encrypted<A, B, F>(_: impl Fn(LdapDoor, A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_that_waits_is_small() {
        let plain = size_of_plain(LdapDoor::plain::<TcpStream, Handshake>);
        let encrypted = size_of_encrypted(LdapDoor::encrypted::<Box<TcpStream>>);
        // What makes it grow is in a box while it is needed: see `results` and `Session::handle`.
        assert!(plain < 1_536 && encrypted < 1_280, "{plain} and {encrypted} bytes");
    }
}
