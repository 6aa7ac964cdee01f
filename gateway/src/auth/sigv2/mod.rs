//! Signature Version 2: in a header, in the query of a presigned URL, in the fields of a form. AWS has retired it;
//! boto 2, jclouds' `s3` provider, and the default presigned URLs of awscli, boto3 and s3cmd still use it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html>
//!
//! It covers less than Version 4: of the query only what names a sub-resource, of the headers the type, the MD5 and
//! Amazon's own, and never the body.

mod canonical;
mod claim;

pub use canonical::SignedHead;
pub use claim::Claim;
