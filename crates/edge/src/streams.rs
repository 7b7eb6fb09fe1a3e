//! The requests of an HTTP/2 connection: how many are being answered, whether the answers are taken,
//! and how many were given up.
//!
//! Windows are each stream's own: an answer that is not taken blocks no write, so it is watched
//! here, piece by piece. So are requests that are taken back once they were begun: the library
//! counts those alone that were not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::lifecycle::{FAREWELL, Stop};

/// Requests that a connection may give up after they were begun, at once.
const MAX_GIVEN_UP: u32 = 100;
/// How long it takes until one of them is forgotten: so many may be given up for ever.
const FORGOTTEN: Duration = Duration::from_millis(500);
/// Bytes of an answer that are handed on at once: a frame.
const PIECE: usize = 16 * 1024;
/// So few bytes may wait unwatched: they are not worth another frame.
const FEW: usize = 1024;

/// The requests of a connection. Clones count together.
#[derive(Clone)]
pub(crate) struct Running(Arc<watch::Sender<Counts>>);

struct Counts {
    has_begun: bool,
    /// Being answered: the last piece was not handed on.
    running: usize,
    /// A piece is held for the peer, if not by whoever answers.
    held: usize,
    /// Given up, less those that are forgotten by now.
    given_up: u32,
    /// Up to when they were forgotten.
    forgotten_at: Instant,
}

impl Counts {
    /// A bucket that leaks: a page that takes back what it asked for now and then is no attack.
    #[expect(clippy::disallowed_methods, reason = "measures how long ago they were given up")]
    fn give_up(&mut self) {
        let leaked = self.forgotten_at.elapsed().as_millis() / FORGOTTEN.as_millis();
        let leaked = u32::try_from(leaked).unwrap_or(u32::MAX);
        if leaked >= self.given_up {
            (self.given_up, self.forgotten_at) = (0, Instant::now());
        } else {
            self.given_up -= leaked;
            self.forgotten_at += FORGOTTEN * leaked;
        }
        self.given_up += 1;
    }
}

impl Default for Running {
    #[expect(clippy::disallowed_methods, reason = "measures how long ago they were given up")]
    fn default() -> Self {
        let forgotten_at = Instant::now();
        let counts = Counts { has_begun: false, running: 0, held: 0, given_up: 0, forgotten_at };
        Self(Arc::new(watch::Sender::new(counts)))
    }
}

impl Running {
    /// One more is being answered.
    pub(crate) fn answer(&self) -> Answer {
        self.0.send_modify(|counts| {
            counts.has_begun = true;
            counts.running += 1;
            counts.held += 1;
        });
        Answer { is_finished: false, held: Arc::new(Held { running: self.clone(), turn: None }) }
    }

    /// Ends when none was being answered for `patience`, whatever is held for the peer.
    pub(crate) async fn idle(&self, patience: Duration) {
        self.without(patience, |counts| counts.running > 0).await;
    }

    /// Ends when nothing was on its way to the peer for `patience`.
    pub(crate) async fn sent(&self, patience: Duration) {
        self.without(patience, |counts| counts.held > 0).await;
    }

    async fn without(&self, patience: Duration, busy: impl Fn(&Counts) -> bool) {
        let mut counts = self.0.subscribe();
        loop {
            let _ = counts.wait_for(|counts| !busy(counts)).await;
            if timeout(patience, counts.wait_for(|counts| busy(counts))).await.is_err() {
                return;
            }
        }
    }

    /// Ends when draining has begun; for whoever has connected to ask and not yet asked, when they
    /// do, or a moment later.
    pub(crate) async fn begun_or_farewell(&self, stop: &Stop) {
        stop.draining().cancelled().await;
        let mut counts = self.0.subscribe();
        let _ = timeout(FAREWELL, counts.wait_for(|counts| counts.has_begun)).await;
    }

    /// Ends when too many were given up in too short a time.
    pub(crate) async fn given_up(&self) {
        let _ = self.0.subscribe().wait_for(|counts| counts.given_up > MAX_GIVEN_UP).await;
    }
}

/// One that is being answered, until its last piece was handed on.
pub(crate) struct Answer {
    is_finished: bool,
    held: Arc<Held>,
}

impl Answer {
    /// Waits for one of `turns`, for `patience` at most, and keeps it until the peer has taken the
    /// whole answer. Says whether it got one.
    pub(crate) async fn takes_turn(&mut self, turns: Option<Arc<Semaphore>>, patience: Duration) -> bool {
        let Some(turns) = turns else { return true };
        let Ok(Ok(turn)) = timeout(patience, turns.acquire_owned()).await else { return false };
        if let Some(held) = Arc::get_mut(&mut self.held) {
            held.turn = Some(turn);
        }
        true
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let is_finished = self.is_finished;
        self.held.running.0.send_modify(|counts| {
            counts.running = counts.running.saturating_sub(1);
            if !is_finished {
                counts.give_up();
            }
        });
    }
}

/// What an answer holds as long as a piece of it is here: whoever does not take answers has no
/// turn for more of them.
struct Held {
    running: Running,
    turn: Option<OwnedSemaphorePermit>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.turn.take());
        self.running.0.send_modify(|counts| counts.held = counts.held.saturating_sub(1));
    }
}

/// A piece of an answer.
struct Piece {
    bytes: Bytes,
    _held: Arc<Held>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

tokio::task_local! {
    /// Of the stream whose task runs.
    static TAKEN: Taken;
}

/// Whether the peer takes an answer: how many pieces were handed on, and whether one is waiting.
#[derive(Clone)]
struct Taken(Arc<watch::Sender<(u64, bool)>>);

impl Taken {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new((0, false))))
    }

    /// A piece waits for the peer's window.
    fn wait(&self) {
        self.0.send_modify(|(pieces, waits)| (*pieces, *waits) = (*pieces + 1, true));
    }

    fn wait_no_longer(&self) {
        self.0.send_modify(|(_, waits)| *waits = false);
    }

    /// Ends when one piece waited for `patience`.
    async fn stuck(&self, patience: Duration) {
        let mut state = self.0.subscribe();
        loop {
            let Ok(pieces) = state.wait_for(|(_, waits)| *waits).await.map(|state| state.0) else {
                return std::future::pending().await;
            };
            let moved = state.wait_for(|(now, waits)| *now != pieces || !waits);
            if timeout(patience, moved).await.is_err() {
                return;
            }
        }
    }
}

/// Runs the streams of a connection. One whose answer is not taken for `patience` is reset, and the
/// others go on.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) patience: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (taken, patience) = (Taken::new(), self.patience);
        #[expect(clippy::disallowed_methods, reason = "a stream ends with its connection, which is of the lifecycle")]
        tokio::spawn(async move {
            let stream = TAKEN.scope(taken.clone(), stream);
            tokio::select! {
                () = stream => {}
                () = taken.stuck(patience) => {}
            }
        });
    }
}

/// The body of an answer, which tells whether it is taken and comes to its end.
///
/// Pieces are small, and the last byte of one goes by itself: the library asks for the next piece
/// when all of the one before has found room, so a peer that lets in a byte now and then is noticed
/// like one that lets in none.
pub(crate) struct Watched<B> {
    body: Pin<Box<B>>,
    /// What is left of what the body gave last.
    rest: Bytes,
    answer: Answer,
    taken: Option<Taken>,
}

impl<B: Body<Data = Bytes>> Watched<B> {
    /// In the task of its stream.
    pub(crate) fn new(body: B, mut answer: Answer) -> Self {
        answer.is_finished = body.is_end_stream();
        Self { body: Box::pin(body), rest: Bytes::new(), answer, taken: TAKEN.try_with(Taken::clone).ok() }
    }

    /// Takes a piece off the rest.
    fn piece(&mut self) -> Piece {
        let length = match self.rest.len() {
            few @ ..=FEW => few,
            whole @ ..=PIECE => whole - 1,
            _ => PIECE,
        };
        Piece { bytes: self.rest.split_to(length), _held: Arc::clone(&self.answer.held) }
    }
}

impl<B: Body<Data = Bytes>> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        // The library asks for the next piece when the one before has found room, and never again
        // after the last one: its task ends then.
        if let Some(taken) = &self.taken {
            taken.wait_no_longer();
        }
        if self.rest.is_empty() {
            let Some(frame) = ready!(self.body.as_mut().poll_frame(context)).transpose()? else {
                self.answer.is_finished = true;
                return Poll::Ready(None);
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => {
                    self.answer.is_finished = true;
                    return Poll::Ready(Some(Ok(trailers)));
                }
            }
        }
        let piece = self.piece();
        self.answer.is_finished = self.is_end_stream();
        if let Some(taken) = &self.taken {
            taken.wait();
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let mut hint = self.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn what_is_being_answered_is_not_idle() {
        let running = Running::default();
        let answer = running.answer();
        let other = running.answer();
        drop(other);
        assert!(timeout(PATIENCE * 3, running.idle(PATIENCE)).await.is_err());
        drop(answer);
        assert!(timeout(PATIENCE * 2, running.idle(PATIENCE)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_not_asked_yet_is_waited_for() {
        let (running, stop) = (Running::default(), Stop::default());
        assert!(timeout(PATIENCE, running.begun_or_farewell(&stop)).await.is_err());
        stop.draining().cancel();
        assert!(timeout(PATIENCE, running.begun_or_farewell(&stop)).await.is_err());
        drop(running.answer());
        assert!(timeout(PATIENCE, running.begun_or_farewell(&stop)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_again_and_again_is_noticed() {
        let running = Running::default();
        for _ in 0..MAX_GIVEN_UP {
            drop(running.answer());
            // What comes to its end makes nothing good.
            let mut finished = running.answer();
            finished.is_finished = true;
            drop(finished);
        }
        assert!(timeout(PATIENCE, running.given_up()).await.is_err(), "as many as may be");
        drop(running.answer());
        assert!(timeout(PATIENCE, running.given_up()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_now_and_then_is_not_noticed() {
        let running = Running::default();
        for _ in 0..MAX_GIVEN_UP * 3 {
            drop(running.answer());
            tokio::time::sleep(FORGOTTEN).await;
        }
        assert!(timeout(PATIENCE, running.given_up()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_lasts_until_the_last_piece_is_gone() {
        let (running, turns) = (Running::default(), Arc::new(Semaphore::new(1)));
        let mut answer = running.answer();
        assert!(answer.takes_turn(Some(Arc::clone(&turns)), PATIENCE).await);
        assert!(!running.answer().takes_turn(Some(Arc::clone(&turns)), PATIENCE).await);
        let mut body = Box::pin(Watched::new(Full::new(Bytes::from_static(b"whole")), answer));
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&piece[..], b"whole");
        drop(body);
        assert!(timeout(PATIENCE * 2, running.idle(PATIENCE)).await.is_ok());
        assert!(timeout(PATIENCE * 2, running.sent(PATIENCE)).await.is_err());
        assert_eq!(turns.available_permits(), 0);
        drop(piece);
        assert!(timeout(PATIENCE * 2, running.sent(PATIENCE)).await.is_ok());
        assert_eq!(turns.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_goes_in_pieces_and_its_last_byte_by_itself() {
        for (length, pieces) in [
            (0, &[][..]),
            (1, &[1]),
            (FEW, &[FEW]),
            (FEW + 1, &[FEW, 1]),
            (PIECE, &[PIECE - 1, 1]),
            (PIECE + 1, &[PIECE, 1]),
            (PIECE * 2 + 5_000, &[PIECE, PIECE, 4_999, 1]),
        ] {
            let whole: Vec<u8> = (0..length).map(|number| u8::try_from(number % 251).unwrap()).collect();
            let mut body = Watched::new(Full::new(Bytes::from(whole.clone())), Running::default().answer());
            let (mut all, mut lengths) = (Vec::new(), Vec::new());
            while !body.is_end_stream() {
                assert_eq!(body.size_hint().exact(), u64::try_from(length - all.len()).ok());
                assert!(!body.answer.is_finished);
                let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
                lengths.push(piece.len());
                all.extend_from_slice(&piece);
            }
            assert!(body.answer.is_finished && all == whole);
            assert_eq!(lengths, pieces, "{length}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_stuck_and_one_that_moves_is_not() {
        let taken = Taken::new();
        assert!(timeout(PATIENCE * 2, taken.stuck(PATIENCE)).await.is_err(), "nothing waits yet");
        let moving = async {
            for _ in 0..6 {
                taken.wait_no_longer();
                taken.wait();
                tokio::time::sleep(PATIENCE / 2).await;
            }
            taken.wait_no_longer();
            tokio::time::sleep(PATIENCE * 2).await;
        };
        tokio::select! {
            () = taken.stuck(PATIENCE) => panic!("it moves, and then waits for whoever answers"),
            () = moving => {}
        }
        taken.wait();
        assert!(timeout(PATIENCE * 2, taken.stuck(PATIENCE)).await.is_ok());
    }
}
