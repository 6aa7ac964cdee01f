//! CopyObject.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>

use super::Context;
use super::reading::{Source, absent};
use crate::answer;
use crate::auth::Resource;
use crate::conditions::{self, Conditions};
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::objects::CopyObject;
use crate::request::Request;
use crate::xml::Writer;
use crate::{attributes, checksum, copy_source};
use futures::TryFutureExt as _;
use http::HeaderMap;
use weir_proto::v1::ChecksumAlgorithm;
use weir_proto::{BucketName, ObjectKey};

/// Is something of the source kept, or given anew?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

pub async fn copy_object(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    let headers = &request.headers;
    let (source_bucket, source_key) = copy_source::parse(headers)?;
    let for_metadata = directive(headers, "x-amz-metadata-directive", "Unknown metadata directive.")?;
    let for_tags = directive(headers, "x-amz-tagging-directive", "Unknown tagging directive.")?;
    // Also when nothing is replaced: what can't be obeyed is refused.
    let mut replacing = attributes::of_new_object(headers)?;
    let tags = std::mem::take(&mut replacing.tags);
    let new = request.new_object(bucket)?;
    let algorithm = checksum::asked_algorithm(headers)?.unwrap_or(ChecksumAlgorithm::None);
    let changes_nothing =
        for_metadata == Directive::Copy && for_tags == Directive::Copy && algorithm == ChecksumAlgorithm::None;
    if changes_nothing && source_bucket == *bucket && source_key == *key {
        return Err(S3Error::with_message(
            ErrorCode::InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let source = Source { bucket: source_bucket, key: source_key };
    let precondition = request.condition("s3:PutObject", (bucket, key), conditions::of_write(headers)?);
    let copy = |source_object_id| CopyObject {
        source_bucket: source.bucket.clone(),
        source_key: source.key.clone(),
        source_object_id,
        source_precondition: Conditions::of_copy_source(headers).into_precondition(),
        bucket: bucket.clone(),
        key: key.clone(),
        precondition: precondition.clone(),
        replace_attributes: (for_metadata == Directive::Replace).then(|| replacing.clone()),
        replace_tags: (for_tags == Directive::Replace).then(|| tags.clone()),
        checksum_algorithm: algorithm,
        owner: new.owner.clone(),
        acl: new.acl.clone(),
        keeping: request.keeping(bucket),
    };
    let tagged = (for_tags == Directive::Copy).then_some(Resource::Object(bucket, key));
    let copied = |object_id| context.objects.copy_object(copy(object_id)).map_err(S3Error::from);
    let object = source.copied(context, request, tagged, copied).await;
    let object = object.map_err(|error| match precondition {
        // It may be the copy that is missing.
        Some(_) => absent(&request.access, bucket, error),
        None => error,
    })?;
    let mut xml = Writer::new("CopyObjectResult");
    xml.time("LastModified", object.modified_ms).etag("ETag", &object.etag);
    checksum::write_elements(&mut xml, object.checksum.as_ref(), object.part_count, true);
    Ok(answer::document(xml))
}

fn directive(headers: &HeaderMap, name: &'static str, message: &'static str) -> Result<Directive, S3Error> {
    match headers.get(name).map(|value| value.as_bytes()) {
        None | Some(b"COPY") => Ok(Directive::Copy),
        Some(b"REPLACE") => Ok(Directive::Replace),
        Some(other) => Err(S3Error::invalid_argument(name, String::from_utf8_lossy(other), message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_copies_or_replaces() {
        let parsed = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-metadata-directive", value.parse().unwrap());
            directive(&headers, "x-amz-metadata-directive", "Unknown metadata directive.")
        };
        assert_eq!(parsed("COPY").unwrap(), Directive::Copy);
        assert_eq!(parsed("REPLACE").unwrap(), Directive::Replace);
        assert_eq!(parsed("KEEP").unwrap_err().code(), ErrorCode::InvalidArgument);
        assert_eq!(directive(&HeaderMap::new(), "x", "").unwrap(), Directive::Copy);
    }
}
