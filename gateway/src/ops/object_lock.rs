//! GetObjectRetention and GetObjectLegalHold, of buckets that lock nothing.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html>

use super::Context;
use crate::answer::Outcome;
use crate::error::{ErrorCode, S3Error};
use crate::objects::GetObject;
use crate::request::Request;
use weir_proto::{BucketName, ObjectKey};

pub async fn get_object_lock(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    request.check_version()?;
    let get = GetObject { bucket: bucket.clone(), key: key.clone(), range: None, part_number: 0 };
    context.objects.head_object(get).await?;
    Err(S3Error::with_message(ErrorCode::InvalidRequest, "Bucket is missing Object Lock Configuration"))
}
