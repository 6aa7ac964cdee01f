//! CompleteMultipartUpload.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>

use super::reading::absent;
use super::{Context, missing};
use crate::answer;
use crate::body::BodyKind;
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::{Request, RequestBody};
use crate::xml::{Writer, parse_completion};
use crate::{checksum, conditions};
use weir_proto::{BucketName, ObjectKey, v1};

const MAX_PART_NUMBER: u32 = 10_000;

pub async fn complete_multipart_upload(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    key: &ObjectKey,
    body: RequestBody,
) -> Outcome {
    request.check_multipart(bucket, key)?;
    let upload_id = request.upload_id()?;
    let precondition = conditions::of_write(&request.headers)?;
    let checksum = checksum::of_completion(&request.headers)?;
    let expected_size_bytes = expected_size(request)?;
    let document = context.document(request, body, BodyKind::Completion).await?;
    let parts = parse_completion(&document)?;
    check_numbers(&parts)?;
    let settings = &context.settings;
    let complete = v1::CompleteUploadRequest {
        request_id: None,
        bucket: bucket.to_string(),
        key: key.as_bytes().clone(),
        upload_id,
        parts,
        min_part_bytes: if request.by_base_path { settings.base_path_part_min_bytes } else { settings.part_min_bytes },
        precondition,
        checksum,
        expected_size_bytes,
    };
    let completed = context.objects.complete_upload(complete).await;
    let completed = completed.map_err(|failure| absent(&request.access, bucket, failure.into()))?;
    let object = completed.object.ok_or_else(|| missing("object"))?;
    let mut xml = Writer::new("CompleteMultipartUploadResult");
    xml.text("Location", &request.location(bucket, key));
    xml.text("Bucket", bucket.as_str()).bytes("Key", key.as_bytes()).etag("ETag", &object.etag);
    checksum::write_elements(&mut xml, object.checksum.as_ref(), object.part_count, true);
    Ok(answer::document(xml))
}

fn expected_size(request: &Request) -> Result<Option<u64>, S3Error> {
    let Some(value) = request.headers.get("x-amz-mp-object-size") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().ok().filter(|_| is_number) {
        Some(size) => Ok(Some(size)),
        None => Err(S3Error::with_message(
            ErrorCode::InvalidRequest,
            "The x-amz-mp-object-size header does not hold a size",
        )),
    }
}

/// Numbers within their range, and rising.
fn check_numbers(parts: &[v1::CompletedPart]) -> Result<(), S3Error> {
    if let Some(part) = parts.iter().find(|part| !(1..=MAX_PART_NUMBER).contains(&part.part_number)) {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        return Err(S3Error::invalid_argument("PartNumber", part.part_number.to_string(), message));
    }
    if parts.windows(2).any(|pair| pair[0].part_number >= pair[1].part_number) {
        return Err(ErrorCode::InvalidPartOrder.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    #[test]
    fn numbers_rise_within_their_range() {
        let check = |numbers: &[u32]| {
            let part = |number: &u32| v1::CompletedPart { part_number: *number, ..Default::default() };
            check_numbers(&numbers.iter().map(part).collect::<Vec<_>>()).err().map(|error| error.code())
        };
        assert_eq!(check(&[1]), None);
        assert_eq!(check(&[1, 7, 10_000]), None);
        assert_eq!(check(&[2, 1]), Some(ErrorCode::InvalidPartOrder));
        assert_eq!(check(&[1, 1]), Some(ErrorCode::InvalidPartOrder));
        assert_eq!(check(&[0]), Some(ErrorCode::InvalidArgument));
        assert_eq!(check(&[10_001]), Some(ErrorCode::InvalidArgument));
    }

    #[test]
    fn an_announced_size_is_a_number() {
        let mut request = request("");
        assert_eq!(expected_size(&request).unwrap(), None);
        request.headers.insert("x-amz-mp-object-size", "5".parse().unwrap());
        assert_eq!(expected_size(&request).unwrap(), Some(5));
        request.headers.insert("x-amz-mp-object-size", "-5".parse().unwrap());
        assert!(expected_size(&request).is_err());
    }
}
