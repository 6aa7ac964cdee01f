//! What hyper does not tell apart, seen on the bytes before hyper has them: an HTTP/1 connection whose heads could be
//! understood in two ways, as the next proxy or the next server might.
//!
//! hyper takes a bare line feed for the end of a line, and drops the length of a request that has a transfer coding
//! too. Such a head is broken on purpose here, at the byte that makes it ambiguous: hyper then answers 400 and closes,
//! in the order of the requests. RFC 9112, 2.2 and 6.1.
//!
//! And hyper sends no `100 Continue` for an empty body, though clients that asked for it wait: it is sent here, before
//! the answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Larger heads are left to hyper, which refuses them.
const HEAD_MAX_BYTES: usize = 64 << 10;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// No head has it, so hyper refuses one that does.
const BREAK: u8 = 0;

/// Where in the stream of requests the next byte lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    /// The line end after a chunk's data.
    ChunkEnd,
    Trailer,
    /// Something that hyper refuses, or that is none of this module's business: all that follows passes.
    Passing,
    /// Something ambiguous has come: nothing more is let through.
    Broken,
}

/// Follows the framing of the requests of a connection.
#[derive(Debug)]
pub(super) struct Screen {
    state: State,
    /// The head or the line being read.
    line: Vec<u8>,
    owes_continue: bool,
    /// Something ambiguous has come. Shared, since hyper has the screen by then.
    is_ambiguous: Arc<AtomicBool>,
}

impl Screen {
    pub fn new() -> Self {
        Self { state: State::Head, line: Vec::new(), owes_continue: false, is_ambiguous: Arc::default() }
    }

    /// For a connection that does not speak HTTP/1.
    pub fn passing() -> Self {
        Self { state: State::Passing, ..Self::new() }
    }

    /// True once something ambiguous has come.
    pub fn is_ambiguous(&self) -> Arc<AtomicBool> {
        self.is_ambiguous.clone()
    }

    /// Is `unread`, which has passed, all that has begun of the next request? Empty lines before one do not count.
    pub fn begins_with(&self, unread: &[u8]) -> bool {
        let empty_lines = unread.strip_suffix(self.line.as_slice());
        self.state == State::Head
            && empty_lines.is_some_and(|rest| rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')))
    }

    /// How many of these bytes may go on; the last of them is altered when they are fewer than there are.
    pub fn screen(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Passing => return bytes.len(),
                State::Broken => return at,
                State::Body(left) | State::ChunkData(left) => {
                    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    at += count;
                    self.skipped(left - count as u64);
                }
                State::Head | State::ChunkSize | State::ChunkEnd | State::Trailer => {
                    if !self.push(bytes[at]) {
                        bytes[at] = BREAK;
                        self.state = State::Broken;
                        self.is_ambiguous.store(true, Relaxed);
                        return at + 1;
                    }
                    at += 1;
                }
            }
        }
        at
    }

    fn skipped(&mut self, left: u64) {
        self.state = match self.state {
            State::Body(_) if left == 0 => State::Head,
            State::Body(_) => State::Body(left),
            State::ChunkData(_) if left == 0 => State::ChunkEnd,
            _ => State::ChunkData(left),
        };
    }

    /// Takes a byte of a head or of a line; false: it makes it ambiguous.
    fn push(&mut self, byte: u8) -> bool {
        if self.line.len() == HEAD_MAX_BYTES {
            self.state = State::Passing;
            return true;
        }
        self.line.push(byte);
        if byte != b'\n' {
            return true;
        }
        if self.line.len() < 2 || self.line[self.line.len() - 2] != b'\r' {
            return false;
        }
        if self.state != State::Head {
            let line = std::mem::take(&mut self.line);
            self.end_line(&line[..line.len() - 2]);
            return true;
        }
        if self.line == b"\r\n" {
            // Empty lines before a request are skipped.
            self.line.clear();
            return true;
        }
        if !self.line.ends_with(b"\r\n\r\n") {
            return true;
        }
        let head = std::mem::take(&mut self.line);
        match Framing::of(&head) {
            None => false,
            Some(framing) => {
                self.begin_body(&framing);
                true
            }
        }
    }

    fn begin_body(&mut self, framing: &Framing<'_>) {
        self.state = match (framing.coding, framing.length) {
            (Some(coding), _) if coding.to_ascii_lowercase().ends_with(b"chunked") => State::ChunkSize,
            (Some(_), _) => State::Passing,
            (None, None) => State::Head,
            (None, Some(digits)) => match parse(digits, 10) {
                Some(0) => State::Head,
                Some(length) => State::Body(length),
                None => State::Passing,
            },
        };
        self.owes_continue |= framing.expects_continue && self.state == State::Head;
    }

    fn end_line(&mut self, line: &[u8]) {
        self.state = match self.state {
            State::ChunkSize => {
                let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                match parse(&line[..digits], 16) {
                    Some(0) => State::Trailer,
                    Some(size) => State::ChunkData(size),
                    None => State::Passing,
                }
            }
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::Trailer if line.is_empty() => State::Head,
            State::Trailer => State::Trailer,
            _ => State::Passing,
        };
    }
}

fn parse(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(text, radix).ok()
}

/// What a head says of the body after it.
struct Framing<'a> {
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    expects_continue: bool,
}

impl<'a> Framing<'a> {
    /// None: it says it in more than one way.
    fn of(head: &'a [u8]) -> Option<Self> {
        let mut framing = Self { length: None, coding: None, expects_continue: false };
        for line in head.split(|byte| *byte == b'\n').skip(1) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                if framing.length.replace(value).is_some() {
                    return None;
                }
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                framing.coding = Some(value);
            } else if name.eq_ignore_ascii_case(b"expect") {
                framing.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
        }
        (framing.length.is_none() || framing.coding.is_none()).then_some(framing)
    }
}

/// A socket whose heads are screened.
#[derive(Debug)]
pub(super) struct Screened<T> {
    io: T,
    screen: Screen,
    /// Of `100 Continue`, what is still to be sent before anything else.
    interim: &'static [u8],
}

impl<T> Screened<T> {
    /// `first` was read from the socket before; what may go on of it is left.
    pub fn new(io: T, mut screen: Screen, first: &mut Vec<u8>) -> Self {
        let count = screen.screen(first);
        first.truncate(count);
        Self { io, screen, interim: b"" }
    }

    pub fn screen(&self) -> &Screen {
        &self.screen
    }
}

impl<T: AsyncWrite + Unpin> Screened<T> {
    /// Called before anything of an answer is written: by then it is known that the client gets one.
    fn poll_interim(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.screen.owes_continue) {
            self.interim = CONTINUE;
        }
        while !self.interim.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(context, self.interim))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim = &self.interim[count..];
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Screened<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.screen.state == State::Broken {
            // As if the client had sent nothing more.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.io).poll_read(context, buffer));
        let count = self.screen.screen(&mut buffer.filled_mut()[before..]);
        buffer.set_filled(before + count);
        Poll::Ready(result)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Screened<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(context))?;
        Pin::new(&mut self.io).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(context))?;
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes on of a stream that comes in pieces of this size.
    fn screened(stream: &[u8], piece: usize) -> Vec<u8> {
        let mut screen = Screen::new();
        let mut passed = Vec::new();
        for piece in stream.chunks(piece) {
            let mut piece = piece.to_vec();
            let count = screen.screen(&mut piece);
            passed.extend_from_slice(&piece[..count]);
        }
        passed
    }

    #[track_caller]
    fn passes(stream: &[u8]) {
        for piece in [1, 2, 3, 7, stream.len()] {
            assert_eq!(screened(stream, piece), stream, "{} in pieces of {piece}", String::from_utf8_lossy(stream));
        }
    }

    #[track_caller]
    fn is_broken(stream: &[u8]) {
        for piece in [1, 2, 3, 7, stream.len()] {
            let passed = screened(stream, piece);
            let what = String::from_utf8_lossy(stream);
            assert_eq!(passed.last(), Some(&BREAK), "{what} in pieces of {piece}");
            assert_eq!(passed[..passed.len() - 1], stream[..passed.len() - 1], "{what}");
        }
    }

    #[test]
    fn requests_with_one_meaning_pass_unchanged() {
        passes(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        passes(b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
        passes(b"PUT /k HTTP/1.1\r\ncontent-length: 5\r\n\r\na\nb\n\nGET / HTTP/1.1\r\n\r\n");
        passes(b"PUT /k HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\na\nb\n\n\r\n3;x=y\r\n\n\n\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n");
        passes(b"PUT /k HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn what_hyper_refuses_is_left_to_it() {
        passes(b"PUT /k HTTP/1.1\r\ncontent-length: five\r\n\r\na\nb");
        passes(b"PUT /k HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\na\nb");
        passes(b"PUT /k HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nx\r\na\nb");
        let long = [&b"GET / HTTP/1.1\r\na: "[..], &[b'x'; HEAD_MAX_BYTES], b"\n\n"].concat();
        assert_eq!(screened(&long, 1000), long);
    }

    #[test]
    fn bare_line_feeds_end_no_line() {
        is_broken(b"GET / HTTP/1.1\nhost: a\n\n");
        is_broken(b"GET / HTTP/1.1\r\nhost: a\n\r\n");
        is_broken(b"GET / HTTP/1.1\r\nhost: a\r\n\n");
        is_broken(b"\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
        is_broken(b"PUT /k HTTP/1.1\r\ncontent-length: 2\r\n\r\nabGET / HTTP/1.1\n\r\n\r\n");
        is_broken(b"PUT /k HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n");
    }

    #[test]
    fn a_body_has_one_framing() {
        is_broken(b"PUT /k HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
        is_broken(b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n");
        is_broken(b"PUT /k HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello");
    }

    #[test]
    fn who_waits_for_nothing_is_told_to_go_on() {
        let owes = |head: &[u8]| {
            let mut screen = Screen::new();
            screen.screen(&mut head.to_vec());
            screen.owes_continue
        };
        assert!(owes(b"PUT /k HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n"));
        assert!(!owes(b"PUT /k HTTP/1.1\r\ncontent-length: 0\r\n\r\n"));
        // hyper does it when the body is first asked for.
        assert!(!owes(b"PUT /k HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"));
        assert!(!owes(b"PUT /k HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n"));
    }
}
