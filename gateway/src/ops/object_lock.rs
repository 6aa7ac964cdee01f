//! GetObjectRetention and GetObjectLegalHold, of buckets that lock nothing.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html>

use super::Context;
use super::reading::open_head;
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::Request;
use weir_proto::{BucketName, ObjectKey};

/// `action` is the one that it needs.
pub async fn get_object_lock(
    context: &Context,
    request: &Request,
    action: &'static str,
    bucket: &BucketName,
    key: &ObjectKey,
) -> Outcome {
    request.check_version()?;
    open_head(context, request, action, bucket, key).await?;
    Err(S3Error::with_message(ErrorCode::InvalidRequest, "Bucket is missing Object Lock Configuration"))
}
