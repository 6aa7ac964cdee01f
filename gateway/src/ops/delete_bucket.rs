//! DeleteBucket.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html>

use super::Context;
use crate::answer;
use crate::error::Outcome;
use http::StatusCode;
use weir_proto::{BucketName, v1};

pub async fn delete_bucket(context: &Context, bucket: &BucketName) -> Outcome {
    context.objects.delete_bucket(v1::DeleteBucketRequest { request_id: None, name: bucket.to_string() }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
