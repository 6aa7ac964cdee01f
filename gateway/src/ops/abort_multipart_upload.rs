//! AbortMultipartUpload.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>

use super::Context;
use crate::answer;
use crate::error::Outcome;
use crate::request::Request;
use http::StatusCode;
use weir_proto::{BucketName, ObjectKey, v1};

pub async fn abort_multipart_upload(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    key: &ObjectKey,
) -> Outcome {
    let abort = v1::AbortUploadRequest {
        request_id: None,
        bucket: bucket.to_string(),
        key: key.as_bytes().clone(),
        upload_id: request.upload_id()?,
    };
    context.objects.abort_upload(abort).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
