//! GetObject: one call of the metaserver, then the content as a stream of exactly the promised length.

use super::term::ReadInFlight;
use super::types::{GetObject, OpenedObject};
use super::{Inner, Objects};
use crate::blocks::{self, ExtentReader, Grant};
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _, try_unfold};
use http_body::{Body, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use weir_proto::v1::{self, Reason};
use weir_proto::{Failure, WorkerId};

impl Objects {
    /// An object's head and its content, which is read while it is sent.
    ///
    /// # Errors
    /// What the metaserver says; `STORE_FAILED` when its record of the object makes no sense.
    #[tracing::instrument(level = "debug", skip_all, fields(bucket = %request.bucket, key = %request.key))]
    pub async fn get_object(&self, request: GetObject) -> Result<OpenedObject, Failure> {
        self.inner.open_object(request, true).await
    }

    /// The same with an empty content; `offset_bytes` and `length_bytes` still tell of the range or part.
    ///
    /// # Errors
    /// What the metaserver says.
    #[tracing::instrument(level = "debug", skip_all, fields(bucket = %request.bucket, key = %request.key))]
    pub async fn head_object(&self, request: GetObject) -> Result<OpenedObject, Failure> {
        self.inner.open_object(request, false).await
    }
}

impl Inner {
    async fn open_object(&self, request: GetObject, with_content: bool) -> Result<OpenedObject, Failure> {
        let request = v1::GetObjectRequest {
            bucket: request.bucket.to_string(),
            key: request.key.into_bytes(),
            with_content,
            range: request.range,
            part_number: request.part_number,
        };
        // Before the metaserver is asked: whatever it answers, those blocks stay.
        let read = self.session.term().begin_read();
        let send = |mut namespace: super::calls::Namespace| {
            let request = request.clone();
            async move { namespace.get_object(request).await }
        };
        let mut response: v1::GetObjectResponse = self.look(send).await?;
        read.heard_mark(response.read_mark);
        let content = if with_content && !response.unsatisfiable && response.length_bytes > 0 {
            self.content(&mut response, read).await?
        } else {
            ContentStream::empty(self.metrics.given_bytes.clone())
        };
        let object = response.object.ok_or_else(|| nonsense("has no object"))?;
        Ok(OpenedObject {
            object,
            offset_bytes: response.offset_bytes,
            length_bytes: response.length_bytes,
            unsatisfiable: response.unsatisfiable,
            part: response.part,
            content,
        })
    }

    async fn content(
        &self,
        response: &mut v1::GetObjectResponse,
        read: ReadInFlight,
    ) -> Result<ContentStream, Failure> {
        let (offset, length) = (response.offset_bytes, response.length_bytes);
        let given = self.metrics.given_bytes.clone();
        if let Some(bytes) = response.inline.take() {
            let end = offset.checked_add(length).filter(|end| *end <= bytes.len() as u64);
            let end = end.ok_or_else(|| nonsense("has fewer inline bytes than are asked for"))?;
            // Both lie within a buffer in memory.
            return Ok(ContentStream::inline(bytes.slice(offset as usize..end as usize), given));
        }
        let extents = std::mem::take(&mut response.extents);
        let mut sources = self.read_sources();
        let is_known = |id: &u64| sources.workers.contains_key(&WorkerId(*id));
        if !extents.iter().all(|extent| extent.worker_ids.iter().any(is_known)) {
            self.session.refresh().await;
            sources = self.read_sources();
        }
        let reader = ExtentReader::new(extents, offset, length, sources)?;
        Ok(ContentStream::blocks(reader, length, read, given))
    }
}

fn nonsense(what: &str) -> Failure {
    Failure::new(Reason::StoreFailed, "", format!("the metaserver's answer {what}"))
}

/// The bytes of an object or a part of it. Yields exactly [`ContentStream::left_bytes`] or ends with an error, so that
/// a connection breaks rather than an answer be cut short. Dropping it lets go of the blocks.
pub struct ContentStream {
    left_bytes: u64,
    given_bytes: Counter,
    /// Fetched, not given out yet.
    ready: Option<Counted>,
    blocks: Option<BoxStream<'static, Result<Counted, Failure>>>,
}

/// Some bytes, and the memory that is granted for them; none is needed for what lies in the record.
struct Counted {
    data: Bytes,
    grant: Option<Grant>,
}

impl From<blocks::Frame> for Counted {
    fn from(frame: blocks::Frame) -> Self {
        Self { data: frame.data, grant: Some(frame.grant) }
    }
}

impl ContentStream {
    fn empty(given_bytes: Counter) -> Self {
        Self { left_bytes: 0, given_bytes, ready: None, blocks: None }
    }

    fn inline(bytes: Bytes, given_bytes: Counter) -> Self {
        Self {
            left_bytes: bytes.len() as u64,
            given_bytes,
            ready: Some(Counted { data: bytes, grant: None }),
            blocks: None,
        }
    }

    fn blocks(reader: ExtentReader, length_bytes: u64, read: ReadInFlight, given_bytes: Counter) -> Self {
        let blocks = try_unfold((reader, read), |(mut reader, read)| async move {
            Ok(reader.next().await?.map(|frame| (Counted::from(frame), (reader, read))))
        });
        Self { left_bytes: length_bytes, given_bytes, ready: None, blocks: Some(blocks.boxed()) }
    }

    /// How many bytes are still to come.
    pub fn left_bytes(&self) -> u64 {
        self.left_bytes
    }

    /// Waits for the first bytes, so that what fails at once can still be answered with an error. To be called before
    /// the answer's head is sent.
    ///
    /// # Errors
    /// `DAMAGED`, `NO_SUCH_BLOCK`, `UNAVAILABLE`: no replica gives the first bytes.
    pub async fn start(&mut self) -> Result<(), Failure> {
        if self.ready.is_none()
            && self.left_bytes > 0
            && let Some(blocks) = &mut self.blocks
        {
            self.ready = Some(blocks.next().await.unwrap_or_else(|| Err(cut_short()))?);
        }
        Ok(())
    }

    /// The next bytes, which count as read ahead until they are dropped: for whoever may keep them waiting. Who keeps
    /// them for longer than until the next ones come must not ask for them in this way.
    pub fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let counted = ready!(self.poll_counted(context));
        Poll::Ready(counted.map(|counted| {
            let Counted { data, grant } = counted?;
            Ok(match grant {
                Some(grant) => grant.held_by(data),
                None => data,
            })
        }))
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        self.poll_counted(context).map(|counted| counted.map(|counted| counted.map(|counted| counted.data)))
    }

    fn poll_counted(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Counted, Failure>>> {
        if self.left_bytes == 0 {
            self.blocks = None;
            return Poll::Ready(None);
        }
        let next = match (self.ready.take(), &mut self.blocks) {
            (Some(counted), _) => Some(Ok(counted)),
            (None, Some(blocks)) => ready!(blocks.poll_next_unpin(context)),
            (None, None) => None,
        };
        let outcome = match next {
            Some(Ok(counted)) if counted.data.len() as u64 <= self.left_bytes => Ok(counted),
            Some(Err(failure)) => Err(failure),
            Some(Ok(_)) | None => Err(cut_short()),
        };
        match &outcome {
            Ok(Counted { data, .. }) => {
                self.left_bytes -= data.len() as u64;
                self.given_bytes.inc_by(data.len() as u64);
            }
            Err(_) => self.blocks = None,
        }
        Poll::Ready(Some(outcome))
    }
}

fn cut_short() -> Failure {
    Failure::new(Reason::Unavailable, "", "the content is not as long as its record says")
}

impl fmt::Debug for ContentStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentStream").field("left_bytes", &self.left_bytes).finish_non_exhaustive()
    }
}

impl Stream for ContentStream {
    type Item = Result<Bytes, Failure>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_data(context)
    }
}

impl Body for ContentStream {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.get_mut().poll_data(context).map(|data| data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

#[cfg(test)]
#[path = "get_tests.rs"]
mod tests;
