//! An answer with blocks, sent in pieces, that gives its part of the memory back when it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::http::Taken;

/// A piece: what a connection holds of an answer whose reader does not read.
const PIECE_BYTES: usize = 64 * 1024;

/// The bytes of an answer. Every piece that was not sent yet keeps all of them in memory, and keeps them counted.
struct Held {
    bytes: Vec<u8>,
    _part: Taken,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of `GET /board/blocks`.
pub(super) struct Answer {
    rest: Bytes,
}

impl Answer {
    pub(super) fn new(bytes: Vec<u8>, part: Taken) -> Self {
        Self { rest: Bytes::from_owner(Held { bytes, _part: part }) }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::Shares;

    #[tokio::test]
    async fn what_is_not_sent_stays_counted() {
        let (shares, here) = (Shares::new(100_000, 100_000, 100_000), "127.0.0.1".parse().unwrap());
        let bytes: Vec<u8> = (0..100_000u32).map(|byte| byte as u8).collect();
        let mut answer = Answer::new(bytes.clone(), shares.take(here, bytes.len()).unwrap());
        let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, bytes[..PIECE_BYTES]);
        assert_eq!(answer.collect().await.unwrap().to_bytes(), bytes[PIECE_BYTES..]);
        assert!(shares.take(here, 1).is_none(), "a piece is still on its way");
        drop(first);
        assert!(shares.take(here, 100_000).is_some());
    }
}
