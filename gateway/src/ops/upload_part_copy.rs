//! UploadPartCopy.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>

use super::Context;
use super::reading::Source;
use super::upload_part::number_of_part;
use crate::answer;
use crate::conditions::Conditions;
use crate::error::{Outcome, S3Error};
use crate::objects::{CopyPart, ObjectsError};
use crate::request::Request;
use crate::xml::Writer;
use crate::{attributes, checksum, copy_source, range};
use futures::TryFutureExt as _;
use weir_proto::v1::Reason;
use weir_proto::{BucketName, ObjectKey};

pub async fn upload_part_copy(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    let headers = &request.headers;
    request.check_multipart(bucket, key)?;
    attributes::refuse_unsupported(headers)?;
    let (source_bucket, source_key) = copy_source::parse(headers)?;
    let source = Source { bucket: source_bucket, key: source_key };
    let (range, part_number, upload_id) =
        (range::of_copy_source(headers)?, number_of_part(request)?, request.upload_id()?);
    let copy = |source_object_id| CopyPart {
        source_bucket: source.bucket.clone(),
        source_key: source.key.clone(),
        source_object_id,
        source_precondition: Conditions::of_copy_source(headers).into_precondition(),
        range,
        bucket: bucket.clone(),
        key: key.clone(),
        part_number,
        upload_id,
        keeping: request.keeping(bucket),
    };
    let copied = |object_id| context.objects.copy_part(copy(object_id)).map_err(|error| refused(request, error));
    let part = source.copied(context, request, None, copied).await?;
    let mut xml = Writer::new("CopyPartResult");
    xml.time("LastModified", part.modified_ms).etag("ETag", &part.etag);
    checksum::write_elements(&mut xml, part.checksum.as_ref(), 0, false);
    Ok(answer::document(xml))
}

/// A range beyond the source is no range of it, says S3: 400, not 416.
fn refused(request: &Request, error: ObjectsError) -> S3Error {
    match error.reason() {
        Some(Reason::InvalidRange) => {
            let value = request.headers.get("x-amz-copy-source-range").map(|value| value.as_bytes());
            S3Error::invalid_argument(
                "x-amz-copy-source-range",
                String::from_utf8_lossy(value.unwrap_or_default()),
                "Range specified is not valid for the size of the source object",
            )
        }
        _ => error.into(),
    }
}
