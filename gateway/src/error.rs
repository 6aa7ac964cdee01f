//! What a refused request is answered with: S3's codes ([`ErrorCode`]), what each failure of another role or of the
//! body becomes ([`convert`]), and the document.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

mod code;
mod convert;

pub use code::ErrorCode;

use crate::answer::{self, Answer, AnswerBody};
use crate::xml::Writer;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use std::borrow::Cow;
use std::fmt;

/// Clients that ignore the header wait about as long.
const RETRY_AFTER_SECONDS: u32 = 1;

/// What every operation returns.
pub type Outcome = Result<Answer, S3Error>;

/// An S3 error: its code, its message, and what else its document says.
#[derive(Clone, Debug)]
pub struct S3Error(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    code: ErrorCode,
    message: Cow<'static, str>,
    elements: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log alone.
    cause: Option<String>,
}

impl S3Error {
    /// With the code's own message.
    pub fn new(code: ErrorCode) -> Self {
        Self::with_message(code, code.message())
    }

    pub fn with_message(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        let (elements, headers) = (Vec::new(), Vec::new());
        Self(Box::new(Details { code, message: message.into(), elements, headers, cause: None }))
    }

    /// `InvalidArgument`, with the argument's name and value in the document.
    pub fn invalid_argument(
        name: impl Into<String>,
        value: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::with_message(ErrorCode::InvalidArgument, message)
            .element("ArgumentName", name)
            .element("ArgumentValue", value)
    }

    /// `NotImplemented`, naming the operation or the header that is not served.
    pub fn not_implemented(what: &str) -> Self {
        Self::with_message(
            ErrorCode::NotImplemented,
            format!("A header or a query you provided implies functionality that is not implemented: {what}"),
        )
    }

    /// One more element of the document.
    #[must_use]
    pub fn element(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.elements.push((name, value.into()));
        self
    }

    /// One more header of the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// What the log says about it and the client does not learn.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// For the log: the cause where there is one, else the message.
    pub fn cause_text(&self) -> &str {
        self.0.cause.as_deref().unwrap_or(&self.0.message)
    }

    /// The answer, without the headers that every answer has.
    pub fn answer(&self, resource: &str, request_id: &str, host_id: &str, with_body: bool) -> Answer {
        let mut answer = Response::new(AnswerBody::Empty);
        *answer.status_mut() = self.status();
        for (name, value) in &self.0.headers {
            answer.headers_mut().append(name, value.clone());
        }
        if self.status() == StatusCode::SERVICE_UNAVAILABLE && !answer.headers().contains_key(RETRY_AFTER) {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        answer.headers_mut().insert(CONTENT_TYPE, answer::XML);
        if with_body {
            *answer.body_mut() = AnswerBody::Full(self.document(resource, request_id, host_id).into());
        }
        answer
    }

    fn document(&self, resource: &str, request_id: &str, host_id: &str) -> Vec<u8> {
        let mut xml = Writer::without_namespace("Error");
        xml.text("Code", self.0.code.name()).text("Message", &self.0.message);
        for (name, value) in &self.0.elements {
            xml.text(name, value);
        }
        xml.text("Resource", resource).text("RequestId", request_id).text("HostId", host_id);
        xml.finish()
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.name(), self.cause_text())
    }
}

impl std::error::Error for S3Error {}

impl From<ErrorCode> for S3Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer) -> String {
        match answer.body() {
            AnswerBody::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        }
    }

    #[test]
    fn a_document_names_code_message_resource_and_request() {
        let error = S3Error::new(ErrorCode::NoSuchKey).element("Key", "a<b");
        let answer = error.answer("/photos/a%3Cb", "4442587FB7D0A2F9", "host", true);
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/xml");
        assert_eq!(
            text(&answer),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>\
             <Message>The specified key does not exist.</Message><Key>a&lt;b</Key>\
             <Resource>/photos/a%3Cb</Resource><RequestId>4442587FB7D0A2F9</RequestId><HostId>host</HostId></Error>"
        );
    }

    #[test]
    fn an_error_of_head_has_no_body() {
        let answer = S3Error::new(ErrorCode::NoSuchBucket).answer("/b", "1", "h", false);
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert!(matches!(answer.body(), AnswerBody::Empty));
    }

    #[test]
    fn a_server_that_is_busy_says_when_to_come_back() {
        let answer = S3Error::new(ErrorCode::SlowDown).answer("/", "1", "h", true);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
        let answer = S3Error::new(ErrorCode::NoSuchKey).answer("/", "1", "h", true);
        assert!(!answer.headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn the_cause_is_for_the_log_alone() {
        let error = S3Error::new(ErrorCode::InternalError).cause("block 7 on worker 3 is damaged");
        assert!(error.to_string().contains("block 7"));
        assert!(!text(&error.answer("/", "1", "h", true)).contains("block 7"));
    }
}
