//! The stream of a body's data: decoded, digested, verified.

use super::chunked::{ChunkDecoder, ChunkVerifier};
use super::digests::{Digests, Verified};
use super::error::BodyError;
use super::plan::{BodyLength, BodyPlan, DeclaredChecksum, Payload, checksum_header, decode_checksum};
use bytes::Bytes;
use futures::FutureExt as _;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use std::error::Error as StdError;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use weir_proto::v1::ChecksumAlgorithm;

/// The most data that one step hands on. Hashing so much holds up a thread of the runtime for less than a millisecond.
pub const PIECE_MAX_BYTES: usize = 256 << 10;

type BoxError = Box<dyn StdError + Send + Sync>;

type SourceFrame = Option<Result<Frame<Bytes>, BoxError>>;

/// What comes next of a body.
#[derive(Debug)]
pub enum Step {
    /// Data, not yet verified; never empty, at most [`PIECE_MAX_BYTES`].
    Data(Bytes),
    /// The body has ended, and everything that was declared of it is true.
    End(Verified),
}

/// A request's body. Nothing is read before the first [`IncomingBody::next`], which is what sends `100 Continue`.
pub struct IncomingBody {
    plan: BodyPlan,
    source: UnsyncBoxBody<Bytes, BoxError>,
    /// Of the last frame, what was not handed on yet.
    frame: Bytes,
    decoder: Option<ChunkDecoder>,
    digests: Digests,
    received_bytes: u64,
    /// As they came, framing and all.
    framed_bytes: u64,
    /// How long the source was waited for, in all. Time that this side takes does not count.
    waited: Duration,
    /// Made when the source first has nothing to give: most bodies never need it.
    stall: Option<Pin<Box<Sleep>>>,
}

impl IncomingBody {
    pub fn new<B>(body: B, plan: BodyPlan) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::with_verifier(body, plan, None)
    }

    /// With the signatures of chunks checked.
    pub fn with_verifier<B>(body: B, plan: BodyPlan, verifier: Option<Box<dyn ChunkVerifier>>) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let decoder = match plan.payload {
            Payload::Streaming(kind) => Some(ChunkDecoder::new(kind, plan.length.known().unwrap_or(0), verifier)),
            Payload::Undeclared | Payload::Unsigned | Payload::Sha256(_) => None,
        };
        Self {
            digests: Digests::new(&plan),
            plan,
            source: body.map_err(Into::into).boxed_unsync(),
            frame: Bytes::new(),
            decoder,
            received_bytes: 0,
            framed_bytes: 0,
            waited: Duration::ZERO,
            stall: None,
        }
    }

    pub fn plan(&self) -> &BodyPlan {
        &self.plan
    }

    /// Chooses the checksum that is stored with the data, before anything was read: that of the upload which a part
    /// belongs to.
    pub fn store_checksum(&mut self, algorithm: ChecksumAlgorithm) {
        debug_assert_eq!(self.received_bytes, 0, "the digests have begun");
        self.plan.stored_algorithm = algorithm;
        self.digests = Digests::new(&self.plan);
    }

    /// The next data, or the end. Not to be called after the end or an error.
    ///
    /// # Errors
    /// Whatever is wrong with the body.
    pub async fn next(&mut self) -> Result<Step, BodyError> {
        loop {
            if let Some(piece) = self.take_piece()? {
                self.digests.update(&piece).await?;
                return Ok(Step::Data(piece));
            }
            match self.next_frame().await? {
                Some(data) => self.frame = data,
                None => return self.verify().await.map(Step::End),
            }
        }
    }

    fn take_piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        let piece = match &mut self.decoder {
            Some(decoder) => decoder.next(&mut self.frame, PIECE_MAX_BYTES)?,
            None if self.frame.is_empty() => None,
            None => Some(self.frame.split_to(self.frame.len().min(PIECE_MAX_BYTES))),
        };
        let Some(piece) = piece else { return Ok(None) };
        self.received_bytes += piece.len() as u64;
        match self.plan.length {
            BodyLength::Known(declared) if self.received_bytes > declared => {
                Err(BodyError::LongerThanDeclared { declared })
            }
            BodyLength::Absent => Err(BodyError::MissingLength { header: "content-length" }),
            _ if self.received_bytes > self.plan.limits.max_bytes => {
                Err(BodyError::TooLarge { max_bytes: self.plan.limits.max_bytes })
            }
            _ => Ok(Some(piece)),
        }
    }

    /// The next frame of data as it came; None at the end.
    async fn next_frame(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            // Most of the time a frame is there already, and no timer is touched.
            let frame = match self.source.frame().now_or_never() {
                Some(frame) => frame,
                None => self.wait_for_frame().await?,
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(broken_source(&*error)),
                // HTTP trailers say nothing that S3 knows.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        self.framed_bytes += data.len() as u64;
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    async fn wait_for_frame(&mut self) -> Result<SourceFrame, BodyError> {
        let (idle, rate) = (self.plan.limits.idle_timeout, self.plan.limits.min_bytes_per_second);
        let earned = Duration::from_millis(self.framed_bytes.saturating_mul(1000) / rate.max(1));
        let began = Instant::now();
        let deadline = began + idle.min((idle + earned).saturating_sub(self.waited));
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        stall.as_mut().reset(deadline);
        let frame = tokio::select! {
            biased;
            frame = self.source.frame() => frame,
            () = stall => return Err(BodyError::Stalled { after: idle }),
        };
        self.waited += began.elapsed();
        Ok(frame)
    }

    async fn verify(&mut self) -> Result<Verified, BodyError> {
        let trailer = match &self.decoder {
            Some(decoder) => trailer_checksum(&self.plan, decoder.finish()?)?,
            None => None,
        };
        if let BodyLength::Known(declared) = self.plan.length
            && declared != self.received_bytes
        {
            let expected = format!("{declared} were declared");
            return Err(BodyError::Incomplete { received: self.received_bytes, expected });
        }
        if self.received_bytes < self.plan.min_bytes {
            return Err(BodyError::TooSmall { min_bytes: self.plan.min_bytes, received: self.received_bytes });
        }
        let digests = std::mem::replace(&mut self.digests, Digests::new(&self.plan));
        digests.finish(&self.plan, self.received_bytes, trailer).await
    }
}

/// The announced checksum among the trailers. Others than the announced one are not taken.
fn trailer_checksum(plan: &BodyPlan, trailers: &[(String, String)]) -> Result<Option<Vec<u8>>, BodyError> {
    let announced = match &plan.declared {
        Some(DeclaredChecksum::Trailer { algorithm }) => Some(*algorithm),
        Some(DeclaredChecksum::Header { .. }) | None => None,
    };
    let mut found = None;
    for (name, value) in trailers {
        match announced {
            Some(algorithm) if checksum_header(algorithm) == Some(name.as_str()) && found.is_none() => {
                found = Some(decode_checksum(algorithm, value)?);
            }
            _ => return Err(BodyError::MalformedTrailer { reason: "it has a line that x-amz-trailer does not name" }),
        }
    }
    Ok(found)
}

/// What the connection says of a body that it can't go on with, or what a source that looks into the body found wrong
/// with it.
pub fn broken_source(error: &(dyn StdError + 'static)) -> BodyError {
    if let Some(own) = error.downcast_ref::<BodyError>() {
        return own.clone();
    }
    let mut reason = error.to_string();
    let mut is_malformed = is_malformed(error);
    let mut source = error.source();
    while let Some(inner) = source {
        reason = format!("{reason}: {inner}");
        is_malformed |= self::is_malformed(inner);
        source = inner.source();
    }
    if is_malformed { BodyError::MalformedTransfer { reason } } else { BodyError::Disconnected { reason } }
}

/// hyper tells of a broken chunk by these kinds, of a lost connection by others.
fn is_malformed(error: &(dyn StdError + 'static)) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData))
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
