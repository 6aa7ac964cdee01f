//! UploadPart.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>

use super::Context;
use crate::answer;
use crate::body::BodyKind;
use crate::error::{Outcome, S3Error};
use crate::objects::PutPart;
use crate::request::{Request, RequestBody};
use crate::{attributes, checksum};
use http::StatusCode;
use weir_proto::{BucketName, ObjectKey};

pub async fn upload_part(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    key: &ObjectKey,
    body: RequestBody,
) -> Outcome {
    request.check_multipart(bucket, key)?;
    attributes::refuse_unsupported(&request.headers)?;
    let put = PutPart {
        bucket: bucket.clone(),
        key: key.clone(),
        part_number: number_of_part(request)?,
        upload_id: request.upload_id()?,
        keeping: request.keeping(bucket),
    };
    let body = context.data(request, body, BodyKind::Part)?;
    let part = context.objects.put_part(put, body).await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::put_etag(&mut answer, &part.etag);
    checksum::put_headers(answer.headers_mut(), part.checksum.as_ref(), 0);
    // Only an object's has one.
    answer.headers_mut().remove("x-amz-checksum-type");
    Ok(answer)
}

/// # Errors
/// `InvalidArgument` when it is missing or out of range.
pub fn number_of_part(request: &Request) -> Result<u32, S3Error> {
    request.part_number()?.ok_or_else(|| {
        S3Error::invalid_argument("partNumber", "", "This operation needs a partNumber beside its uploadId")
    })
}
