//! DeleteObject.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>

use super::reading::absent;
use super::{Context, missing};
use crate::answer;
use crate::conditions;
use crate::error::Outcome;
use crate::request::Request;
use http::StatusCode;
use weir_proto::{BucketName, Failure, ObjectKey, v1};

pub async fn delete_object(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    request.check_version()?;
    let precondition = conditions::of_delete(&request.headers)?;
    let precondition = request.condition("s3:DeleteObject", (bucket, key), precondition);
    let entry = v1::DeleteEntry { key: key.as_bytes().clone(), precondition };
    let delete = v1::DeleteObjectsRequest { request_id: None, bucket: bucket.to_string(), entries: vec![entry] };
    let response = context.objects.delete_objects(delete).await?;
    let result = response.results.into_iter().next().ok_or_else(|| missing("result"))?;
    match result.failure {
        None => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Some(failure) => Err(absent(&request.access, bucket, Failure::from(failure).into())),
    }
}
