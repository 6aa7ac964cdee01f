//! CreateBucket.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>

use super::Context;
use crate::answer::{self, Answer};
use crate::attributes;
use crate::auth::acl::NewBucket;
use crate::body::BodyKind;
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::request::{Request, RequestBody};
use crate::xml::{BucketConfiguration, parse_bucket_configuration};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use weir_proto::v1::{self, ObjectOwnership, Reason};
use weir_proto::{BucketName, Failure};

/// The one region where making one's own bucket again succeeds.
const FIRST_REGION: &str = "us-east-1";

pub async fn create_bucket(context: &Context, request: &Request, bucket: &BucketName, body: RequestBody) -> Outcome {
    refuse_unsupported(&request.headers)?;
    let NewBucket { ownership, acl } = NewBucket::of_headers(&request.headers)?;
    let document = context.document(request, body, BodyKind::Document).await?;
    check_location(&parse_bucket_configuration(&document)?, &context.settings.region)?;
    // Also where another bucket had the name: what that one said is gone.
    let says_something =
        ownership != ObjectOwnership::Unset || acl.is_some() || request.rules.bucket(bucket.as_str()).is_some();
    let (name, owner) = (bucket.to_string(), request.owner().id.to_owned());
    let create = v1::CreateBucketRequest { name, owner, ownership: ownership.into(), acl, ..Default::default() };
    match context.objects.create_bucket(create).await {
        Ok(_) => {
            if says_something {
                context.follower.catch_up().await?;
            }
            Ok(made(bucket))
        }
        Err(failure) if failure.reason == Reason::BucketExists => exists(context, request, bucket, failure).await,
        Err(failure) => Err(failure.into()),
    }
}

fn made(bucket: &BucketName) -> Answer {
    let mut answer = answer::empty(StatusCode::OK);
    answer::put(&mut answer, LOCATION, &format!("/{bucket}"));
    answer
}

fn refuse_unsupported(headers: &HeaderMap) -> Result<(), S3Error> {
    attributes::refuse_unsupported(headers)?;
    if let Some(enabled) = headers.get("x-amz-bucket-object-lock-enabled")
        && !enabled.as_bytes().eq_ignore_ascii_case(b"false")
    {
        return Err(S3Error::not_implemented("x-amz-bucket-object-lock-enabled"));
    }
    Ok(())
}

fn check_location(configuration: &BucketConfiguration, region: &str) -> Result<(), S3Error> {
    if let Some(unsupported) = configuration.unsupported {
        return Err(S3Error::not_implemented(unsupported));
    }
    match configuration.location.as_deref() {
        None => Ok(()),
        Some(location) if location == region => Ok(()),
        Some(location) => Err(S3Error::with_message(
            ErrorCode::IllegalLocationConstraintException,
            format!(
                "The {location} location constraint is incompatible for the region specific endpoint this request was \
                 sent to: its region is {region}."
            ),
        )
        .element("LocationConstraint", location)),
    }
}

async fn exists(context: &Context, request: &Request, bucket: &BucketName, failure: Failure) -> Outcome {
    let there = match context.bucket(bucket).await {
        Ok(there) => there,
        // Deleted just now, or being deleted.
        Err(error) if error.code() == ErrorCode::NoSuchBucket => {
            return Err(S3Error::new(ErrorCode::OperationAborted).cause(failure.to_string()));
        }
        Err(error) => return Err(error),
    };
    if there.owner != request.owner().id {
        Err(failure.into())
    } else if context.settings.region == FIRST_REGION {
        Ok(made(bucket))
    } else {
        Err(S3Error::new(ErrorCode::BucketAlreadyOwnedByYou).element("BucketName", bucket.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_is_this_region_or_none() {
        let check = |location: Option<&str>| {
            let configuration = BucketConfiguration { location: location.map(str::to_owned), unsupported: None };
            check_location(&configuration, "eu-west-1").err().map(|error| error.code())
        };
        assert_eq!(check(None), None);
        assert_eq!(check(Some("eu-west-1")), None);
        assert_eq!(check(Some("us-east-1")), Some(ErrorCode::IllegalLocationConstraintException));
    }

    #[test]
    fn locks_are_refused_rather_than_ignored() {
        let code = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            refuse_unsupported(&headers).err().map(|error| error.code())
        };
        assert_eq!(code("x-amz-bucket-object-lock-enabled", "true"), Some(ErrorCode::NotImplemented));
        assert_eq!(code("x-amz-bucket-object-lock-enabled", "False"), None);
    }
}
