//! The codes of S3, each with its status and the message that S3 gives with it.

use http::StatusCode;

macro_rules! codes {
    ($($code:ident $status:literal $message:literal)*) => {
        /// An error code of S3.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $message] $code,)*
        }

        impl ErrorCode {
            /// All of them.
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
    AccessControlListNotSupported 400 "The bucket does not allow ACLs"
    AccessDenied 403 "Access Denied"
    AccessForbidden 403 "CORSResponse: This CORS request is not allowed."
    AccountProblem 403 "There is a problem with your account that prevents the operation from completing successfully."
    AmbiguousGrantByEmailAddress 400 "The e-mail address you provided is associated with more than one account."
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid."
    AuthorizationQueryParametersError 400 "The authorization query parameters that you provided are not valid."
    BadDigest 400 "The Content-MD5 or checksum value that you specified did not match what the server received."
    BadRequest 400 "Bad Request"
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Select a different name and try again."
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it."
    BucketNotEmpty 409 "The bucket you tried to delete is not empty."
    ConditionalRequestConflict 409 "The conditional request cannot succeed due to a conflicting operation against this resource."
    CredentialsNotSupported 400 "This request does not support credentials."
    CrossLocationLoggingProhibited 403 "Cross-Region logging is not allowed."
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed object size."
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed object size."
    ExpiredToken 400 "The provided token has expired."
    IllegalLocationConstraintException 400 "The specified location constraint is incompatible for the region specific endpoint this request was sent to."
    IllegalVersioningConfigurationException 400 "The versioning configuration specified in the request is invalid."
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header."
    IncorrectNumberOfFilesInPostRequest 400 "POST requires exactly one file upload per request."
    InlineDataTooLarge 400 "The inline data exceeds the maximum allowed size."
    InsufficientStorage 507 "There is no space left for this request."
    InternalError 500 "We encountered an internal error. Please try again."
    InvalidAccessKeyId 403 "The access key ID you provided does not exist in our records."
    InvalidAddressingHeader 400 "You must specify the Anonymous role."
    InvalidArgument 400 "Invalid Argument"
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting."
    InvalidBucketName 400 "The specified bucket is not valid."
    InvalidBucketState 409 "The request is not valid for the current state of the bucket."
    InvalidDigest 400 "The Content-MD5 or checksum value that you specified is not valid."
    InvalidEncryptionAlgorithmError 400 "The encryption request that you specified is not valid. The valid value is AES256."
    InvalidLocationConstraint 400 "The specified location constraint is not valid."
    InvalidObjectState 403 "The operation is not valid for the current state of the object."
    InvalidPart 400 "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    InvalidPartNumber 416 "The requested partnumber is not satisfiable"
    InvalidPartOrder 400 "The list of parts was not in ascending order. The parts list must be specified in order by part number."
    InvalidPayer 403 "All access to this object has been disabled."
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document."
    InvalidRange 416 "The requested range is not satisfiable"
    InvalidRequest 400 "Invalid Request"
    InvalidSecurity 403 "The provided security credentials are not valid."
    InvalidSOAPRequest 400 "The SOAP request body is invalid."
    InvalidStorageClass 400 "The storage class you specified is not valid"
    InvalidTag 400 "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation."
    InvalidTargetBucketForLogging 400 "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group."
    InvalidToken 400 "The provided token is malformed or otherwise not valid."
    InvalidURI 400 "Couldn't parse the specified URI."
    InvalidVersionId 400 "The version ID specified in the request is invalid."
    InvalidWriteOffset 400 "The write offset value that you specified does not match the current object size."
    KeyTooLongError 400 "Your key is too long"
    MalformedACLError 400 "The ACL that you provided was not well formed or did not validate against our published schema."
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data."
    MalformedPolicy 400 "Your policy contains a principal that is not valid."
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema."
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema"
    MaxMessageLengthExceeded 400 "Your request was too large."
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large."
    MetadataConfigurationNotFound 404 "The metadata configuration was not found."
    MetadataTableConfigurationNotFound 404 "The metadata table configuration was not found."
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size"
    MethodNotAllowed 405 "The specified method is not allowed against this resource."
    MissingAttachment 400 "A SOAP attachment was expected, but none was found."
    MissingAuthenticationToken 403 "The request was not signed."
    MissingContentLength 411 "You must provide the Content-Length HTTP header."
    MissingRequestBodyError 400 "Request body is empty."
    MissingSecurityElement 400 "The SOAP 1.1 request is missing a security element."
    MissingSecurityHeader 400 "Your request is missing a required header."
    NoLoggingStatusForKey 400 "There is no such thing as a logging status subresource for a key."
    NoSuchAccessPoint 404 "The specified access point does not exist."
    NoSuchAsyncRequest 404 "The specified request was not found."
    NoSuchBucket 404 "The specified bucket does not exist"
    NoSuchBucketPolicy 404 "The bucket policy does not exist"
    NoSuchConfiguration 404 "The specified configuration does not exist."
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist"
    NoSuchKey 404 "The specified key does not exist."
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist"
    NoSuchObjectLockConfiguration 404 "The specified object does not have a ObjectLock configuration"
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found"
    NoSuchTagSet 404 "The TagSet does not exist"
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    NoSuchVersion 404 "The specified version does not exist."
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration"
    NotDeviceOwnerError 400 "The device that generated the token is not owned by the authenticated user."
    NotImplemented 501 "A header you provided implies functionality that is not implemented"
    NotModified 304 "Not Modified"
    NotSignedUp 403 "Your account is not signed up for the S3 service."
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket"
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Please try again."
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found"
    PermanentRedirect 301 "The bucket you are attempting to access must be addressed using the specified endpoint. Send all future requests to this endpoint."
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold"
    Redirect 307 "Temporary redirect. You are being redirected to the bucket while the Domain Name System server is being updated."
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found"
    RequestExpired 400 "The request has expired."
    RequestHeaderSectionTooLarge 400 "The request header and query parameters used to make the request exceed the maximum allowed size."
    RequestIsNotMultiPartContent 400 "A bucket POST request must be of the enclosure-type multipart/form-data."
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period."
    RequestTimeTooSkewed 403 "The difference between the request time and the server's time is too large."
    RequestTorrentOfBucketError 400 "Requesting the torrent file of a bucket is not permitted."
    RestoreAlreadyInProgress 409 "Object restore is already in progress."
    ServerSideEncryptionConfigurationNotFoundError 404 "The server side encryption configuration was not found"
    ServiceUnavailable 503 "Service is unable to handle request."
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    SlowDown 503 "Please reduce your request rate."
    TemporaryRedirect 307 "You are being redirected to the bucket while the Domain Name System server is being updated."
    TokenRefreshRequired 400 "The provided token must be refreshed."
    TooManyBuckets 400 "You have attempted to create more buckets than are allowed."
    TooManyParts 400 "You have attempted to upload more parts than are allowed."
    UnexpectedContent 400 "This request does not support content."
    UnresolvableGrantByEmailAddress 400 "The email address you provided does not match any account on record."
    UnsupportedArgument 400 "The request contained an unsupported argument."
    UnsupportedSignature 400 "The provided request is signed with an unsupported STS Token version or the signature version is not supported."
    UserKeyMustBeSpecified 400 "The bucket POST request must contain the specified field name. If it is specified, check the order of the fields."
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed."
}

impl ErrorCode {
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_number()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_has_a_status_of_redirection_or_error_and_a_message() {
        for code in ErrorCode::ALL {
            assert!(matches!(code.status_number(), 301..=507), "{code:?}");
            assert!(!code.message().is_empty(), "{code:?}");
        }
        let names: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn statuses_are_those_that_the_reference_lists() {
        for (code, status) in [
            (ErrorCode::NoSuchKey, 404),
            (ErrorCode::NoSuchBucket, 404),
            (ErrorCode::BucketNotEmpty, 409),
            (ErrorCode::InvalidRange, 416),
            (ErrorCode::PreconditionFailed, 412),
            (ErrorCode::MissingContentLength, 411),
            (ErrorCode::NotImplemented, 501),
            (ErrorCode::SlowDown, 503),
            (ErrorCode::RequestTimeout, 400),
            (ErrorCode::KeyTooLongError, 400),
        ] {
            assert_eq!(code.status().as_u16(), status, "{code:?}");
        }
    }
}
