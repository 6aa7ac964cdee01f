//! The file of a form, as a body that ends where the form says; and what follows it.

use super::error::malformed;
use super::fields::has_meaning;
use super::part::PartHead;
use crate::body::{BodyError, broken_source};
use bytes::{Buf as _, Bytes, BytesMut};
use http_body::{Body, Frame};
use memchr::memmem::{self, Finder};
use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Ends the headers of a part.
pub(super) const HEAD_END: &[u8] = b"\r\n\r\n";

/// What may follow the content of the file, in bytes: the last boundary, and the buttons of a form.
pub const REST_MAX_BYTES: usize = 20 << 10;

/// The content of a form's file. It ends only after the form has ended as it should: without its last boundary a file
/// that was cut off looks like a whole one.
pub struct FileStream<B> {
    body: B,
    /// What has come and was not handed on.
    buffer: BytesMut,
    /// The line end before a boundary, and the boundary.
    delimiter: Finder<'static>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Content,
    /// Behind the boundary that ends the content.
    Rest,
    Ended,
}

impl<B: Body<Data = Bytes>> FileStream<B> {
    /// `buffer` begins with the content.
    pub(super) fn new(body: B, buffer: BytesMut, delimiter: Finder<'static>) -> Self {
        Self { body, buffer, delimiter, stage: Stage::Content }
    }

    /// So many bytes the file has at least, going by the length that the request has declared.
    pub fn least_bytes(&self) -> u64 {
        let behind = self.delimiter.needle().len() + REST_MAX_BYTES;
        (self.buffer.len() as u64).saturating_add(self.body.size_hint().lower()).saturating_sub(behind as u64)
    }

    /// Content that is there, if what follows it can't be the start of a boundary.
    fn take_content(&mut self) -> Option<Bytes> {
        let delimiter_bytes = self.delimiter.needle().len();
        let content = match self.delimiter.find(&self.buffer) {
            Some(at) => {
                self.stage = Stage::Rest;
                let content = self.buffer.split_to(at);
                self.buffer.advance(delimiter_bytes);
                content
            }
            None => self.buffer.split_to(self.buffer.len().saturating_sub(delimiter_bytes - 1)),
        };
        (!content.is_empty()).then(|| content.freeze())
    }
}

/// What follows the boundary after the file's content. S3 ignores fields there, so those that have no meaning may come;
/// whoever sends one that has would be wrong to think that it was obeyed.
fn check_rest(mut rest: &[u8], delimiter: &Finder<'_>) -> Result<(), BodyError> {
    let cut = || malformed("it ends before its last boundary");
    while !rest.starts_with(b"--") {
        let end = memmem::find(rest, HEAD_END).ok_or_else(cut)?;
        let head = PartHead::parse(&rest[..end])?;
        if head.is_file() {
            return Err(BodyError::SeveralFiles);
        }
        if has_meaning(&head.name) {
            return Err(malformed(format!("the field {:?} comes after the file", head.name)));
        }
        let content = &rest[end + HEAD_END.len()..];
        let end = delimiter.find(content).ok_or_else(cut)?;
        rest = &content[end + delimiter.needle().len()..];
    }
    Ok(())
}

impl<B> Body for FileStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            match this.stage {
                Stage::Content => {
                    if let Some(content) = this.take_content() {
                        return Poll::Ready(Some(Ok(Frame::data(content))));
                    }
                }
                Stage::Rest if this.buffer.len() > REST_MAX_BYTES => {
                    let rest = check_rest(&this.buffer, &this.delimiter);
                    return Poll::Ready(Some(Err(rest.err().unwrap_or_else(|| malformed("it does not end")))));
                }
                Stage::Rest => {}
                Stage::Ended => return Poll::Ready(None),
            }
            match (ready!(Pin::new(&mut this.body).poll_frame(context)), this.stage) {
                (Some(Ok(frame)), _) => this.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                (Some(Err(error)), _) => return Poll::Ready(Some(Err(broken_source(&*error.into())))),
                (None, Stage::Content) => {
                    return Poll::Ready(Some(Err(malformed("it ends before the boundary after its file"))));
                }
                (None, Stage::Rest | Stage::Ended) => {
                    this.stage = Stage::Ended;
                    return Poll::Ready(check_rest(&this.buffer, &this.delimiter).err().map(Err));
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
