//! PutBucketOwnershipControls, GetBucketOwnershipControls and DeleteBucketOwnershipControls.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html>
//!
//! A new bucket is BucketOwnerEnforced, and says so. One whose controls were taken away has none, and ACLs count there,
//! as on S3.

use super::Context;
use crate::answer;
use crate::auth::acl::{is_owners_alone, ownership_name, ownership_of};
use crate::body::BodyKind;
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::{Request, RequestBody};
use crate::xml::{Writer, parse_ownership_controls};
use http::StatusCode;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{self, BucketAccess, ObjectOwnership};
use weir_proto::{BucketName, Failure};

pub async fn put_bucket_ownership_controls(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    body: RequestBody,
) -> Outcome {
    let document = context.document(request, body, BodyKind::Document).await?;
    let name = parse_ownership_controls(&document)?;
    let ownership = ownership_of(&name)
        .ok_or_else(|| S3Error::new(ErrorCode::MalformedXML).cause(format!("there is no ownership {name:?}")))?;
    let rules = context.follower.fresh().await?;
    // The bucket's ACL would be switched off with whomever it lets in: it has to be taken back first.
    let acl = rules.bucket(bucket.as_str()).and_then(|access| access.acl.as_ref());
    if ownership == ObjectOwnership::BucketOwnerEnforced && acl.is_some_and(|acl| !is_owners_alone(acl)) {
        return Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into());
    }
    set(context, bucket, ownership).await?;
    Ok(answer::empty(StatusCode::OK))
}

pub async fn delete_bucket_ownership_controls(context: &Context, bucket: &BucketName) -> Outcome {
    set(context, bucket, ObjectOwnership::Removed).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn set(context: &Context, bucket: &BucketName, ownership: ObjectOwnership) -> Result<(), Failure> {
    let change = v1::SetBucketAccess {
        bucket: bucket.to_string(),
        ownership: Some(ownership.into()),
        ..v1::SetBucketAccess::default()
    };
    context.change_access(Change::SetBucketAccess(change)).await.map(drop)
}

pub async fn get_bucket_ownership_controls(context: &Context, bucket: &BucketName) -> Outcome {
    context.bucket(bucket).await?;
    let rules = context.follower.fresh().await?;
    let ownership = rules.bucket(bucket.as_str()).map_or(ObjectOwnership::Unset, BucketAccess::ownership);
    let name = ownership_name(ownership).ok_or_else(|| {
        S3Error::new(ErrorCode::OwnershipControlsNotFoundError).element("BucketName", bucket.to_string())
    })?;
    let mut xml = Writer::new("OwnershipControls");
    xml.within("Rule", |xml| {
        xml.text("ObjectOwnership", name);
    });
    Ok(answer::document(xml))
}
