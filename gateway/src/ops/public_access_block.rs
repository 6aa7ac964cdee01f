//! PutPublicAccessBlock, GetPublicAccessBlock and DeletePublicAccessBlock.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html>

use super::Context;
use crate::answer;
use crate::body::BodyKind;
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::{Request, RequestBody};
use crate::xml::{Writer, parse_public_access_block};
use http::StatusCode;
use weir_proto::v1::change_access_request::Change;
use weir_proto::{BucketName, v1};

pub async fn put_public_access_block(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    body: RequestBody,
) -> Outcome {
    let document = context.document(request, body, BodyKind::Document).await?;
    let change = v1::SetBucketAccess {
        bucket: bucket.to_string(),
        public_access_block: Some(parse_public_access_block(&document)?),
        ..v1::SetBucketAccess::default()
    };
    context.change_access(Change::SetBucketAccess(change)).await?;
    Ok(answer::empty(StatusCode::OK))
}

pub async fn delete_public_access_block(context: &Context, bucket: &BucketName) -> Outcome {
    let change = v1::SetBucketAccess {
        bucket: bucket.to_string(),
        remove_public_access_block: true,
        ..v1::SetBucketAccess::default()
    };
    context.change_access(Change::SetBucketAccess(change)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub async fn get_public_access_block(context: &Context, bucket: &BucketName) -> Outcome {
    context.bucket(bucket).await?;
    let rules = context.follower.fresh().await?;
    let block = rules.bucket(bucket.as_str()).and_then(|bucket| bucket.public_access_block);
    let block = block.ok_or_else(|| {
        S3Error::new(ErrorCode::NoSuchPublicAccessBlockConfiguration).element("BucketName", bucket.to_string())
    })?;
    let mut xml = Writer::new("PublicAccessBlockConfiguration");
    for (name, value) in [
        ("BlockPublicAcls", block.block_public_acls),
        ("IgnorePublicAcls", block.ignore_public_acls),
        ("BlockPublicPolicy", block.block_public_policy),
        ("RestrictPublicBuckets", block.restrict_public_buckets),
    ] {
        xml.text(name, if value { "true" } else { "false" });
    }
    Ok(answer::document(xml))
}
