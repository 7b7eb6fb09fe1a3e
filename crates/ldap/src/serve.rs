//! A connection: bytes in, bytes out, and when it ends.
//!
//! Every wait has an end: for the next message, for the rest of one, for the other side to take an
//! answer. When the server ends a connection it says so first (RFC 4511 section 4.4.1), save where
//! there was just silence.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapExtendedResponse, LdapMsg, LdapOp, LdapResultCode};
use ostiary_app::App;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use tokio_util::codec::Encoder as _;
use tokio_util::sync::CancellationToken;

use crate::LdapSettings;
use crate::channel::Channel;
use crate::frame::{Frame, Malformed};
use crate::results::{Results, Step};
use crate::session::{Answer, Outdated, Session, result};

const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";
/// How much of an answer is gathered before it is sent.
const CHUNK: usize = 64 * 1024;
/// Room for reading; what most messages fit in.
const ROOM: usize = 4 * 1024;
/// How long, and how much, is read and thrown away after the last word, so that the other side
/// gets to see it: closing with unread bytes would make the kernel take it back.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Answers requests on `stream`, from `peer`, until either side ends the connection. When `stop` is
/// cancelled it ends after the request at hand.
pub async fn serve<S>(app: Arc<App>, stream: S, peer: IpAddr, settings: LdapSettings, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let channel = Channel { is_encrypted: false, offers_tls: false, trusts_clear_text: true };
    let wire = Wire { stream, input: BytesMut::new(), output: BytesMut::new(), settings };
    let mut connection = Connection { wire, session: Session::new(app, peer, channel) };
    match connection.run(&stop).await {
        Ok(()) => {}
        Err(End::Gone(error)) => tracing::debug!(%peer, %error, "LDAP connection lost"),
        Err(End::Silent) => tracing::debug!(%peer, "LDAP connection closed: nothing came"),
        Err(End::Notice(code, message)) => {
            tracing::debug!(%peer, ?code, message, "LDAP connection closed");
            connection.wire.farewell(code, message).await;
        }
    }
}

/// Why a connection ends.
enum End {
    /// The other side is not there any more.
    Gone(io::Error),
    /// The other side said nothing for too long.
    Silent,
    /// The server ends it and says why.
    Notice(LdapResultCode, &'static str),
}

const OUTDATED: End = End::Notice(LdapResultCode::Unavailable, "the account was changed, bind again");

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<Malformed> for End {
    fn from(error: Malformed) -> Self {
        Self::Notice(
            LdapResultCode::ProtocolError,
            match error {
                Malformed::Encoding => "this is not an LDAP message",
                Malformed::TooLarge => "the message is too large",
                Malformed::MessageId => "the message id is not between 1 and 2147483647",
                Malformed::Operation => "the operation is unknown",
            },
        )
    }
}

struct Connection<S> {
    wire: Wire<S>,
    session: Session,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn run(&mut self, stop: &CancellationToken) -> Result<(), End> {
        loop {
            let frame = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(End::Notice(LdapResultCode::Unavailable, "the server is stopping")),
                frame = self.wire.receive(self.session.is_bound()) => frame?,
            };
            let Some(frame) = frame else { return Ok(()) };
            let (id, operation) = (frame.id, frame.operation);
            match self.session.handle(frame).await {
                Answer::Nothing => {}
                Answer::Unbind | Answer::StartTls(_) => return Ok(()),
                Answer::Outdated => return Err(OUTDATED),
                Answer::Search(results) => self.results(id, *results).await?,
                Answer::Replies(replies, controls) => {
                    tracing::debug!(?operation, "LDAP request answered");
                    self.wire.replies(id, replies, controls)?;
                    self.wire.flush().await?;
                }
            }
        }
    }

    /// Sends entries as they are found. Between the slices of a long search others have their
    /// turn, and whoever reads is asked for again.
    async fn results(&mut self, id: i32, mut results: Results) -> Result<(), End> {
        let limit = results.time_limit;
        let mut time_is_up = std::pin::pin!(sleep(Duration::from_secs(limit)));
        let mut slices = 0_u32;
        let more = loop {
            let reader = match self.session.reader() {
                Ok(Some(reader)) => reader,
                Ok(None) | Err(Outdated) => return Err(OUTDATED),
            };
            match results.step(self.session.app().directory(), reader) {
                Step::Entry(entry) => self.wire.put(id, LdapOp::SearchResultEntry(entry), Vec::new())?,
                Step::Pause => {
                    slices += 1;
                    if slices > 1 {
                        tokio::task::yield_now().await;
                    }
                }
                Step::End => break false,
                Step::More => break true,
            }
            if self.wire.output.len() >= CHUNK {
                self.wire.flush().await?;
            }
            if limit > 0 && (&mut time_is_up).now_or_never().is_some() {
                let done = LdapOp::SearchResultDone(result(LdapResultCode::TimeLimitExceeded, ""));
                self.wire.put(id, done, Vec::new())?;
                return self.wire.flush().await;
            }
        };
        let (done, controls) = results.end(more, &mut self.session.pages);
        self.wire.put(id, LdapOp::SearchResultDone(done), controls)?;
        self.wire.flush().await
    }
}

/// The two directions of a stream.
struct Wire<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
    settings: LdapSettings,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire<S> {
    /// The next message. `None` when the other side has closed.
    async fn receive(&mut self, is_bound: bool) -> Result<Option<Frame>, End> {
        let (most, idle) = if is_bound {
            (self.settings.max_message_bound, self.settings.idle_bound)
        } else {
            (self.settings.max_message_unbound, self.settings.idle_unbound)
        };
        if self.input.is_empty() {
            // What one long message needed is not kept for all that follow.
            self.input = BytesMut::new();
            match timeout(idle, self.read()).await {
                Err(_) => return Err(End::Silent),
                Ok(Ok(0)) => return Ok(None),
                Ok(read) => drop(read?),
            }
        }
        let transfer = self.settings.transfer;
        let whole = async {
            loop {
                if let Some(frame) = Frame::take(&mut self.input, most)? {
                    return Ok(Some(frame));
                }
                if self.read().await? == 0 {
                    return Ok(None);
                }
            }
        };
        match timeout(transfer, whole).await {
            Ok(frame) => frame,
            Err(_) => Err(End::Silent),
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.input.reserve(ROOM);
        self.stream.read_buf(&mut self.input).await
    }

    fn replies(&mut self, id: i32, replies: Vec<LdapOp>, controls: Vec<LdapControl>) -> Result<(), End> {
        let last = replies.len().saturating_sub(1);
        let mut controls = Some(controls);
        for (at, op) in replies.into_iter().enumerate() {
            let controls = if at == last { controls.take().unwrap_or_default() } else { Vec::new() };
            self.put(id, op, controls)?;
        }
        Ok(())
    }

    fn put(&mut self, msgid: i32, op: LdapOp, ctrl: Vec<LdapControl>) -> Result<(), End> {
        Ok(LdapCodec::default().encode(LdapMsg { msgid, op, ctrl }, &mut self.output)?)
    }

    /// Sends what was gathered.
    async fn flush(&mut self) -> Result<(), End> {
        let send = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        match timeout(self.settings.transfer, send).await {
            Ok(sent) => sent?,
            Err(_) => return Err(End::Gone(io::ErrorKind::TimedOut.into())),
        }
        if self.output.capacity() > 2 * CHUNK {
            self.output = BytesMut::new();
        }
        self.output.clear();
        Ok(())
    }

    /// Says that this is the end, and why, and waits for the other side to have heard it.
    async fn farewell(&mut self, code: LdapResultCode, message: &str) {
        let notice = LdapOp::ExtendedResponse(LdapExtendedResponse {
            res: result(code, message),
            name: Some(NOTICE_OF_DISCONNECTION.to_owned()),
            value: None,
        });
        if self.put(0, notice, Vec::new()).is_err() || self.flush().await.is_err() {
            return;
        }
        let linger = async {
            self.stream.shutdown().await?;
            let mut read = 0;
            while read < LINGER_BYTES {
                self.input.clear();
                match self.read().await? {
                    0 => break,
                    bytes => read += bytes,
                }
            }
            io::Result::Ok(())
        };
        // Whether the other side hears it is up to it.
        let _ = timeout(LINGER, linger).await;
    }
}
