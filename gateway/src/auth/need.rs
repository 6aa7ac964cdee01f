//! What an operation needs to be allowed before it begins: actions, and what they are about.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>
//!
//! What shows only while it runs (the keys of DeleteObjects, the source of a copy in its headers, the ACL of the very
//! version that is read) is asked for there.

use super::acl::Given;
use crate::route::{BucketOperation, ObjectOperation, Operation, Query, ServiceOperation};
use http::HeaderMap;
use std::fmt;
use weir_proto::{BucketName, ObjectKey};

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// No bucket in particular.
    Service,
    Bucket(&'a BucketName),
    Object(&'a BucketName, &'a ObjectKey),
}

impl<'a> Resource<'a> {
    pub fn bucket(&self) -> Option<&'a BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) | Self::Object(bucket, _) => Some(bucket),
        }
    }
}

/// Its ARN.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("arn:aws:s3:::*"),
            Self::Bucket(bucket) => write!(f, "arn:aws:s3:::{bucket}"),
            Self::Object(bucket, key) => write!(f, "arn:aws:s3:::{bucket}/{key}"),
        }
    }
}

/// One action that must be allowed on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need<'a> {
    pub action: &'static str,
    pub resource: Resource<'a>,
}

/// Everything that must be allowed before the operation begins, the most telling first.
pub fn needs<'a>(operation: &'a Operation, headers: &HeaderMap, query: &Query) -> Vec<Need<'a>> {
    let (resource, main, more) = match operation {
        Operation::Service(operation) => (Resource::Service, of_service(*operation), Vec::new()),
        Operation::Bucket(bucket, operation) => {
            (Resource::Bucket(bucket), of_bucket(*operation), more_of_bucket(*operation, headers))
        }
        Operation::Object(bucket, key, operation) => {
            let has_version = query.get("versionId").is_some_and(|version| version != "null");
            (Resource::Object(bucket, key), of_object(*operation, has_version), more_of_object(*operation, headers))
        }
    };
    main.into_iter().chain(more).map(|action| Need { action, resource }).collect()
}

/// The action that an operation is about: the first of [`needs`], or the one that is asked for only when its keys are
/// known. None for the API of IAM and STS, whose actions are in its form.
pub fn main_action(operation: &Operation, needs: &[Need<'_>]) -> Option<&'static str> {
    needs.first().map(|need| need.action).or(match operation {
        Operation::Bucket(_, BucketOperation::PostObject) => Some("s3:PutObject"),
        Operation::Bucket(_, BucketOperation::DeleteObjects) => Some("s3:DeleteObject"),
        Operation::Service(_) | Operation::Bucket(..) | Operation::Object(..) => None,
    })
}

fn of_service(operation: ServiceOperation) -> Option<&'static str> {
    match operation {
        ServiceOperation::ListBuckets => Some("s3:ListAllMyBuckets"),
        // Each of its actions is asked for by itself.
        ServiceOperation::QueryApi => None,
    }
}

fn of_bucket(operation: BucketOperation) -> Option<&'static str> {
    use BucketOperation as B;
    Some(match operation {
        B::CreateBucket => "s3:CreateBucket",
        B::DeleteBucket => "s3:DeleteBucket",
        B::HeadBucket | B::ListObjects | B::ListObjectsV2 => "s3:ListBucket",
        B::ListObjectVersions => "s3:ListBucketVersions",
        B::ListMultipartUploads => "s3:ListBucketMultipartUploads",
        // The keys are in its document, the key of a form in the form.
        B::DeleteObjects | B::PostObject => return None,
        B::CreateSession => "s3express:CreateSession",
        B::GetBucketLocation => "s3:GetBucketLocation",
        B::GetBucketAbac => "s3:GetBucketAbac",
        B::PutBucketAbac => "s3:PutBucketAbac",
        B::GetBucketAccelerateConfiguration => "s3:GetAccelerateConfiguration",
        B::PutBucketAccelerateConfiguration => "s3:PutAccelerateConfiguration",
        B::GetBucketAcl => "s3:GetBucketAcl",
        B::PutBucketAcl => "s3:PutBucketAcl",
        B::GetBucketAnalyticsConfiguration | B::ListBucketAnalyticsConfigurations => "s3:GetAnalyticsConfiguration",
        B::PutBucketAnalyticsConfiguration | B::DeleteBucketAnalyticsConfiguration => "s3:PutAnalyticsConfiguration",
        B::GetBucketCors => "s3:GetBucketCORS",
        B::PutBucketCors | B::DeleteBucketCors => "s3:PutBucketCORS",
        B::GetBucketEncryption => "s3:GetEncryptionConfiguration",
        B::PutBucketEncryption | B::DeleteBucketEncryption => "s3:PutEncryptionConfiguration",
        B::GetBucketIntelligentTieringConfiguration | B::ListBucketIntelligentTieringConfigurations => {
            "s3:GetIntelligentTieringConfiguration"
        }
        B::PutBucketIntelligentTieringConfiguration | B::DeleteBucketIntelligentTieringConfiguration => {
            "s3:PutIntelligentTieringConfiguration"
        }
        B::GetBucketInventoryConfiguration | B::ListBucketInventoryConfigurations => "s3:GetInventoryConfiguration",
        B::PutBucketInventoryConfiguration | B::DeleteBucketInventoryConfiguration => "s3:PutInventoryConfiguration",
        B::GetBucketLifecycleConfiguration => "s3:GetLifecycleConfiguration",
        B::PutBucketLifecycleConfiguration | B::DeleteBucketLifecycle => "s3:PutLifecycleConfiguration",
        B::GetBucketLogging => "s3:GetBucketLogging",
        B::PutBucketLogging => "s3:PutBucketLogging",
        B::GetBucketMetadataConfiguration | B::GetBucketMetadataTableConfiguration => {
            "s3:GetBucketMetadataTableConfiguration"
        }
        B::CreateBucketMetadataConfiguration | B::CreateBucketMetadataTableConfiguration => {
            "s3:CreateBucketMetadataTableConfiguration"
        }
        B::DeleteBucketMetadataConfiguration | B::DeleteBucketMetadataTableConfiguration => {
            "s3:DeleteBucketMetadataTableConfiguration"
        }
        B::UpdateBucketMetadataInventoryTableConfiguration => "s3:UpdateBucketMetadataInventoryTableConfiguration",
        B::UpdateBucketMetadataJournalTableConfiguration => "s3:UpdateBucketMetadataJournalTableConfiguration",
        B::GetBucketMetricsConfiguration | B::ListBucketMetricsConfigurations => "s3:GetMetricsConfiguration",
        B::PutBucketMetricsConfiguration | B::DeleteBucketMetricsConfiguration => "s3:PutMetricsConfiguration",
        B::GetBucketNotificationConfiguration => "s3:GetBucketNotification",
        B::PutBucketNotificationConfiguration => "s3:PutBucketNotification",
        B::GetObjectLockConfiguration => "s3:GetBucketObjectLockConfiguration",
        B::PutObjectLockConfiguration => "s3:PutBucketObjectLockConfiguration",
        B::GetBucketOwnershipControls => "s3:GetBucketOwnershipControls",
        B::PutBucketOwnershipControls | B::DeleteBucketOwnershipControls => "s3:PutBucketOwnershipControls",
        B::GetBucketPolicy => "s3:GetBucketPolicy",
        B::PutBucketPolicy => "s3:PutBucketPolicy",
        B::DeleteBucketPolicy => "s3:DeleteBucketPolicy",
        B::GetBucketPolicyStatus => "s3:GetBucketPolicyStatus",
        B::GetPublicAccessBlock => "s3:GetBucketPublicAccessBlock",
        B::PutPublicAccessBlock | B::DeletePublicAccessBlock => "s3:PutBucketPublicAccessBlock",
        B::GetBucketReplication => "s3:GetReplicationConfiguration",
        B::PutBucketReplication | B::DeleteBucketReplication => "s3:PutReplicationConfiguration",
        B::GetBucketRequestPayment => "s3:GetBucketRequestPayment",
        B::PutBucketRequestPayment => "s3:PutBucketRequestPayment",
        B::GetBucketTagging => "s3:GetBucketTagging",
        B::PutBucketTagging | B::DeleteBucketTagging => "s3:PutBucketTagging",
        B::GetBucketVersioning => "s3:GetBucketVersioning",
        B::PutBucketVersioning => "s3:PutBucketVersioning",
        B::GetBucketWebsite => "s3:GetBucketWebsite",
        B::PutBucketWebsite => "s3:PutBucketWebsite",
        B::DeleteBucketWebsite => "s3:DeleteBucketWebsite",
    })
}

/// What the headers of a new bucket ask for besides.
fn more_of_bucket(operation: BucketOperation, headers: &HeaderMap) -> Vec<&'static str> {
    let mut more = Vec::new();
    if operation == BucketOperation::CreateBucket {
        if Given::is_in(headers) {
            more.push("s3:PutBucketAcl");
        }
        if headers.contains_key("x-amz-object-ownership") {
            more.push("s3:PutBucketOwnershipControls");
        }
    }
    more
}

fn of_object(operation: ObjectOperation, has_version: bool) -> Option<&'static str> {
    use ObjectOperation as O;
    Some(match operation {
        O::PutObject
        | O::CopyObject
        | O::CreateMultipartUpload
        | O::UploadPart
        | O::UploadPartCopy
        | O::CompleteMultipartUpload
        | O::RenameObject => "s3:PutObject",
        O::GetObject | O::HeadObject | O::SelectObjectContent | O::GetObjectTorrent if has_version => {
            "s3:GetObjectVersion"
        }
        O::GetObject | O::HeadObject | O::SelectObjectContent | O::GetObjectTorrent => "s3:GetObject",
        O::DeleteObject if has_version => "s3:DeleteObjectVersion",
        O::DeleteObject => "s3:DeleteObject",
        O::AbortMultipartUpload => "s3:AbortMultipartUpload",
        O::ListParts => "s3:ListMultipartUploadParts",
        O::GetObjectAcl if has_version => "s3:GetObjectVersionAcl",
        O::GetObjectAcl => "s3:GetObjectAcl",
        O::PutObjectAcl if has_version => "s3:PutObjectVersionAcl",
        O::PutObjectAcl => "s3:PutObjectAcl",
        O::GetObjectAttributes if has_version => "s3:GetObjectVersionAttributes",
        O::GetObjectAttributes => "s3:GetObjectAttributes",
        O::UpdateObjectEncryption => "s3:UpdateObjectEncryption",
        O::GetObjectLegalHold => "s3:GetObjectLegalHold",
        O::PutObjectLegalHold => "s3:PutObjectLegalHold",
        O::GetObjectRetention => "s3:GetObjectRetention",
        O::PutObjectRetention => "s3:PutObjectRetention",
        O::GetObjectTagging if has_version => "s3:GetObjectVersionTagging",
        O::GetObjectTagging => "s3:GetObjectTagging",
        O::PutObjectTagging if has_version => "s3:PutObjectVersionTagging",
        O::PutObjectTagging => "s3:PutObjectTagging",
        O::DeleteObjectTagging if has_version => "s3:DeleteObjectVersionTagging",
        O::DeleteObjectTagging => "s3:DeleteObjectTagging",
        O::RestoreObject => "s3:RestoreObject",
    })
}

/// Does it make an object? None: it writes nothing under a key. Parts are not objects yet.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html>
pub fn creates_object(operation: &Operation) -> Option<bool> {
    use ObjectOperation as O;
    match operation {
        Operation::Object(_, _, O::PutObject | O::CopyObject | O::CompleteMultipartUpload)
        | Operation::Bucket(_, BucketOperation::PostObject) => Some(true),
        Operation::Object(_, _, O::CreateMultipartUpload | O::UploadPart | O::UploadPartCopy) => Some(false),
        Operation::Object(..) | Operation::Bucket(..) | Operation::Service(_) => None,
    }
}

/// What the headers of a new object ask for besides.
fn more_of_object(operation: ObjectOperation, headers: &HeaderMap) -> Vec<&'static str> {
    use ObjectOperation as O;
    let mut more = Vec::new();
    if matches!(operation, O::PutObject | O::CopyObject | O::CreateMultipartUpload) {
        if Given::is_in(headers) {
            more.push("s3:PutObjectAcl");
        }
        if headers.contains_key("x-amz-tagging") {
            more.push("s3:PutObjectTagging");
        }
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(operation: &Operation, headers: &[(&'static str, &str)], query: &str) -> Vec<String> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let needs = needs(operation, &headers, &Query::parse(query).unwrap());
        needs.into_iter().map(|need| format!("{} {}", need.action, need.resource)).collect()
    }

    fn on_object(operation: ObjectOperation) -> Operation {
        Operation::Object(BucketName::new("photos").unwrap(), ObjectKey::new("a/b").unwrap(), operation)
    }

    #[test]
    fn an_operation_needs_its_action_on_its_resource() {
        let bucket = |operation| Operation::Bucket(BucketName::new("photos").unwrap(), operation);
        assert_eq!(
            asked(&Operation::Service(ServiceOperation::ListBuckets), &[], ""),
            ["s3:ListAllMyBuckets arn:aws:s3:::*"]
        );
        assert_eq!(asked(&bucket(BucketOperation::ListObjectsV2), &[], ""), ["s3:ListBucket arn:aws:s3:::photos"]);
        assert_eq!(asked(&on_object(ObjectOperation::GetObject), &[], ""), ["s3:GetObject arn:aws:s3:::photos/a/b"]);
        assert_eq!(
            asked(&on_object(ObjectOperation::GetObject), &[], "versionId=7"),
            ["s3:GetObjectVersion arn:aws:s3:::photos/a/b"]
        );
        assert_eq!(asked(&bucket(BucketOperation::DeleteObjects), &[], "delete"), [""; 0]);
    }

    #[test]
    fn every_operation_is_about_an_action() {
        let (bucket, nothing) = (BucketName::new("photos").unwrap(), Query::parse("").unwrap());
        let of_buckets = BucketOperation::ALL.iter().map(|operation| Operation::Bucket(bucket.clone(), *operation));
        let of_objects = ObjectOperation::ALL.iter().map(|operation| on_object(*operation));
        for operation in of_buckets.chain(of_objects).chain([Operation::Service(ServiceOperation::ListBuckets)]) {
            let action = main_action(&operation, &needs(&operation, &HeaderMap::new(), &nothing));
            assert!(action.is_some_and(|action| action.starts_with("s3")), "{operation:?}: {action:?}");
        }
    }

    #[test]
    fn acls_tags_and_ownership_in_headers_are_asked_for_besides() {
        let put = on_object(ObjectOperation::PutObject);
        let asked_for = asked(&put, &[("x-amz-acl", "public-read"), ("x-amz-tagging", "a=b")], "");
        assert_eq!(
            asked_for,
            [
                "s3:PutObject arn:aws:s3:::photos/a/b",
                "s3:PutObjectAcl arn:aws:s3:::photos/a/b",
                "s3:PutObjectTagging arn:aws:s3:::photos/a/b"
            ]
        );
        assert_eq!(asked(&put, &[("x-amz-grant-read", "id=1")], "").len(), 2);
        let create = Operation::Bucket(BucketName::new("photos").unwrap(), BucketOperation::CreateBucket);
        assert_eq!(asked(&create, &[("x-amz-object-ownership", "ObjectWriter")], "").len(), 2);
    }
}
