//! Every operation of S3 by its name: those that are served, and those that are refused by it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

use weir_proto::{BucketName, ObjectKey};

macro_rules! operations {
    ($(#[$doc:meta])* $kind:ident { $($name:ident)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind {
            $($name,)*
        }

        impl $kind {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As the reference calls it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

operations! {
    /// On no bucket. `QueryApi` is not S3's: IAM and STS name their actions in a form.
    ServiceOperation {
        ListBuckets
        QueryApi
    }
}

operations! {
    /// On a bucket.
    BucketOperation {
        CreateBucket HeadBucket DeleteBucket ListObjects ListObjectsV2 ListObjectVersions ListMultipartUploads
        DeleteObjects PostObject CreateSession
        GetBucketLocation GetBucketAbac PutBucketAbac
        GetBucketAccelerateConfiguration PutBucketAccelerateConfiguration
        GetBucketAcl PutBucketAcl
        GetBucketAnalyticsConfiguration ListBucketAnalyticsConfigurations PutBucketAnalyticsConfiguration
        DeleteBucketAnalyticsConfiguration
        GetBucketCors PutBucketCors DeleteBucketCors
        GetBucketEncryption PutBucketEncryption DeleteBucketEncryption
        GetBucketIntelligentTieringConfiguration ListBucketIntelligentTieringConfigurations
        PutBucketIntelligentTieringConfiguration DeleteBucketIntelligentTieringConfiguration
        GetBucketInventoryConfiguration ListBucketInventoryConfigurations PutBucketInventoryConfiguration
        DeleteBucketInventoryConfiguration
        GetBucketLifecycleConfiguration PutBucketLifecycleConfiguration DeleteBucketLifecycle
        GetBucketLogging PutBucketLogging
        GetBucketMetadataConfiguration CreateBucketMetadataConfiguration DeleteBucketMetadataConfiguration
        UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration
        GetBucketMetadataTableConfiguration CreateBucketMetadataTableConfiguration
        DeleteBucketMetadataTableConfiguration
        GetBucketMetricsConfiguration ListBucketMetricsConfigurations PutBucketMetricsConfiguration
        DeleteBucketMetricsConfiguration
        GetBucketNotificationConfiguration PutBucketNotificationConfiguration
        GetObjectLockConfiguration PutObjectLockConfiguration
        GetBucketOwnershipControls PutBucketOwnershipControls DeleteBucketOwnershipControls
        GetBucketPolicy PutBucketPolicy DeleteBucketPolicy GetBucketPolicyStatus
        GetPublicAccessBlock PutPublicAccessBlock DeletePublicAccessBlock
        GetBucketReplication PutBucketReplication DeleteBucketReplication
        GetBucketRequestPayment PutBucketRequestPayment
        GetBucketTagging PutBucketTagging DeleteBucketTagging
        GetBucketVersioning PutBucketVersioning
        GetBucketWebsite PutBucketWebsite DeleteBucketWebsite
    }
}

operations! {
    /// On an object.
    ObjectOperation {
        PutObject GetObject HeadObject DeleteObject CopyObject RenameObject
        CreateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload AbortMultipartUpload ListParts
        GetObjectAcl PutObjectAcl
        GetObjectAttributes UpdateObjectEncryption
        GetObjectLegalHold PutObjectLegalHold
        GetObjectRetention PutObjectRetention
        GetObjectTagging PutObjectTagging DeleteObjectTagging
        GetObjectTorrent RestoreObject SelectObjectContent
    }
}

/// What a request asks for, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Service(ServiceOperation),
    Bucket(BucketName, BucketOperation),
    Object(BucketName, ObjectKey, ObjectOperation),
}

impl Operation {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Service(operation) => operation.name(),
            Self::Bucket(_, operation) => operation.name(),
            Self::Object(_, _, operation) => operation.name(),
        }
    }
}
