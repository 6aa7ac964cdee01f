//! What a method and a query ask for.
//!
//! A request that changes something must be understood as a whole: a query that it should not have means that its
//! sender wanted something else, and nothing may be made, replaced or deleted. A request that only reads ignores what
//! it does not know, as S3 does.

use super::operation::{BucketOperation as B, ObjectOperation as O, ServiceOperation};
use super::query::Query;
use crate::error::{ErrorCode, S3Error};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, Method};

/// The names in a query that choose an operation.
pub const SUBRESOURCES: [&str; 39] = [
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Does this name in a query choose an operation?
pub fn chooses_operation(name: &str) -> bool {
    SUBRESOURCES.contains(&name)
}

/// What clients add to any query: the names of Signature Version 2, and [`is_own`].
const SIGNATURE_V2: [&str; 3] = ["AWSAccessKeyId", "Signature", "Expires"];

/// `x-id` of SDKs, `X-Amz-…` of signatures, `x-amz-…` headers that were signed into the query.
fn is_own(name: &str) -> bool {
    name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-")) || SIGNATURE_V2.contains(&name)
}

/// The name in the query that chooses the operation.
///
/// # Errors
/// `InvalidArgument` when there are several.
fn subresource(query: &Query) -> Result<Option<&str>, S3Error> {
    let mut found = None;
    for name in query.names().filter(|name| chooses_operation(name)) {
        if let Some(first) = found.replace(name) {
            let message = format!("Conflicting query string parameters: {first}, {name}");
            return Err(S3Error::with_message(ErrorCode::InvalidArgument, message)
                .element("ArgumentName", "ResourceType")
                .element("ArgumentValue", name));
        }
    }
    Ok(found)
}

/// Refuses a query with other names than these.
fn only(query: &Query, known: &[&str]) -> Result<(), S3Error> {
    match query.names().find(|name| !known.contains(name) && !is_own(name)) {
        None => Ok(()),
        Some(name) => Err(S3Error::not_implemented(&format!("?{name}"))),
    }
}

fn not_allowed(method: &Method, query: &Query) -> S3Error {
    let changes = matches!(*method, Method::PUT | Method::POST | Method::DELETE);
    if changes && let Err(error) = only(query, &[]) {
        return error;
    }
    S3Error::new(ErrorCode::MethodNotAllowed).element("Method", method.as_str())
}

/// What S3 answers to a browser that asks whether it may, of a bucket without a CORS configuration.
pub fn preflight(headers: &HeaderMap) -> S3Error {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()));
    match (text(ORIGIN), text(ACCESS_CONTROL_REQUEST_METHOD)) {
        (None, _) => {
            S3Error::with_message(ErrorCode::BadRequest, "Insufficient information. Origin request header needed.")
        }
        (Some(_), None) => S3Error::with_message(ErrorCode::BadRequest, "Invalid Access-Control-Request-Method: null"),
        (Some(_), Some(method)) => {
            S3Error::with_message(ErrorCode::AccessForbidden, "CORSResponse: CORS is not enabled for this bucket.")
                .element("Method", method.into_owned())
        }
    }
}

pub fn of_service(method: &Method) -> Result<ServiceOperation, S3Error> {
    match *method {
        Method::GET => Ok(ServiceOperation::ListBuckets),
        Method::POST => Ok(ServiceOperation::QueryApi),
        _ => Err(S3Error::new(ErrorCode::MethodNotAllowed).element("Method", method.as_str())),
    }
}

pub fn of_bucket(method: &Method, query: &Query) -> Result<B, S3Error> {
    let subresource = subresource(query)?;
    let has_id = query.has("id");
    let operation = match *method {
        Method::GET => match subresource {
            None => Some(listing(query)?),
            Some(name) => bucket_get(name, has_id),
        },
        Method::HEAD => Some(B::HeadBucket),
        Method::PUT => subresource.map_or(Some(B::CreateBucket), bucket_put),
        Method::DELETE => subresource.map_or(Some(B::DeleteBucket), bucket_delete),
        Method::POST => subresource.map_or(Some(B::PostObject), bucket_post),
        _ => None,
    };
    let operation = operation.ok_or_else(|| not_allowed(method, query))?;
    match operation {
        B::CreateBucket | B::DeleteBucket | B::PostObject => only(query, &[])?,
        B::DeleteObjects => only(query, &["delete"])?,
        // Those that read, and those that are not served.
        _ => {}
    }
    Ok(operation)
}

fn listing(query: &Query) -> Result<B, S3Error> {
    match query.get("list-type") {
        None => Ok(B::ListObjects),
        Some("2") => Ok(B::ListObjectsV2),
        Some(other) => Err(S3Error::invalid_argument("list-type", other, "Invalid List Type specified in Request")),
    }
}

fn bucket_get(subresource: &str, has_id: bool) -> Option<B> {
    Some(match subresource {
        "abac" => B::GetBucketAbac,
        "accelerate" => B::GetBucketAccelerateConfiguration,
        "acl" => B::GetBucketAcl,
        "analytics" if has_id => B::GetBucketAnalyticsConfiguration,
        "analytics" => B::ListBucketAnalyticsConfigurations,
        "cors" => B::GetBucketCors,
        "encryption" => B::GetBucketEncryption,
        "intelligent-tiering" if has_id => B::GetBucketIntelligentTieringConfiguration,
        "intelligent-tiering" => B::ListBucketIntelligentTieringConfigurations,
        "inventory" if has_id => B::GetBucketInventoryConfiguration,
        "inventory" => B::ListBucketInventoryConfigurations,
        "lifecycle" => B::GetBucketLifecycleConfiguration,
        "location" => B::GetBucketLocation,
        "logging" => B::GetBucketLogging,
        "metadataConfiguration" => B::GetBucketMetadataConfiguration,
        "metadataTable" => B::GetBucketMetadataTableConfiguration,
        "metrics" if has_id => B::GetBucketMetricsConfiguration,
        "metrics" => B::ListBucketMetricsConfigurations,
        "notification" => B::GetBucketNotificationConfiguration,
        "object-lock" => B::GetObjectLockConfiguration,
        "ownershipControls" => B::GetBucketOwnershipControls,
        "policy" => B::GetBucketPolicy,
        "policyStatus" => B::GetBucketPolicyStatus,
        "publicAccessBlock" => B::GetPublicAccessBlock,
        "replication" => B::GetBucketReplication,
        "requestPayment" => B::GetBucketRequestPayment,
        "session" => B::CreateSession,
        "tagging" => B::GetBucketTagging,
        "uploads" => B::ListMultipartUploads,
        "versioning" => B::GetBucketVersioning,
        "versions" => B::ListObjectVersions,
        "website" => B::GetBucketWebsite,
        _ => return None,
    })
}

fn bucket_put(subresource: &str) -> Option<B> {
    Some(match subresource {
        "abac" => B::PutBucketAbac,
        "accelerate" => B::PutBucketAccelerateConfiguration,
        "acl" => B::PutBucketAcl,
        "analytics" => B::PutBucketAnalyticsConfiguration,
        "cors" => B::PutBucketCors,
        "encryption" => B::PutBucketEncryption,
        "intelligent-tiering" => B::PutBucketIntelligentTieringConfiguration,
        "inventory" => B::PutBucketInventoryConfiguration,
        "lifecycle" => B::PutBucketLifecycleConfiguration,
        "logging" => B::PutBucketLogging,
        "metadataInventoryTable" => B::UpdateBucketMetadataInventoryTableConfiguration,
        "metadataJournalTable" => B::UpdateBucketMetadataJournalTableConfiguration,
        "metrics" => B::PutBucketMetricsConfiguration,
        "notification" => B::PutBucketNotificationConfiguration,
        "object-lock" => B::PutObjectLockConfiguration,
        "ownershipControls" => B::PutBucketOwnershipControls,
        "policy" => B::PutBucketPolicy,
        "publicAccessBlock" => B::PutPublicAccessBlock,
        "replication" => B::PutBucketReplication,
        "requestPayment" => B::PutBucketRequestPayment,
        "tagging" => B::PutBucketTagging,
        "versioning" => B::PutBucketVersioning,
        "website" => B::PutBucketWebsite,
        _ => return None,
    })
}

fn bucket_delete(subresource: &str) -> Option<B> {
    Some(match subresource {
        "analytics" => B::DeleteBucketAnalyticsConfiguration,
        "cors" => B::DeleteBucketCors,
        "encryption" => B::DeleteBucketEncryption,
        "intelligent-tiering" => B::DeleteBucketIntelligentTieringConfiguration,
        "inventory" => B::DeleteBucketInventoryConfiguration,
        "lifecycle" => B::DeleteBucketLifecycle,
        "metadataConfiguration" => B::DeleteBucketMetadataConfiguration,
        "metadataTable" => B::DeleteBucketMetadataTableConfiguration,
        "metrics" => B::DeleteBucketMetricsConfiguration,
        "ownershipControls" => B::DeleteBucketOwnershipControls,
        "policy" => B::DeleteBucketPolicy,
        "publicAccessBlock" => B::DeletePublicAccessBlock,
        "replication" => B::DeleteBucketReplication,
        "tagging" => B::DeleteBucketTagging,
        "website" => B::DeleteBucketWebsite,
        _ => return None,
    })
}

fn bucket_post(subresource: &str) -> Option<B> {
    Some(match subresource {
        "delete" => B::DeleteObjects,
        "metadataConfiguration" => B::CreateBucketMetadataConfiguration,
        "metadataTable" => B::CreateBucketMetadataTableConfiguration,
        _ => return None,
    })
}

pub fn of_object(method: &Method, query: &Query, headers: &HeaderMap) -> Result<O, S3Error> {
    let subresource = subresource(query)?;
    let operation = match *method {
        Method::GET => object_get(subresource),
        Method::HEAD => Some(O::HeadObject),
        Method::PUT => object_put(subresource, query.has("partNumber"), headers.contains_key("x-amz-copy-source")),
        Method::DELETE => object_delete(subresource),
        Method::POST => subresource.and_then(object_post),
        _ => None,
    };
    let operation = operation.ok_or_else(|| not_allowed(method, query))?;
    match operation {
        O::PutObject | O::CopyObject => {
            if let Some(version) = query.get("versionId") {
                let message = "This operation does not accept a version-id.";
                return Err(S3Error::invalid_argument("versionId", version, message));
            }
            only(query, &[])?;
        }
        O::UploadPart | O::UploadPartCopy => only(query, &["partNumber", "uploadId"])?,
        O::DeleteObject => only(query, &["versionId"])?,
        O::CreateMultipartUpload => only(query, &["uploads"])?,
        O::CompleteMultipartUpload | O::AbortMultipartUpload => only(query, &["uploadId"])?,
        // Those that read, and those that are not served.
        _ => {}
    }
    Ok(operation)
}

fn object_get(subresource: Option<&str>) -> Option<O> {
    Some(match subresource {
        None => O::GetObject,
        Some("acl") => O::GetObjectAcl,
        Some("attributes") => O::GetObjectAttributes,
        Some("legal-hold") => O::GetObjectLegalHold,
        Some("retention") => O::GetObjectRetention,
        Some("tagging") => O::GetObjectTagging,
        Some("torrent") => O::GetObjectTorrent,
        Some("uploadId") => O::ListParts,
        Some(_) => return None,
    })
}

fn object_put(subresource: Option<&str>, has_part_number: bool, has_source: bool) -> Option<O> {
    Some(match subresource {
        Some("uploadId") if has_source => O::UploadPartCopy,
        Some("uploadId") => O::UploadPart,
        // Without an upload it is refused as a part; it is never an object.
        None if has_part_number => O::UploadPart,
        None if has_source => O::CopyObject,
        None => O::PutObject,
        Some("acl") => O::PutObjectAcl,
        Some("encryption") => O::UpdateObjectEncryption,
        Some("legal-hold") => O::PutObjectLegalHold,
        Some("renameObject") => O::RenameObject,
        Some("retention") => O::PutObjectRetention,
        Some("tagging") => O::PutObjectTagging,
        Some(_) => return None,
    })
}

fn object_delete(subresource: Option<&str>) -> Option<O> {
    Some(match subresource {
        None => O::DeleteObject,
        Some("tagging") => O::DeleteObjectTagging,
        Some("uploadId") => O::AbortMultipartUpload,
        Some(_) => return None,
    })
}

fn object_post(subresource: &str) -> Option<O> {
    Some(match subresource {
        "restore" => O::RestoreObject,
        "select" => O::SelectObjectContent,
        "uploadId" => O::CompleteMultipartUpload,
        "uploads" => O::CreateMultipartUpload,
        _ => return None,
    })
}
