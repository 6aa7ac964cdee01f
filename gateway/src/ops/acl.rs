//! PutBucketAcl, GetBucketAcl, PutObjectAcl and GetObjectAcl.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html>

use super::Context;
use super::reading::open_head;
use crate::answer;
use crate::auth::ACCOUNT;
use crate::auth::acl::{AclSettings, Given, owners_alone};
use crate::body::BodyKind;
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::{Request, RequestBody};
use crate::xml::{acl_document, parse_acl};
use http::StatusCode;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{self, Reason};
use weir_proto::{BucketName, ObjectKey};

/// How often an object that is overwritten meanwhile is looked at anew.
const MAX_ATTEMPTS: usize = 4;

pub async fn put_bucket_acl(context: &Context, request: &Request, bucket: &BucketName, body: RequestBody) -> Outcome {
    let asked = asked(context, request, body).await?;
    asked.check_owner(ACCOUNT.id)?;
    let change = v1::SetBucketAccess {
        bucket: bucket.to_string(),
        acl: Some(settings(context, bucket).await?.bucket_acl(asked.given)?),
        ..v1::SetBucketAccess::default()
    };
    context.change_access(Change::SetBucketAccess(change)).await?;
    Ok(answer::empty(StatusCode::OK))
}

pub async fn get_bucket_acl(context: &Context, request: &Request, bucket: &BucketName) -> Outcome {
    context.bucket(bucket).await?;
    let set = request.rules.bucket(bucket.as_str()).and_then(|access| access.acl.clone());
    let acl = set.filter(|_| request.acl_settings(bucket).are_on()).unwrap_or_else(|| owners_alone(ACCOUNT.id));
    Ok(answer::document(acl_document(&acl)))
}

pub async fn put_object_acl(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    key: &ObjectKey,
    body: RequestBody,
) -> Outcome {
    request.check_version()?;
    let asked = asked(context, request, body).await?;
    let settings = settings(context, bucket).await?;
    for attempt in 1.. {
        let object = open_head(context, request, "s3:PutObjectAcl", bucket, key).await?.object;
        let owner = settings.owner_of(&object.owner);
        asked.check_owner(owner)?;
        let set = v1::SetObjectAclRequest {
            request_id: None,
            bucket: bucket.to_string(),
            key: key.as_bytes().clone(),
            // The version whose ACL and owner were looked at.
            object_id: object.object_id,
            acl: settings.object_acl(asked.given.clone(), owner)?,
        };
        match context.objects.set_object_acl(set).await {
            Err(failure) if failure.reason == Reason::Conflict && attempt < MAX_ATTEMPTS => {}
            outcome => {
                outcome?;
                break;
            }
        }
    }
    Ok(answer::empty(StatusCode::OK))
}

pub async fn get_object_acl(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    request.check_version()?;
    let object = open_head(context, request, "s3:GetObjectAcl", bucket, key).await?.object;
    let settings = request.acl_settings(bucket);
    let set = object.attributes.and_then(|attributes| attributes.acl).filter(|_| settings.are_on());
    let acl = set.unwrap_or_else(|| owners_alone(settings.owner_of(&object.owner)));
    Ok(answer::document(acl_document(&acl)))
}

/// What the bucket says about ACLs now: the document may have come slowly.
async fn settings(context: &Context, bucket: &BucketName) -> Result<AclSettings, S3Error> {
    Ok(AclSettings::of(context.follower.fresh().await?.bucket(bucket.as_str())))
}

/// The ACL that a request asks for.
struct Asked {
    given: Given,
    /// Whom its document names as the owner.
    owner: Option<String>,
}

impl Asked {
    /// # Errors
    /// `AccessDenied`: nothing changes its owner by its ACL.
    fn check_owner(&self, owner: &str) -> Result<(), S3Error> {
        match &self.owner {
            Some(named) if named != owner => {
                let message = "The owner that the ACL names is not the owner";
                Err(S3Error::with_message(ErrorCode::AccessDenied, message))
            }
            _ => Ok(()),
        }
    }
}

/// # Errors
/// `UnexpectedContent` for a document beside headers, `MissingSecurityHeader` for neither; those of both.
async fn asked(context: &Context, request: &Request, body: RequestBody) -> Result<Asked, S3Error> {
    let given = Given::of_headers(&request.headers)?;
    let document = context.document(request, body, BodyKind::Document).await?;
    match given {
        Some(_) if !document.is_empty() => Err(ErrorCode::UnexpectedContent.into()),
        Some(given) => Ok(Asked { given, owner: None }),
        None if document.is_empty() => {
            Err(S3Error::new(ErrorCode::MissingSecurityHeader).element("MissingHeaderName", "x-amz-acl"))
        }
        None => {
            let acl = parse_acl(&document)?;
            Ok(Asked { given: Given::Grants(acl.grants), owner: Some(acl.owner) })
        }
    }
}
