//! HeadBucket.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>

use super::Context;
use crate::answer::{self, XML};
use crate::error::Outcome;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use weir_proto::BucketName;

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
const ACCESS_POINT_ALIAS: HeaderName = HeaderName::from_static("x-amz-access-point-alias");

pub async fn head_bucket(context: &Context, bucket: &BucketName) -> Outcome {
    context.bucket(bucket).await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::put(&mut answer, BUCKET_REGION, &context.settings.region);
    answer.headers_mut().insert(ACCESS_POINT_ALIAS, HeaderValue::from_static("false"));
    answer.headers_mut().insert(CONTENT_TYPE, XML);
    Ok(answer)
}
