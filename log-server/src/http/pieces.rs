//! Answers that are larger than memory should hold: a piece is made when the peer has taken the one before (85-log.md).
//!
//! A peer that goes away drops the body, and with it everything that the body holds. Not here: what the pieces are.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

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
}
