//! What an operation answers: status, headers, and one of three bodies.

use crate::objects::ContentStream;
use crate::xml::Writer;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weir_proto::Failure;

/// The content type of all documents.
pub const XML: HeaderValue = HeaderValue::from_static("application/xml");

/// The last second of the year 9999: HTTP dates have four digits.
const LAST_SECOND: u64 = 253_402_300_799;

pub type Answer = Response<AnswerBody>;

/// The body of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    Empty,
    Full(Bytes),
    /// An object's bytes, read while they are sent.
    Content(ContentStream),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then_some(Ok(Frame::data(bytes))))
            }
            Self::Content(content) => content.poll_held(context).map(|data| data.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Content(content) => content.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Content(content) => content.size_hint(),
        }
    }
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::Empty);
    *answer.status_mut() = status;
    answer
}

/// 200 with a document.
pub fn document(xml: Writer) -> Answer {
    let mut answer = Response::new(AnswerBody::Full(xml.finish().into()));
    answer.headers_mut().insert(CONTENT_TYPE, XML);
    answer
}

/// Sets a header from text that may hold what no header can: then it is left out.
pub fn put(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Sets ETag; given without quotes.
pub fn put_etag(answer: &mut Answer, etag: &str) {
    put(answer, ETAG, &format!("\"{etag}\""));
}

/// Sets Last-Modified, in whole seconds.
pub fn put_last_modified(answer: &mut Answer, time_ms: i64) {
    put(answer, LAST_MODIFIED, &http_date(time_ms));
}

/// Sets Content-Length where the body itself does not tell it.
pub fn put_length(answer: &mut Answer, length_bytes: u64) {
    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length_bytes));
}

/// A time as headers write it. RFC 9110, 5.6.7.
fn http_date(time_ms: i64) -> String {
    let seconds = u64::try_from(time_ms / 1000).unwrap_or(0).min(LAST_SECOND);
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
    httpdate::fmt_http_date(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_in_whole_seconds_of_utc() {
        let mut answer = empty(StatusCode::OK);
        put_last_modified(&mut answer, 1_255_369_830_999);
        assert_eq!(answer.headers()[LAST_MODIFIED], "Mon, 12 Oct 2009 17:50:30 GMT");
        put_last_modified(&mut answer, i64::MAX);
        put_last_modified(&mut answer, i64::MIN);
        assert_eq!(answer.headers()[LAST_MODIFIED], "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn an_entity_tag_is_quoted() {
        let mut answer = empty(StatusCode::OK);
        put_etag(&mut answer, "abc-2");
        assert_eq!(answer.headers()[ETAG], "\"abc-2\"");
    }

    #[test]
    fn text_that_is_no_header_is_left_out() {
        let mut answer = empty(StatusCode::OK);
        put(&mut answer, ETAG, "a\r\nb");
        assert!(!answer.headers().contains_key(ETAG));
    }
}
