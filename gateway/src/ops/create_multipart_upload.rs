//! CreateMultipartUpload.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>

use super::{Context, missing};
use crate::answer::{self, Answer};
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::{Request, RequestBody};
use crate::xml::Writer;
use crate::{attributes, checksum};
use http::header::HeaderName;
use http_body_util::BodyExt as _;
use weir_proto::v1::{ChecksumAlgorithm, ChecksumType};
use weir_proto::{BucketName, ObjectKey, v1};

const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
const TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
/// It has no document; what some clients send is read, so that the connection can go on, and not looked at. Nor is its
/// digest: there are clients that send the one of the object to come.
const BODY_MAX_BYTES: usize = 64 << 10;

pub async fn create_multipart_upload(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    key: &ObjectKey,
    body: RequestBody,
) -> Outcome {
    request.check_multipart(bucket, key)?;
    let (algorithm, kind) = checksum::of_new_upload(&request.headers)?;
    let new = request.new_object(bucket)?;
    let create = v1::CreateUploadRequest {
        request_id: None,
        bucket: bucket.to_string(),
        key: key.as_bytes().clone(),
        attributes: Some(v1::Attributes { acl: new.acl, ..attributes::of_new_object(&request.headers)? }),
        checksum_algorithm: algorithm.into(),
        checksum_type: kind.into(),
        owner: new.owner,
    };
    read_away(context, body).await?;
    let upload = context.objects.create_upload(create).await?.upload.ok_or_else(|| missing("upload"))?;
    let mut xml = Writer::new("InitiateMultipartUploadResult");
    xml.text("Bucket", bucket.as_str()).bytes("Key", key.as_bytes()).number("UploadId", upload.upload_id);
    let mut answer = answer::document(xml);
    put_checksum(&mut answer, algorithm, kind);
    Ok(answer)
}

async fn read_away(context: &Context, mut body: RequestBody) -> Result<(), S3Error> {
    let patience = context.limits(0).idle_timeout;
    let mut length = 0;
    while length <= BODY_MAX_BYTES {
        match tokio::time::timeout(patience, body.frame()).await {
            Ok(Some(Ok(frame))) => length += frame.data_ref().map_or(0, bytes::Bytes::len),
            Ok(None) => return Ok(()),
            Ok(Some(Err(error))) => return Err(S3Error::new(ErrorCode::IncompleteBody).cause(error.to_string())),
            Err(_) => return Err(ErrorCode::RequestTimeout.into()),
        }
    }
    Ok(())
}

fn put_checksum(answer: &mut Answer, algorithm: ChecksumAlgorithm, kind: ChecksumType) {
    if let Some(name) = checksum::name(algorithm) {
        answer::put(answer, ALGORITHM, name);
        if let Some(name) = checksum::type_name(kind) {
            answer::put(answer, TYPE, name);
        }
    }
}
