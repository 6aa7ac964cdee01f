//! The body of the request up to its file: everything that decides whether the file is wanted comes before it.

use super::boundary::boundary;
use super::error::{FormError, malformed};
use super::fields::{FIELDS_MAX_BYTES, Fields};
use super::file::{FileStream, HEAD_END};
use super::part::PartHead;
use crate::body::{BodyError, broken_source};
use bytes::{Buf as _, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt as _;
use memchr::memmem::Finder;
use std::error::Error as StdError;
use std::time::Duration;

/// Goes before each boundary. So that the first one is like the others, it is put before the body too.
const LINE_END: &[u8] = b"\r\n";

type BoxError = Box<dyn StdError + Send + Sync>;

/// A form whose fields are read and whose file is still to come.
pub struct Form<B> {
    /// With the file's name in the place of `${filename}`.
    pub fields: Fields,
    pub file: FileStream<B>,
}

impl<B> Form<B>
where
    B: Body<Data = bytes::Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// Reads a body up to the content of its file, which must have come after `timeout`.
    ///
    /// # Errors
    /// [`FormError`]: what is wrong with the form so far.
    pub async fn read(headers: &HeaderMap, body: B, timeout: Duration) -> Result<Self, FormError> {
        let delimiter = [&b"\r\n--"[..], &boundary(headers)?].concat();
        let delimiter = Finder::new(&delimiter).into_owned();
        let read = tokio::time::timeout(timeout, read_fields(body, delimiter)).await;
        read.unwrap_or(Err(BodyError::Stalled { after: timeout }.into()))
    }
}

async fn read_fields<B>(body: B, delimiter: Finder<'static>) -> Result<Form<B>, FormError>
where
    B: Body<Data = bytes::Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let left_bytes = FIELDS_MAX_BYTES + LINE_END.len();
    let mut reader = Reader { body, buffer: BytesMut::from(LINE_END), left_bytes };
    let head_end = Finder::new(HEAD_END);
    let mut fields = Fields::default();
    // What comes before the first boundary says nothing. RFC 2046, 5.1.1.
    reader.take_until(&delimiter).await?;
    loop {
        if reader.begins_with(b"--").await? {
            return Err(FormError::NoFile);
        }
        let head = PartHead::parse(&reader.take_until(&head_end).await?)?;
        if head.is_file() {
            fields.expand(head.file_name.as_deref())?;
            return Ok(Form { fields, file: FileStream::new(reader.body, reader.buffer, delimiter) });
        }
        let value = reader.take_until(&delimiter).await?;
        fields.add(&head.name, value.into())?;
    }
}

/// Takes what is wanted out of a body, up to a limit.
struct Reader<B> {
    body: B,
    /// What has come and was not taken.
    buffer: BytesMut,
    /// So much may still be taken.
    left_bytes: usize,
}

impl<B> Reader<B>
where
    B: Body<Data = bytes::Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// What comes before `end`, which is taken too.
    async fn take_until(&mut self, end: &Finder<'_>) -> Result<BytesMut, FormError> {
        let end_bytes = end.needle().len();
        let mut searched = 0;
        loop {
            let within = self.buffer.len().min(self.left_bytes);
            if let Some(at) = end.find(&self.buffer[searched..within]) {
                let taken = self.buffer.split_to(searched + at);
                self.buffer.advance(end_bytes);
                self.left_bytes -= taken.len() + end_bytes;
                return Ok(taken);
            }
            // The end may have begun in what came so far.
            searched = within.saturating_sub(end_bytes - 1).max(searched);
            self.fill().await?;
        }
    }

    async fn begins_with(&mut self, start: &[u8]) -> Result<bool, FormError> {
        while self.buffer.len() < start.len() {
            self.fill().await?;
        }
        Ok(self.buffer.starts_with(start))
    }

    /// Waits for more of the body.
    async fn fill(&mut self) -> Result<(), FormError> {
        if self.buffer.len() >= self.left_bytes {
            return Err(FormError::FieldsTooLarge { max_bytes: FIELDS_MAX_BYTES });
        }
        match self.body.frame().await {
            None => Err(malformed("it ends before its last boundary").into()),
            Some(Err(error)) => Err(broken_source(&*error.into()).into()),
            Some(Ok(frame)) => {
                self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
pub(super) mod tests;
