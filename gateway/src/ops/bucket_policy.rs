//! PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy and GetBucketPolicyStatus.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html>

use super::Context;
use crate::answer::{self, AnswerBody};
use crate::auth::policy::{DocumentKind, PolicyDocument, PolicyError, as_of_now};
use crate::body::BodyKind;
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::{Request, RequestBody};
use crate::xml::Writer;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use weir_proto::v1::change_access_request::Change;
use weir_proto::{BucketName, v1};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub async fn put_bucket_policy(
    context: &Context,
    request: &Request,
    bucket: &BucketName,
    body: RequestBody,
) -> Outcome {
    let text = context.document(request, body, BodyKind::Document).await?;
    let text = String::from_utf8(text.into()).map_err(|_| malformed("This policy contains invalid Json"))?;
    let kind = DocumentKind::Bucket { bucket: bucket.to_string() };
    let document = PolicyDocument::parse(&kind, &text).map_err(|error| match error {
        PolicyError::TooLong { .. } => malformed("Policies can't be larger than 20 KB"),
        error @ (PolicyError::Json(_) | PolicyError::Invalid(_)) => malformed(error.to_string()),
    })?;
    let rules = context.follower.fresh().await?;
    let block = rules.bucket(bucket.as_str()).and_then(|bucket| bucket.public_access_block);
    if block.is_some_and(|block| block.block_public_policy) && document.is_public() {
        let message = "Public policies are prevented by the BlockPublicPolicy setting of the bucket";
        return Err(S3Error::with_message(ErrorCode::AccessDenied, message));
    }
    set(context, bucket, text, document.principal_arns()).await
}

pub async fn delete_bucket_policy(context: &Context, bucket: &BucketName) -> Outcome {
    set(context, bucket, String::new(), Vec::new()).await
}

async fn set(
    context: &Context,
    bucket: &BucketName,
    policy_document: String,
    policy_principals: Vec<String>,
) -> Outcome {
    let change = v1::SetBucketAccess {
        bucket: bucket.to_string(),
        policy_document: Some(policy_document),
        policy_principals,
        ..v1::SetBucketAccess::default()
    };
    context.change_access(Change::SetBucketAccess(change)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub async fn get_bucket_policy(context: &Context, bucket: &BucketName) -> Outcome {
    let text = policy_of(context, bucket).await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    *answer.body_mut() = AnswerBody::Full(text.into());
    Ok(answer)
}

pub async fn get_bucket_policy_status(context: &Context, bucket: &BucketName) -> Outcome {
    policy_of(context, bucket).await?;
    let rules = context.follower.fresh().await?;
    let is_public = rules.bucket_policy(bucket.as_str()).is_some_and(PolicyDocument::is_public);
    let mut xml = Writer::new("PolicyStatus");
    xml.text("IsPublic", if is_public { "true" } else { "false" });
    Ok(answer::document(xml))
}

/// # Errors
/// `NoSuchBucket`, `NoSuchBucketPolicy`.
async fn policy_of(context: &Context, bucket: &BucketName) -> Result<String, S3Error> {
    context.bucket(bucket).await?;
    let rules = context.follower.fresh().await?;
    let known = rules.bucket(bucket.as_str()).filter(|bucket| !bucket.policy_document.is_empty());
    let arn_now = |principal: &v1::PrincipalId| rules.directory.principal_arn(principal);
    known
        .map(|bucket| as_of_now(&bucket.policy_document, &bucket.policy_principals, arn_now).into_owned())
        .ok_or_else(|| S3Error::new(ErrorCode::NoSuchBucketPolicy).element("BucketName", bucket.to_string()))
}

fn malformed(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    S3Error::with_message(ErrorCode::MalformedPolicy, message)
}
