//! aws-chunked framing, decoded as it comes: nothing is held but the line being read.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
//!
//! ```text
//! SIZE[;chunk-signature=SIGNATURE] CRLF data CRLF  …  0[;chunk-signature=SIGNATURE] CRLF
//! [name:value CRLF …] [x-amz-trailer-signature:SIGNATURE CRLF] CRLF
//! ```
//!
//! minio-go ends a trailer's line with LF, puts an empty line before the trailer's signature, and a CRLF too many at
//! the end; some clients leave the last CRLF out. All of that is taken, as S3 takes it.

use super::error::BodyError;
use super::plan::StreamingKind;
use bytes::Bytes;

/// The longest line between chunks. S3's own is 85 bytes before its CRLF.
const LINE_MAX_BYTES: usize = 1024;
/// The most lines of a trailer.
const TRAILER_MAX_LINES: usize = 8;
/// Hexadecimal digits of a chunk's size: more can't be held by any body.
const SIZE_MAX_DIGITS: usize = 16;
const SIGNATURE_DIGITS: usize = 64;
const CHUNK_SIGNATURE: &[u8] = b"chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// What a signature was put under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkSeal<'a> {
    /// The data given to [`ChunkVerifier::data`] since the last seal.
    Chunk,
    /// The trailer's lines as they are signed: `name:value` and LF each.
    Trailer(&'a [u8]),
}

/// Checks the chain of signatures of a signed body. Without one, signatures are parsed and not compared.
pub trait ChunkVerifier: Send {
    /// Data of the current chunk, in order.
    fn data(&mut self, data: &[u8]);

    /// The chunk or the trailer has ended: is this its signature (64 hexadecimal digits)?
    ///
    /// # Errors
    /// [`BodyError::ChunkSignatureMismatch`].
    fn seal(&mut self, seal: ChunkSeal<'_>, signature: &str) -> Result<(), BodyError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the line before a chunk.
    Header,
    /// In a chunk with so many bytes to come.
    Data(u64),
    /// In the CRLF after a chunk.
    AfterData,
    /// In the lines after the last chunk.
    Trailer,
    /// After everything; how many bytes of one more CRLF have come.
    Ended(usize),
}

pub(super) struct ChunkDecoder {
    kind: StreamingKind,
    state: State,
    line: Vec<u8>,
    declared_bytes: u64,
    received_bytes: u64,
    /// Of the chunk being read.
    signature: String,
    verifier: Option<Box<dyn ChunkVerifier>>,
    trailers: Vec<(String, String)>,
    /// The trailer as it is signed.
    canonical_trailer: Vec<u8>,
    trailer_is_signed: bool,
}

impl ChunkDecoder {
    pub fn new(kind: StreamingKind, declared_bytes: u64, verifier: Option<Box<dyn ChunkVerifier>>) -> Self {
        Self {
            kind,
            state: State::Header,
            line: Vec::new(),
            declared_bytes,
            received_bytes: 0,
            signature: String::new(),
            verifier,
            trailers: Vec::new(),
            canonical_trailer: Vec::new(),
            trailer_is_signed: false,
        }
    }

    /// The next decoded data of `input`, at most `max_bytes` of it; None when all of the input is used up.
    ///
    /// # Errors
    /// [`BodyError::MalformedChunk`], [`BodyError::MalformedTrailer`], [`BodyError::LongerThanDeclared`],
    /// [`BodyError::ChunkSignatureMismatch`].
    pub fn next(&mut self, input: &mut Bytes, max_bytes: usize) -> Result<Option<Bytes>, BodyError> {
        while !input.is_empty() {
            match self.state {
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len()).min(max_bytes);
                    return self.take_data(input.split_to(take), left).map(Some);
                }
                State::Header => {
                    if let Some(line) = self.take_line(input)? {
                        self.begin_chunk(&line)?;
                    }
                }
                State::AfterData => {
                    if let Some(line) = self.take_line(input)? {
                        if !line.is_empty() {
                            return Err(BodyError::MalformedChunk { reason: "a chunk is longer than its size" });
                        }
                        self.state = State::Header;
                    }
                }
                State::Trailer => {
                    if let Some(line) = self.take_line(input)? {
                        self.take_trailer(&line)?;
                    }
                }
                State::Ended(seen) => {
                    if b"\r\n".get(seen) != Some(&input[0]) {
                        return Err(BodyError::MalformedChunk { reason: "there are bytes after its end" });
                    }
                    let _ = input.split_to(1);
                    self.state = State::Ended(seen + 1);
                }
            }
        }
        Ok(None)
    }

    /// The input has ended. Returns the trailers in the order they came, names in lower case.
    ///
    /// # Errors
    /// [`BodyError::Incomplete`], [`BodyError::MalformedTrailer`].
    pub fn finish(&self) -> Result<&[(String, String)], BodyError> {
        let is_whole = match self.state {
            State::Ended(_) => true,
            State::Trailer => self.line.is_empty() || self.line == b"\r",
            State::Header | State::Data(_) | State::AfterData => false,
        };
        if !is_whole {
            let expected = match self.state {
                State::Data(left) => format!("{left} bytes of its chunk are missing"),
                _ => "the last chunk is missing".to_owned(),
            };
            return Err(BodyError::Incomplete { received: self.received_bytes, expected });
        }
        if self.received_bytes != self.declared_bytes {
            return Err(BodyError::Incomplete {
                received: self.received_bytes,
                expected: format!("x-amz-decoded-content-length says {}", self.declared_bytes),
            });
        }
        if self.kind == StreamingKind::SignedTrailer && !self.trailer_is_signed {
            return Err(BodyError::MalformedTrailer { reason: "its signature is missing" });
        }
        Ok(&self.trailers)
    }

    fn take_data(&mut self, data: Bytes, left: u64) -> Result<Bytes, BodyError> {
        if let Some(verifier) = &mut self.verifier {
            verifier.data(&data);
        }
        self.received_bytes += data.len() as u64;
        let left = left - data.len() as u64;
        self.state = State::Data(left);
        if left == 0 {
            self.state = State::AfterData;
            self.seal_chunk()?;
        }
        Ok(data)
    }

    /// Moves a line without its end out of the input; None when more input is needed.
    fn take_line(&mut self, input: &mut Bytes) -> Result<Option<Vec<u8>>, BodyError> {
        let end = input.iter().take(LINE_MAX_BYTES + 1).position(|b| *b == b'\n');
        let part = input.split_to(end.map_or(input.len().min(LINE_MAX_BYTES + 1), |end| end + 1));
        if self.line.len() + part.len() > LINE_MAX_BYTES {
            return Err(BodyError::MalformedChunk { reason: "a line between chunks is too long" });
        }
        self.line.extend_from_slice(&part);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        } else if self.state != State::Trailer {
            return Err(BodyError::MalformedChunk { reason: "a line does not end in CRLF" });
        }
        Ok(Some(line))
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let (size, extension) = match line.iter().position(|b| *b == b';') {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        let size = parse_size(size)?;
        self.signature = match (self.kind.is_signed(), extension) {
            (true, Some(extension)) => parse_signature(extension)?,
            (true, None) => return Err(BodyError::MalformedChunk { reason: "a chunk has no signature" }),
            (false, _) => String::new(),
        };
        if size > self.declared_bytes - self.received_bytes {
            return Err(BodyError::LongerThanDeclared { declared: self.declared_bytes });
        }
        if size == 0 {
            self.state = State::Trailer;
            return self.seal_chunk();
        }
        self.state = State::Data(size);
        Ok(())
    }

    fn seal_chunk(&mut self) -> Result<(), BodyError> {
        match &mut self.verifier {
            Some(verifier) if self.kind.is_signed() => verifier.seal(ChunkSeal::Chunk, &self.signature),
            _ => Ok(()),
        }
    }

    fn take_trailer(&mut self, line: &[u8]) -> Result<(), BodyError> {
        if line.is_empty() {
            let is_signature_to_come =
                self.kind == StreamingKind::SignedTrailer && !self.trailer_is_signed && !self.trailers.is_empty();
            if !is_signature_to_come {
                self.state = State::Ended(0);
            }
            return Ok(());
        }
        if !self.kind.has_trailer() {
            return Err(BodyError::MalformedChunk { reason: "there are bytes after its last chunk" });
        }
        if self.trailer_is_signed || self.trailers.len() == TRAILER_MAX_LINES {
            return Err(BodyError::MalformedTrailer { reason: "it has too many lines" });
        }
        let (name, value) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once(':'))
            .ok_or(BodyError::MalformedTrailer { reason: "a line is not `name:value`" })?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == TRAILER_SIGNATURE {
            return self.seal_trailer(value);
        }
        self.canonical_trailer.extend_from_slice(format!("{name}:{value}\n").as_bytes());
        self.trailers.push((name, value.to_owned()));
        Ok(())
    }

    fn seal_trailer(&mut self, signature: &str) -> Result<(), BodyError> {
        if self.kind != StreamingKind::SignedTrailer {
            return Err(BodyError::MalformedTrailer { reason: "it has a signature, but the payload is unsigned" });
        }
        if !is_signature(signature.as_bytes()) {
            return Err(BodyError::MalformedTrailer { reason: "its signature is not 64 hexadecimal digits" });
        }
        self.trailer_is_signed = true;
        match &mut self.verifier {
            Some(verifier) => verifier.seal(ChunkSeal::Trailer(&self.canonical_trailer), signature),
            None => Ok(()),
        }
    }
}

fn parse_size(digits: &[u8]) -> Result<u64, BodyError> {
    let broken = BodyError::MalformedChunk { reason: "the size of a chunk is not a hexadecimal number" };
    // The standard library's parser takes a sign.
    if digits.is_empty() || digits.len() > SIZE_MAX_DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(broken);
    }
    let text = std::str::from_utf8(digits).map_err(|_| broken.clone())?;
    u64::from_str_radix(text, 16).map_err(|_| broken)
}

fn parse_signature(extension: &[u8]) -> Result<String, BodyError> {
    match extension.strip_prefix(CHUNK_SIGNATURE) {
        Some(signature) if is_signature(signature) => Ok(String::from_utf8_lossy(signature).into_owned()),
        _ => Err(BodyError::MalformedChunk { reason: "a chunk's signature is not 64 hexadecimal digits" }),
    }
}

fn is_signature(text: &[u8]) -> bool {
    text.len() == SIGNATURE_DIGITS && text.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
#[path = "chunked_tests.rs"]
mod tests;
