//! Bodies in chunks, however they are cut into frames.

use super::chunked::{ChunkDecoder, ChunkSeal, ChunkVerifier};
use super::error::BodyError;
use super::plan::StreamingKind;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use weir_service::fuzzing::Input;

const KINDS: [StreamingKind; 3] = [StreamingKind::Signed, StreamingKind::SignedTrailer, StreamingKind::UnsignedTrailer];
pub(super) const SIGNATURE: &str = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";

/// What came of a body.
#[derive(Debug, PartialEq)]
struct Decoded {
    /// The trailers, or why it was refused.
    outcome: Result<Vec<(String, String)>, BodyError>,
    data: Vec<u8>,
    /// Each seal that was to be verified, with the length of the data before it.
    seals: Vec<(usize, String)>,
}

/// Writes down what it is asked to verify.
#[derive(Clone, Default)]
struct Recorder {
    bytes: Arc<Mutex<usize>>,
    seals: Arc<Mutex<Vec<(usize, String)>>>,
}

impl ChunkVerifier for Recorder {
    fn data(&mut self, data: &[u8]) {
        *self.bytes.lock() += data.len();
    }

    fn seal(&mut self, seal: ChunkSeal<'_>, signature: &str) -> Result<(), BodyError> {
        let what = match seal {
            ChunkSeal::Chunk => signature.to_owned(),
            ChunkSeal::Trailer(lines) => format!("{}{signature}", String::from_utf8_lossy(lines)),
        };
        self.seals.lock().push((*self.bytes.lock(), what));
        Ok(())
    }
}

/// The first bytes choose the kind, the length that is declared and the size of the frames; the rest is the body. It
/// decodes to the same however it is cut, never to more than was declared; and as data it is what comes out again.
pub fn aws_chunked(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = KINDS[usize::from(input.byte()) % KINDS.len()];
    let declared_bytes = u64::from(input.number());
    let frame_bytes = usize::from(input.byte()).max(1);
    let body = input.rest();
    let whole = decode(kind, declared_bytes, [body], usize::MAX);
    assert!(whole.data.len() as u64 <= declared_bytes);
    assert!(whole.outcome.is_err() || whole.data.len() as u64 == declared_bytes);
    assert_eq!(decode(kind, declared_bytes, body.chunks(frame_bytes), frame_bytes), whole);
    assert_eq!(decode(kind, declared_bytes, body.chunks(1), 64), whole);

    let framed = encode(body, &[frame_bytes], kind);
    let decoded = decode(kind, body.len() as u64, framed.chunks(frame_bytes), usize::MAX);
    assert_eq!(decoded.outcome.as_ref().map(Vec::len), Ok(usize::from(kind.has_trailer())), "{decoded:?}");
    assert_eq!(decoded.data, body);
    let cut = decode(kind, body.len() as u64, [&framed[..framed.len() * frame_bytes / 256]], usize::MAX);
    assert!(cut.outcome.is_err() || cut.data == body, "{cut:?}");
}

fn decode<'a>(
    kind: StreamingKind,
    declared_bytes: u64,
    frames: impl IntoIterator<Item = &'a [u8]>,
    piece_max_bytes: usize,
) -> Decoded {
    let recorder = Recorder::default();
    let mut decoder = ChunkDecoder::new(kind, declared_bytes, Some(Box::new(recorder.clone())));
    let mut data = Vec::new();
    let mut failure = None;
    'frames: for frame in frames {
        let mut frame = Bytes::copy_from_slice(frame);
        loop {
            match decoder.next(&mut frame, piece_max_bytes) {
                Ok(Some(piece)) => {
                    assert!(!piece.is_empty() && piece.len() <= piece_max_bytes);
                    data.extend_from_slice(&piece);
                }
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error);
                    break 'frames;
                }
            }
        }
    }
    let outcome = match failure {
        Some(error) => Err(error),
        None => decoder.finish().map(<[_]>::to_vec),
    };
    let seals = std::mem::take(&mut *recorder.seals.lock());
    Decoded { outcome, data, seals }
}

/// The body in chunks of these sizes, none of them 0, over and over.
pub(super) fn encode(data: &[u8], sizes: &[usize], kind: StreamingKind) -> Vec<u8> {
    let mut body = Vec::new();
    let mut rest = data;
    let mut sizes = sizes.iter().copied().cycle();
    loop {
        let (chunk, after) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
        body.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
        if kind.is_signed() {
            body.extend_from_slice(format!(";chunk-signature={SIGNATURE}").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        if chunk.is_empty() {
            break;
        }
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
        rest = after;
    }
    if kind.has_trailer() {
        body.extend_from_slice(b"x-amz-checksum-crc32:AAAAAA==\r\n");
    }
    if kind == StreamingKind::SignedTrailer {
        body.extend_from_slice(format!("x-amz-trailer-signature:{SIGNATURE}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}
