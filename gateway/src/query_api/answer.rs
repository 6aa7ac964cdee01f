//! What an action answers, and the document around it.
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#response-serialization>

use super::Api;
use crate::answer::{Answer, AnswerBody};
use crate::xml::Writer;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// The content type of this protocol's documents, whose encoding is UTF-8.
pub(super) const TEXT_XML: HeaderValue = HeaderValue::from_static("text/xml");
/// What a document has around its result.
const FRAME_BYTES: usize = 512;

/// The result of an action: the members of its `…Result` element.
#[derive(Debug)]
pub struct QueryAnswer {
    result: Option<Writer>,
    issued: Option<IssuedKey>,
}

/// An access key that an action made: for the audit log, which has no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedKey {
    pub access_key_id: String,
    /// Whom it speaks for: an ARN.
    pub identity: String,
}

impl QueryAnswer {
    /// For actions whose answer has no result at all.
    pub fn empty() -> Self {
        Self { result: None, issued: None }
    }

    /// A result with what `content` writes in it; nothing makes an empty one.
    pub fn with(content: impl FnOnce(&mut Writer)) -> Self {
        let mut result = Writer::elements();
        content(&mut result);
        Self { result: Some(result), issued: None }
    }

    /// Tells of a key that is in the result.
    #[must_use]
    pub fn issuing(mut self, access_key_id: &str, identity: impl Into<String>) -> Self {
        self.issued = Some(IssuedKey { access_key_id: access_key_id.to_owned(), identity: identity.into() });
        self
    }

    /// The key that is in the result, if one is.
    pub fn issued(&self) -> Option<&IssuedKey> {
        self.issued.as_ref()
    }

    /// 200 with the action's document.
    pub fn answer(self, api: Api, action: &str, request_id: &str) -> Answer {
        let document = self.document(api, action, request_id);
        with_headers(StatusCode::OK, document, request_id)
    }

    fn document(self, api: Api, action: &str, request_id: &str) -> Vec<u8> {
        let length = self.result.as_ref().map_or(0, Writer::length_bytes);
        let root = format!("{action}Response");
        let mut xml = Writer::of_namespace(root.into(), api.namespace(), FRAME_BYTES + length);
        if let Some(result) = self.result {
            xml.within(&format!("{action}Result"), |xml| {
                xml.elements_of(&result);
            });
        }
        xml.within("ResponseMetadata", |xml| {
            xml.text("RequestId", request_id);
        });
        xml.finish()
    }
}

pub(super) fn with_headers(status: StatusCode, document: Vec<u8>, request_id: &str) -> Answer {
    let mut answer = Response::new(AnswerBody::Full(document.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, TEXT_XML);
    crate::answer::put(&mut answer, REQUEST_ID, request_id);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: QueryAnswer) -> String {
        String::from_utf8(answer.document(Api::Iam, "GetUser", "ID")).unwrap()
    }

    #[test]
    fn a_result_stands_in_its_frame() {
        let answer = QueryAnswer::with(|xml| {
            xml.text("UserName", "a&b");
        });
        assert_eq!(
            text(answer),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <GetUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetUserResult>\
             <UserName>a&amp;b</UserName></GetUserResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata>\
             </GetUserResponse>"
        );
    }

    #[test]
    fn a_result_may_be_empty_or_absent() {
        assert!(text(QueryAnswer::with(|_| {})).contains("<GetUserResult></GetUserResult>"));
        assert!(!text(QueryAnswer::empty()).contains("GetUserResult"));
    }

    #[test]
    fn an_answer_names_its_request() {
        let answer = QueryAnswer::empty().answer(Api::Sts, "X", "ID");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(
            (&answer.headers()[REQUEST_ID], &answer.headers()[CONTENT_TYPE]),
            (&"ID".parse().unwrap(), &TEXT_XML)
        );
    }
}
