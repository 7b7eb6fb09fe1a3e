//! The two directions of a stream: messages are found in what comes in, answers gathered until
//! there is nothing more to answer at once, then sent together.
//!
//! Every wait has an end: for the next message, for the rest of one, for the other side to take an
//! answer. A connection that waits holds no buffers.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapExtendedResponse, LdapMsg, LdapOp, LdapResultCode};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::codec::Encoder as _;

use crate::LdapSettings;
use crate::frame::{Frame, Malformed, Operation};
use crate::request::abandoned;
use crate::session::result;

const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";
/// How much of an answer is gathered before it is sent.
pub(crate) const CHUNK: usize = 64 * 1024;
/// How much is read at once.
const ROOM: usize = 8 * 1024;
/// How many requests may wait for a search to be over before no more are read, and how many bytes of
/// them.
const MAX_EARLY: usize = 64;
const MAX_EARLY_BYTES: usize = 256 * 1024;
/// How long buffers are kept for the next message. Who asks again at once finds them warm.
const PAUSE: Duration = Duration::from_secs(1);
/// How long, and how much, is read and thrown away after the last word, so that the other side
/// gets to see it: closing with unread bytes would make the kernel take it back.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Why a connection ends.
pub(crate) enum End {
    /// The other side is not there any more.
    Gone(io::Error),
    /// The other side said nothing for too long.
    Silent,
    /// The other side wants no more.
    Unbound,
    /// The server ends it and says why.
    Notice(LdapResultCode, &'static str),
}

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

/// A stream of messages.
pub(crate) struct Wire<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
    /// Requests that came while a search was answered, each with its length.
    early: VecDeque<(usize, Frame)>,
    patience: Patience,
    settings: Arc<LdapSettings>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire<S> {
    pub(crate) fn new(stream: S, settings: Arc<LdapSettings>) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            early: VecDeque::new(),
            patience: Patience::new(),
            settings,
        }
    }

    /// The next message, if it has come in as a whole.
    pub(crate) fn at_hand(&mut self, is_bound: bool) -> Result<Option<Frame>, End> {
        if let Some((_, frame)) = self.early.pop_front() {
            return Ok(Some(frame));
        }
        let most = self.settings.max_message(is_bound);
        Ok(Frame::take(&mut self.input, most)?)
    }

    /// Sends what was gathered and waits for the next message. `None` when the other side has
    /// closed.
    pub(crate) async fn receive(&mut self, is_bound: bool) -> Result<Option<Frame>, End> {
        self.flush().await?;
        if self.input.is_empty() && !self.first_bytes(self.settings.idle(is_bound)).await? {
            return Ok(None);
        }
        let most = self.settings.max_message(is_bound);
        let Self { stream, input, patience, settings, .. } = self;
        let whole = async {
            loop {
                if let Some(frame) = Frame::take(input, most)? {
                    return Ok(Some(frame));
                }
                if read(stream, input).await? == 0 {
                    return Ok(None);
                }
            }
        };
        patience.wait(settings.transfer, whole).await.unwrap_or(Err(End::Silent))
    }

    /// Waits for the other side to say anything. False when it has closed.
    async fn first_bytes(&mut self, idle: Duration) -> Result<bool, End> {
        let first = self.patience.wait(PAUSE.min(idle), read(&mut self.stream, &mut self.input)).await;
        let count = match first {
            Some(count) => count?,
            None => {
                self.input = BytesMut::new();
                self.output = BytesMut::new();
                self.early = VecDeque::new();
                let rest = idle.saturating_sub(PAUSE);
                self.patience.wait(rest, read(&mut self.stream, &mut self.input)).await.ok_or(End::Silent)??
            }
        };
        Ok(count > 0)
    }

    /// Takes in what has come while the search `id` is answered, without waiting. True when the
    /// search is to end: it was abandoned (RFC 4511 section 4.11).
    pub(crate) async fn glance(&mut self, id: i32, is_bound: bool) -> Result<bool, End> {
        let waiting: usize = self.early.iter().map(|(length, _)| length).sum();
        if self.early.len() >= MAX_EARLY || waiting >= MAX_EARLY_BYTES {
            return Ok(false);
        }
        let coming = {
            let mut coming = pin!(read(&mut self.stream, &mut self.input));
            std::future::poll_fn(|context| Poll::Ready(coming.as_mut().poll(context))).await
        };
        match coming {
            // The other side may still read what it asked for; when it does not, writing fails.
            Poll::Pending | Poll::Ready(Ok(0)) => return Ok(false),
            Poll::Ready(read) => drop(read?),
        }
        let most = self.settings.max_message(is_bound);
        let mut is_over = false;
        loop {
            let before = self.input.len();
            let Some(frame) = Frame::take(&mut self.input, most)? else { return Ok(is_over) };
            match frame.operation {
                Operation::Unbind => return Err(End::Unbound),
                Operation::Abandon => match frame.content().and_then(abandoned) {
                    Some(other) if other == id => is_over = true,
                    Some(other) => {
                        self.early.retain(|(_, early)| early.id != other || !can_be_abandoned(early.operation));
                    }
                    None => {}
                },
                _ => self.early.push_back((before - self.input.len(), frame)),
            }
        }
    }

    /// Whether answers are gathered that were not sent yet.
    pub(crate) fn owes(&self) -> usize {
        self.output.len()
    }

    /// What is gathered, to write more of it.
    pub(crate) fn gathered(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Gathers a message.
    pub(crate) fn put(&mut self, msgid: i32, op: LdapOp, ctrl: Vec<LdapControl>) -> Result<(), End> {
        Ok(LdapCodec::default().encode(LdapMsg { msgid, op, ctrl }, &mut self.output)?)
    }

    /// Gathers messages, with controls on the last one.
    pub(crate) fn put_all(&mut self, id: i32, replies: Vec<LdapOp>, controls: Vec<LdapControl>) -> Result<(), End> {
        let last = replies.len().saturating_sub(1);
        let mut controls = Some(controls);
        for (at, op) in replies.into_iter().enumerate() {
            let controls = if at == last { controls.take().unwrap_or_default() } else { Vec::new() };
            self.put(id, op, controls)?;
        }
        Ok(())
    }

    /// Sends what was gathered.
    pub(crate) async fn flush(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let Self { stream, output, patience, settings, .. } = self;
        let send = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        match patience.wait(settings.transfer, send).await {
            Some(sent) => sent?,
            None => return Err(End::Gone(io::ErrorKind::TimedOut.into())),
        }
        if self.output.capacity() > 2 * CHUNK {
            self.output = BytesMut::new();
        }
        self.output.clear();
        Ok(())
    }

    /// The stream, for another protocol. An error when more has come in already: nobody knows
    /// whether it was meant for that, or slipped in by somebody on the way.
    pub(crate) fn into_stream(self) -> Result<S, End> {
        if self.input.is_empty() && self.early.is_empty() {
            Ok(self.stream)
        } else {
            Err(End::Gone(io::Error::other("there was clear text behind a request for StartTLS")))
        }
    }

    /// Says that this is the end, and why, and waits for the other side to have heard it.
    pub(crate) async fn farewell(&mut self, code: LdapResultCode, message: &str) {
        let notice = LdapOp::ExtendedResponse(LdapExtendedResponse {
            res: result(code, message),
            name: Some(NOTICE_OF_DISCONNECTION.to_owned()),
            value: None,
        });
        if self.put(0, notice, Vec::new()).is_err() || self.flush().await.is_err() {
            return;
        }
        let Self { stream, input, patience, .. } = self;
        let linger = async {
            stream.shutdown().await?;
            let mut heard = 0;
            while heard < LINGER_BYTES {
                input.clear();
                match read(stream, input).await? {
                    0 => break,
                    bytes => heard += bytes,
                }
            }
            io::Result::Ok(())
        };
        // Whether the other side hears it is up to it.
        let _ = patience.wait(LINGER, linger).await;
    }
}

/// Whether a request may go unanswered when somebody abandons it (RFC 4511 section 4.11). Extended
/// operations may be StartTLS, which may not.
const fn can_be_abandoned(operation: Operation) -> bool {
    !matches!(operation, Operation::Bind | Operation::Unbind | Operation::Abandon | Operation::Extended)
}

/// Reads what is there into `input`. The room for it is on the stack while reading, so that a
/// connection that waits holds none.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, input: &mut BytesMut) -> io::Result<usize> {
    std::future::poll_fn(|context| {
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut room = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut room))?;
        input.extend_from_slice(room.filled());
        Poll::Ready(Ok(room.filled().len()))
    })
    .await
}

/// One timer for all the waits of a connection. A wait that is over at once does not touch it, and
/// to move it on costs less than to set another.
struct Patience(Pin<Box<Sleep>>);

impl Patience {
    fn new() -> Self {
        Self(Box::pin(sleep(Duration::ZERO)))
    }

    /// What `work` gives, unless that takes longer than `most`.
    async fn wait<T>(&mut self, most: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut is_set = false;
        std::future::poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            if !is_set {
                is_set = true;
                #[expect(clippy::disallowed_methods, reason = "a timer is set from now on; nothing is decided by it")]
                let now = Instant::now();
                self.0.as_mut().reset(now + most);
            }
            self.0.as_mut().poll(context).map(|()| None)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    const UNBIND: &[u8] = b"\x30\x05\x02\x01\x09\x42\x00";

    /// A search (its filter is not looked at here) and an abandon.
    fn search(id: u8) -> Vec<u8> {
        vec![0x30, 0x05, 0x02, 0x01, id, 0x63, 0x00]
    }

    fn abandon(id: u8, of: u8) -> Vec<u8> {
        vec![0x30, 0x06, 0x02, 0x01, id, 0x50, 0x01, of]
    }

    fn wire(settings: LdapSettings) -> (Wire<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = duplex(1024);
        (Wire::new(ours, Arc::new(settings)), theirs)
    }

    #[tokio::test]
    async fn what_comes_during_a_search_waits_unless_it_is_abandoned() {
        let (mut wire, mut theirs) = wire(LdapSettings::default());
        assert!(!wire.glance(1, false).await.is_ok_and(|over| over), "nothing came");
        theirs.write_all(&[search(2), search(3), abandon(4, 2), abandon(5, 7)].concat()).await.unwrap();
        assert!(matches!(wire.glance(1, false).await, Ok(false)));
        assert!(matches!(wire.at_hand(false), Ok(Some(frame)) if frame.id == 3));
        assert!(matches!(wire.at_hand(false), Ok(None)));
        theirs.write_all(&abandon(6, 1)).await.unwrap();
        assert!(matches!(wire.glance(1, false).await, Ok(true)));
        theirs.write_all(UNBIND).await.unwrap();
        assert!(matches!(wire.glance(1, false).await, Err(End::Unbound)));
    }

    #[tokio::test]
    async fn only_so_much_is_taken_in_early() {
        let (mut wire, mut theirs) = wire(LdapSettings::default());
        for _ in 0..MAX_EARLY * 4 {
            theirs.write_all(&search(2)).await.unwrap();
            assert!(matches!(wire.glance(1, false).await, Ok(false)));
            if wire.early.len() >= MAX_EARLY {
                break;
            }
        }
        theirs.write_all(&abandon(3, 1)).await.unwrap();
        assert!(matches!(wire.glance(1, false).await, Ok(false)), "it is not even looked");
    }

    #[tokio::test]
    async fn only_so_many_bytes_are_taken_in_early() {
        let (ours, mut theirs) = duplex(64 * 1024);
        let mut wire = Wire::new(ours, Arc::new(LdapSettings::default()));
        // A request as long as it may be after a bind, which is longer than what is read at once.
        let head = b"\x30\x83\x0f\x00\x08\x02\x01\x02\x63\x83\x0f\x00\x00\x04\x83\x0e\xff\xfb";
        let long = [&head[..], &[0; 0x0e_fffb]].concat();
        let sending = async {
            for _ in 0..4 {
                theirs.write_all(&long).await.unwrap();
            }
        };
        let glancing = async {
            for _ in 0..2_000 {
                assert!(matches!(wire.glance(1, true).await, Ok(false)));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = sending => {}
            () = glancing => {}
        }
        let held = wire.early.iter().map(|(length, _)| length).sum::<usize>() + wire.input.len();
        assert!(held < long.len() + MAX_EARLY_BYTES, "{held} bytes are held");
    }

    #[tokio::test]
    async fn clear_text_is_not_carried_over() {
        let (mut wire, mut theirs) = wire(LdapSettings::default());
        theirs.write_all(&[search(1), vec![0x30]].concat()).await.unwrap();
        assert!(matches!(wire.receive(false).await, Ok(Some(_))));
        assert!(wire.into_stream().is_err());
    }

    #[tokio::test]
    async fn answers_leave_together_and_buffers_go_with_idleness() {
        let idle = PAUSE + Duration::from_millis(200);
        let (mut wire, mut theirs) = wire(LdapSettings { idle_unbound: idle, ..LdapSettings::default() });
        for id in [1, 2] {
            assert!(wire.put(id, LdapOp::SearchResultDone(result(LdapResultCode::Success, "")), Vec::new()).is_ok());
        }
        assert!(wire.owes() > 0);
        assert!(matches!(wire.receive(false).await, Err(End::Silent)));
        assert_eq!((wire.input.capacity(), wire.output.capacity()), (0, 0));
        let mut both = [0; 28];
        assert_eq!(theirs.read(&mut both).await.unwrap(), 28);
    }
}
