//! Answers that are larger than memory should hold: a piece is made when the peer has taken the one before (85-log.md).
//!
//! A peer that goes away drops the body, and with it everything that the body holds. Not here: what the pieces are.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::task::JoinHandle;

/// Makes the pieces of an answer, one after the other, on a thread that may block.
pub(super) trait Source: Send + Unpin + 'static {
    /// The next piece; `None` after the last one. The error is for the server's log: the peer sees the answer break off.
    fn next(&mut self) -> Result<Option<Vec<u8>>, String>;
}

/// The body that a source makes; with its length in bytes when that is known.
pub(super) fn body(source: impl Source, length: Option<u64>) -> Body {
    Body::new(Pieces { stage: Stage::Idle(source), left: length })
}

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For one piece.
    pub(super) piece: Duration,
    /// For all of them.
    pub(super) all: Duration,
}

/// The source, dropped with everything that it holds when its peer takes nothing for too long: such a peer is not asked for
/// more, so nothing else would notice.
pub(super) fn patient<S: Source>(source: S, patience: Patience) -> Patient<S> {
    let now = Instant::now();
    let held = Arc::new(Mutex::new(Held { source: Some(source), begun: now, taken: now, patience }));
    tokio::spawn(watch(Arc::downgrade(&held), patience.piece));
    Patient { held }
}

pub(super) struct Patient<S> {
    held: Arc<Mutex<Held<S>>>,
}

struct Held<S> {
    /// `None` once the peer has taken too long.
    source: Option<S>,
    begun: Instant,
    /// When the last piece was made, which is when the peer had taken the one before.
    taken: Instant,
    patience: Patience,
}

impl<S> Held<S> {
    /// How long the source is still held; drops it when that is over.
    fn left(&mut self) -> Duration {
        let Patience { piece, all } = self.patience;
        let left = piece.saturating_sub(self.taken.elapsed()).min(all.saturating_sub(self.begun.elapsed()));
        if left.is_zero() {
            self.source = None;
        }
        left
    }
}

/// Drops the source when its time is over; ends when it is gone.
async fn watch<S: Source>(held: Weak<Mutex<Held<S>>>, piece: Duration) {
    loop {
        let left = {
            let Some(held) = held.upgrade() else { return };
            match held.try_lock() {
                Ok(mut held) => held.left(),
                // A piece is being made.
                Err(TryLockError::WouldBlock) => piece,
                Err(TryLockError::Poisoned(_)) => return,
            }
        };
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

impl<S: Source> Source for Patient<S> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.left();
        let Patience { piece, all } = held.patience;
        let Some(source) = &mut held.source else {
            return Err(format!("its peer took nothing for {piece:?}, or not everything within {all:?}"));
        };
        let next = source.next();
        held.taken = Instant::now();
        next
    }
}

struct Pieces<S> {
    stage: Stage<S>,
    left: Option<u64>,
}

type Made<S> = (S, Result<Option<Vec<u8>>, String>);

enum Stage<S> {
    Idle(S),
    Working(JoinHandle<Made<S>>),
    Done,
}

impl<S: Source> Pieces<S> {
    /// What a piece means for the peer.
    fn take(&mut self, made: Made<S>) -> Result<Option<Vec<u8>>, String> {
        let (source, piece) = made;
        let piece = piece?;
        match (&piece, self.left) {
            (Some(bytes), Some(left)) => {
                let left = left.checked_sub(bytes.len() as u64);
                self.left = Some(left.ok_or("more bytes than were promised")?);
            }
            (None, Some(left)) if left > 0 => return Err(format!("{left} bytes that were promised are missing")),
            (Some(_) | None, _) => {}
        }
        if piece.is_some() {
            self.stage = Stage::Idle(source);
        }
        Ok(piece)
    }
}

impl<S: Source> hyper::body::Body for Pieces<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.stage, Stage::Done) {
                Stage::Done => return Poll::Ready(None),
                Stage::Idle(mut source) => {
                    this.stage = Stage::Working(tokio::task::spawn_blocking(move || {
                        let piece = source.next();
                        (source, piece)
                    }));
                }
                Stage::Working(mut handle) => {
                    let Poll::Ready(made) = Pin::new(&mut handle).poll(context) else {
                        this.stage = Stage::Working(handle);
                        return Poll::Pending;
                    };
                    let piece = made.map_err(|error| error.to_string()).and_then(|made| this.take(made));
                    return Poll::Ready(match piece {
                        Ok(Some(bytes)) => Some(Ok(Frame::data(Bytes::from(bytes)))),
                        Ok(None) => None,
                        Err(why) => {
                            tracing::error!("an answer broke off: {why}");
                            Some(Err(io::Error::other(why)))
                        }
                    });
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use std::sync::Arc;

    struct Script {
        pieces: Vec<Result<&'static str, &'static str>>,
        _held: Arc<()>,
    }

    impl Source for Script {
        fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
            if self.pieces.is_empty() {
                return Ok(None);
            }
            self.pieces.remove(0).map(|text| Some(text.as_bytes().to_vec())).map_err(str::to_owned)
        }
    }

    #[tokio::test]
    async fn pieces_come_in_order_and_a_failure_breaks_the_answer_off() {
        let held = Arc::new(());
        let body = |pieces: &[Result<&'static str, &'static str>], length| {
            let bytes = body(Script { pieces: pieces.to_vec(), _held: Arc::clone(&held) }, length);
            async move { to_bytes(bytes, 100).await.ok().map(|bytes| bytes.to_vec()) }
        };
        assert_eq!(body(&[Ok("one "), Ok("two")], None).await.unwrap(), b"one two");
        assert_eq!(body(&[Ok("one "), Ok("two")], Some(7)).await.unwrap(), b"one two");
        assert_eq!(body(&[], Some(0)).await.unwrap(), b"");
        assert_eq!(body(&[Ok("one "), Err("disk")], None).await, None);
        assert_eq!(body(&[Ok("one")], Some(7)).await, None, "less than was promised");
        assert_eq!(body(&[Ok("one two three")], Some(7)).await, None, "more than was promised");
        assert_eq!(Arc::strong_count(&held), 1, "everything that a body holds goes with it");
    }

    /// Waits until the source is gone.
    async fn dropped(held: &Arc<()>) {
        let gone = async {
            while Arc::strong_count(held) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_or_too_long_loses_what_is_held_for_it() {
        // [S-43]
        let held = Arc::new(());
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(600));
        let open = |count: usize, patience| {
            body(patient(Script { pieces: vec![Ok("one "); count], _held: Arc::clone(&held) }, patience), None)
        };
        let one = |mut body: Body| async move {
            let frame =
                std::future::poll_fn(|context| hyper::body::Body::poll_frame(Pin::new(&mut body), context)).await;
            (body, frame.map(|frame| frame.map(|frame| frame.into_data().unwrap())))
        };
        for patience in [Patience { piece: short, all: long }, Patience { piece: long, all: short }] {
            let never_asked = open(3, patience);
            dropped(&held).await;
            assert!(to_bytes(never_asked, 100).await.is_err(), "the answer breaks off");
        }
        let (stalled, first) = one(open(3, Patience { piece: Duration::from_millis(500), all: long })).await;
        assert_eq!(first.unwrap().unwrap(), "one ");
        dropped(&held).await;
        assert!(one(stalled).await.1.unwrap().is_err());
        let whole = open(3, Patience { piece: long, all: long });
        assert_eq!(to_bytes(whole, 100).await.unwrap(), "one one one ");
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
