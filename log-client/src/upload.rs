//! The bytes of a file on their way to a log: read while they are sent, so memory holds one piece of it, whatever its size.
//!
//! Not here: the request around them (`http`), whether the file is still the one that was signed for (`commands::attach`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use indicatif::ProgressBar;

use crate::limits::UPLOAD_PIECE_BYTES;

/// The body of a request: the first so many bytes of a file.
#[derive(Debug)]
pub struct Upload {
    file: File,
    left: u64,
    sent: ProgressBar,
}

impl Upload {
    /// The first `size` bytes of a file; `sent` counts them as they go.
    pub fn open(path: &Path, size: u64, sent: ProgressBar) -> io::Result<Upload> {
        Ok(Upload { file: File::open(path)?, left: size, sent })
    }

    /// Bytes that are still to be sent.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; the thread that it blocks has nothing else to do.
    fn piece(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = Vec::with_capacity(UPLOAD_PIECE_BYTES);
        (&mut self.file).take(self.left.min(UPLOAD_PIECE_BYTES as u64)).read_to_end(&mut piece)?;
        if piece.is_empty() {
            let why = format!("the file ended {} bytes early", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        self.sent.inc(piece.len() as u64);
        Ok(piece)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(self.piece().map(|piece| Frame::data(Bytes::from(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A body without a byte that does not say so beforehand.
#[derive(Debug)]
pub struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_in_pieces_up_to_its_size_and_no_further() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0u8..=255).cycle().take(UPLOAD_PIECE_BYTES * 2 + 5).collect();
        std::fs::write(file.path(), &bytes).unwrap();
        let open = |size: usize| Upload::open(file.path(), size as u64, ProgressBar::hidden()).unwrap();
        let mut whole = open(bytes.len());
        let mut pieces = Vec::new();
        while whole.left() > 0 {
            pieces.push(whole.piece().unwrap());
        }
        let sizes: Vec<usize> = pieces.iter().map(Vec::len).collect();
        assert_eq!((sizes, pieces.concat()), (vec![UPLOAD_PIECE_BYTES, UPLOAD_PIECE_BYTES, 5], bytes.clone()));
        assert_eq!(open(3).piece().unwrap(), bytes[..3], "what was written behind its end since is not sent");
        let mut longer = open(bytes.len() + 1);
        let error = (0..4).find_map(|_| longer.piece().err()).unwrap();
        assert_eq!(error.to_string(), "the file ended 1 bytes early");
        assert!(Body::is_end_stream(&open(0)));
    }
}
