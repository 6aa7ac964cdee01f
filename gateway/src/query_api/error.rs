//! What a refused request of IAM or STS is answered with, and what failures elsewhere become in their words.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>

use super::answer::with_headers;
use super::rule::invalid;
use super::{Api, FORM_MAX_BYTES};
use crate::answer::Answer;
use crate::error::{ErrorCode, S3Error};
use crate::xml::Writer;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use std::borrow::Cow;
use weir_proto::Failure;
use weir_proto::v1::Reason;

const RETRY_AFTER_SECONDS: u32 = 1;

macro_rules! codes {
    ($($code:ident $status:literal $message:literal)*) => {
        /// An error code of IAM, STS or both.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum QueryErrorCode {
            $(#[doc = $message] $code,)*
        }

        impl QueryErrorCode {
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// As it stands in documents.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($code),)*
                }
            }

            /// What the document says where nothing more precise is known.
            pub fn message(self) -> &'static str {
                match self {
                    $(Self::$code => $message,)*
                }
            }

            fn status_number(self) -> u16 {
                match self {
                    $(Self::$code => $status,)*
                }
            }
        }
    };
}

codes! {
    AccessDenied 403 "Access Denied"
    ConcurrentModification 409 "Multiple requests to change this object were submitted at the same time. Wait a few minutes and submit the request again."
    DeleteConflict 409 "Something is still attached to what was to be deleted."
    EntityAlreadyExists 409 "The resource already exists."
    ExpiredToken 403 "The security token included in the request is expired"
    ExpiredTokenException 400 "The web identity token that was passed is expired or is not valid."
    IDPCommunicationError 400 "The request could not be fulfilled because the identity provider that was asked to verify the incoming identity token could not be reached."
    IDPRejectedClaim 403 "The identity provider reported that authentication failed."
    IncompleteSignature 400 "The request signature does not conform to AWS standards."
    InternalFailure 500 "The request processing has failed because of an unknown error, exception or failure."
    InvalidAction 400 "The action or operation requested is invalid."
    InvalidAuthorizationMessageException 400 "The message passed to DecodeAuthorizationMessage was invalid."
    InvalidClientTokenId 403 "The security token included in the request is invalid."
    InvalidIdentityToken 400 "The web identity token that was passed could not be validated."
    InvalidInput 400 "An invalid or out-of-range value was supplied for an input parameter."
    InvalidParameterCombination 400 "Parameters that must not be used together were used together."
    InvalidParameterValue 400 "An invalid or out-of-range value was supplied for the input parameter."
    InvalidQueryParameter 400 "The query string is malformed or does not adhere to the standards."
    LimitExceeded 409 "A limit of the account was exceeded."
    MalformedPolicyDocument 400 "The policy document was malformed."
    MalformedQueryString 400 "The query string contains a syntax error."
    MissingAction 400 "The request is missing an action or a required parameter."
    MissingAuthenticationToken 403 "Request is missing Authentication Token"
    NoSuchEntity 404 "The resource that the request refers to does not exist."
    PackedPolicyTooLarge 400 "The total packed size of the session policies and session tags combined was too large."
    PolicyNotAttachable 400 "The policy cannot be attached to the resource."
    RegionDisabledException 403 "STS is not activated in the requested region."
    RequestEntityTooLarge 413 "The request is too large."
    RequestExpired 400 "The request reached the service more than 15 minutes after its date."
    ServiceUnavailable 503 "The request has failed due to a temporary failure of the server."
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
    Throttling 400 "Rate exceeded"
    UnmodifiableEntity 400 "The resource is part of the system and can't be changed."
    ValidationError 400 "The input fails to satisfy the constraints."
}

impl QueryErrorCode {
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A refusal: its code, its message, and what the log alone says.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {}", .code.name(), self.cause_text())]
pub struct QueryError {
    code: QueryErrorCode,
    message: Cow<'static, str>,
    cause: Option<String>,
}

impl QueryError {
    pub fn new(code: QueryErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), cause: None }
    }

    /// `InvalidAction`.
    pub fn unknown_action(action: &str, version: &str) -> Self {
        // Both come from the client, who sees no more than the beginning of them.
        let cut = |text: &str| text.chars().take(64).collect::<String>();
        let message = format!("Could not find operation {} for version {}", cut(action), cut(version));
        Self::new(QueryErrorCode::InvalidAction, message)
    }

    /// `NoSuchEntity`, as `The user with name alice cannot be found.`
    pub fn no_such(kind: &str, name: &str) -> Self {
        Self::new(QueryErrorCode::NoSuchEntity, format!("The {kind} with name {name} cannot be found."))
    }

    /// `ValidationError` for a parameter that must be there.
    pub fn missing(parameter: &str) -> Self {
        invalid(parameter, None, "Member must not be null")
    }

    /// `RequestEntityTooLarge`.
    pub fn form_too_large() -> Self {
        let message = format!("A request has at most {FORM_MAX_BYTES} bytes.");
        Self::new(QueryErrorCode::RequestEntityTooLarge, message)
    }

    /// What the log says about it and the client does not learn.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    pub fn code(&self) -> QueryErrorCode {
        self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// For the log: the cause where there is one, else the message.
    pub fn cause_text(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.message)
    }

    /// The answer; without a namespace where it is not known who was asked.
    pub fn answer(&self, api: Option<Api>, request_id: &str) -> Answer {
        let mut answer = with_headers(self.status(), self.document(api, request_id), request_id);
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        answer
    }

    fn document(&self, api: Option<Api>, request_id: &str) -> Vec<u8> {
        const ROOT: &str = "ErrorResponse";
        let mut xml = match api {
            Some(api) => Writer::of_namespace(ROOT.into(), api.namespace(), 512),
            None => Writer::without_namespace(ROOT),
        };
        let fault = if self.status().is_server_error() { "Receiver" } else { "Sender" };
        xml.within("Error", |xml| {
            xml.text("Type", fault).text("Code", self.code.name()).text("Message", &self.message);
        });
        xml.text("RequestId", request_id);
        xml.finish()
    }
}

impl From<QueryErrorCode> for QueryError {
    fn from(code: QueryErrorCode) -> Self {
        Self::new(code, code.message())
    }
}

impl From<Failure> for QueryError {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        let code = match failure.reason {
            Reason::InvalidRequest => QueryErrorCode::InvalidInput,
            Reason::NoSuchEntity => QueryErrorCode::NoSuchEntity,
            Reason::EntityExists => QueryErrorCode::EntityAlreadyExists,
            Reason::DeleteConflict => QueryErrorCode::DeleteConflict,
            Reason::LimitExceeded => QueryErrorCode::LimitExceeded,
            Reason::Conflict => QueryErrorCode::ConcurrentModification,
            Reason::NoSuchPrincipal => {
                let message = format!("Invalid principal in policy: \"AWS\":\"{}\"", failure.resource);
                return Self::new(QueryErrorCode::MalformedPolicyDocument, message);
            }
            Reason::SessionOver
            | Reason::Unavailable
            | Reason::TooFewWorkers
            | Reason::NotConfirmed
            | Reason::NotInSync
            | Reason::Incompatible => {
                return Self::from(QueryErrorCode::ServiceUnavailable).cause(text);
            }
            Reason::NoSuchBucket
            | Reason::BucketExists
            | Reason::BucketNotEmpty
            | Reason::TooManyBuckets
            | Reason::NoSuchKey
            | Reason::PreconditionFailed
            | Reason::NotModified
            | Reason::NoSuchUpload
            | Reason::InvalidPart
            | Reason::InvalidPartOrder
            | Reason::PartTooSmall
            | Reason::TooLarge
            | Reason::InvalidRange
            | Reason::NoSuchBlock
            | Reason::Damaged
            | Reason::NoSpace
            | Reason::StoreFailed
            | Reason::WrongCluster
            | Reason::KeyExists
            | Reason::NotOwner
            | Reason::ChecksumMismatch
            | Reason::Unspecified => return Self::from(QueryErrorCode::InternalFailure).cause(text),
        };
        if failure.message.is_empty() { code.into() } else { Self::new(code, failure.message) }
    }
}

/// What the parts that S3 shares say: signatures, bodies, limits.
impl From<S3Error> for QueryError {
    fn from(error: S3Error) -> Self {
        let code = match error.code() {
            ErrorCode::AccessDenied => QueryErrorCode::AccessDenied,
            ErrorCode::InvalidAccessKeyId | ErrorCode::InvalidToken => QueryErrorCode::InvalidClientTokenId,
            ErrorCode::ExpiredToken => QueryErrorCode::ExpiredToken,
            ErrorCode::SignatureDoesNotMatch
            | ErrorCode::RequestTimeTooSkewed
            | ErrorCode::XAmzContentSHA256Mismatch => QueryErrorCode::SignatureDoesNotMatch,
            ErrorCode::RequestExpired => QueryErrorCode::RequestExpired,
            ErrorCode::AuthorizationHeaderMalformed
            | ErrorCode::AuthorizationQueryParametersError
            | ErrorCode::MissingSecurityHeader => QueryErrorCode::IncompleteSignature,
            ErrorCode::MissingAuthenticationToken => QueryErrorCode::MissingAuthenticationToken,
            ErrorCode::EntityTooLarge | ErrorCode::MaxMessageLengthExceeded => return Self::form_too_large(),
            ErrorCode::SlowDown => QueryErrorCode::Throttling,
            ErrorCode::ServiceUnavailable => QueryErrorCode::ServiceUnavailable,
            _ if error.status().is_server_error() => {
                return Self::from(QueryErrorCode::InternalFailure).cause(error.to_string());
            }
            _ => QueryErrorCode::InvalidQueryParameter,
        };
        Self::new(code, error.message().to_owned()).cause(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::AnswerBody;

    fn text(answer: &Answer) -> String {
        match answer.body() {
            AnswerBody::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            AnswerBody::Empty | AnswerBody::Content(_) => String::new(),
        }
    }

    #[test]
    fn a_document_names_fault_code_message_and_request() {
        let answer = QueryError::no_such("user", "a<b").answer(Some(Api::Iam), "ID");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(
            text(&answer),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
             <Code>NoSuchEntity</Code><Message>The user with name a&lt;b cannot be found.</Message></Error>\
             <RequestId>ID</RequestId></ErrorResponse>"
        );
    }

    #[test]
    fn a_server_that_is_busy_says_when_to_come_back_and_whose_fault_it_is() {
        let answer = QueryError::from(QueryErrorCode::ServiceUnavailable).answer(None, "ID");
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
        assert!(text(&answer).contains("<ErrorResponse><Error><Type>Receiver</Type>"));
    }

    #[test]
    fn each_code_has_a_status_of_error_and_a_message() {
        for code in QueryErrorCode::ALL {
            assert!(matches!(code.status_number(), 400..=503), "{code:?}");
            assert!(!code.message().is_empty(), "{code:?}");
        }
    }

    #[test]
    fn failures_of_the_metaserver_have_their_codes() {
        for (reason, code) in [
            (Reason::NoSuchEntity, QueryErrorCode::NoSuchEntity),
            (Reason::EntityExists, QueryErrorCode::EntityAlreadyExists),
            (Reason::DeleteConflict, QueryErrorCode::DeleteConflict),
            (Reason::LimitExceeded, QueryErrorCode::LimitExceeded),
            (Reason::NoSuchPrincipal, QueryErrorCode::MalformedPolicyDocument),
            (Reason::InvalidRequest, QueryErrorCode::InvalidInput),
            (Reason::Unavailable, QueryErrorCode::ServiceUnavailable),
            (Reason::StoreFailed, QueryErrorCode::InternalFailure),
        ] {
            assert_eq!(QueryError::from(Failure::new(reason, "x", "y")).code(), code, "{reason:?}");
        }
        let error = QueryError::from(Failure::new(Reason::StoreFailed, "journal", "/data/meta: no space"));
        assert!(error.to_string().contains("/data/meta") && !error.message().contains("/data/meta"));
    }

    #[test]
    fn refusals_of_what_s3_shares_have_their_codes() {
        for (from, to) in [
            (ErrorCode::InvalidAccessKeyId, QueryErrorCode::InvalidClientTokenId),
            (ErrorCode::SignatureDoesNotMatch, QueryErrorCode::SignatureDoesNotMatch),
            (ErrorCode::AccessDenied, QueryErrorCode::AccessDenied),
            (ErrorCode::AuthorizationHeaderMalformed, QueryErrorCode::IncompleteSignature),
            (ErrorCode::EntityTooLarge, QueryErrorCode::RequestEntityTooLarge),
            (ErrorCode::InternalError, QueryErrorCode::InternalFailure),
            (ErrorCode::IncompleteBody, QueryErrorCode::InvalidQueryParameter),
        ] {
            assert_eq!(QueryError::from(S3Error::new(from)).code(), to, "{from:?}");
        }
    }
}
