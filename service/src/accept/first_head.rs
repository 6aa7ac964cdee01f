//! The head that a connection waits for, read before any of hyper's buffers exist: a client that is slow with it, or
//! that has none to send, holds what it has sent and little more.

use super::activity::Protocol;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::ready;
use tokio::io::{AsyncRead, ReadBuf};

/// RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most heads fit. Nothing of this size is held while nothing comes.
const PIECE_BYTES: usize = 2 << 10;
/// A head that is larger goes to hyper in pieces.
const HEAD_MAX_BYTES: usize = 8 << 10;

/// Waits for the first head, whole, and appends it to `head`. Returns the protocol it is in; none: the client closed.
pub(super) async fn first_head(
    stream: &mut (impl AsyncRead + Unpin),
    head: &mut Vec<u8>,
) -> io::Result<Option<Protocol>> {
    loop {
        // An empty line may have begun in what came before.
        let unseen = head.len().saturating_sub(3);
        if read_piece(stream, head).await? == 0 {
            return Ok(None);
        }
        let known = head.len().min(HTTP2_PREFACE.len());
        if head[..known] == HTTP2_PREFACE[..known] {
            if known == HTTP2_PREFACE.len() {
                return Ok(Some(Protocol::Http2));
            }
        } else if !is_awaited(head, unseen) {
            return Ok(Some(Protocol::Http1));
        }
    }
}

/// Waits for the rest of a head of HTTP/1 that has begun. Its end may not come: whoever reads on is told by the stream.
pub(super) async fn next_head(stream: &mut (impl AsyncRead + Unpin), head: &mut Vec<u8>) -> io::Result<()> {
    let mut unseen = 0;
    while is_awaited(head, unseen) {
        unseen = head.len().saturating_sub(3);
        if read_piece(stream, head).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Has a head of HTTP/1 begun?
pub(super) fn is_of_http1(head: &[u8]) -> bool {
    !HTTP2_PREFACE.starts_with(head)
}

/// Appends what there is, and waits if there is nothing, without a buffer meanwhile; 0: the client closed.
pub(super) async fn read_piece(stream: &mut (impl AsyncRead + Unpin), head: &mut Vec<u8>) -> io::Result<usize> {
    std::future::poll_fn(|context| {
        let mut piece = [MaybeUninit::uninit(); PIECE_BYTES];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut piece))?;
        head.extend_from_slice(piece.filled());
        io::Result::Ok(piece.filled().len()).into()
    })
    .await
}

/// Is there more to come of this head, before hyper is to see it? What was seen up to `seen` does not end it.
fn is_awaited(head: &[u8], seen: usize) -> bool {
    !is_whole(&head[seen..]) && head[0].is_ascii_alphabetic() && head.len() < HEAD_MAX_BYTES
}

/// An empty line ends a head. Whether bare line feeds are welcome is not decided here.
fn is_whole(head: &[u8]) -> bool {
    let after_line_feeds = head.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| &head[at + 1..]);
    after_line_feeds.into_iter().any(|rest| rest.starts_with(b"\r\n") || rest.starts_with(b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_whole_at_its_empty_line() {
        assert!(is_whole(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(is_whole(b"GET / HTTP/1.1\nhost: a\n\nbody"));
        assert!(!is_whole(b"GET / HTTP/1.1\r\nhost: a\r\n"));
        assert!(!is_whole(b""));
    }
}
