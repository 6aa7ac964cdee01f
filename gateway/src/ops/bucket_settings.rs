//! Settings that no bucket has here, read: answered as S3 answers for a bucket on which they were never set, since
//! clients look before they work.

use super::Context;
use crate::answer::{self, Answer};
use crate::error::{ErrorCode, Outcome, S3Error};
use crate::route::BucketOperation as B;
use crate::xml::Writer;
use weir_proto::BucketName;

pub async fn get_bucket_setting(context: &Context, operation: B, bucket: &BucketName) -> Outcome {
    context.bucket(bucket).await?;
    match unset(operation) {
        Unset::Document(root, content) => Ok(document(root, content)),
        Unset::Error(code) => Err(S3Error::new(code).element("BucketName", bucket.to_string())),
        Unset::NotSetting => Err(S3Error::not_implemented(operation.name())),
    }
}

fn document(root: &'static str, content: &'static str) -> Answer {
    let mut xml = Writer::new(root);
    xml.markup(content);
    answer::document(xml)
}

/// What S3 says of a setting that was never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unset {
    /// Its root element and what is in it.
    Document(&'static str, &'static str),
    Error(ErrorCode),
    /// The operation reads no setting.
    NotSetting,
}

const NO_MORE: &str = "<IsTruncated>false</IsTruncated>";

fn unset(operation: B) -> Unset {
    use Unset::{Document, Error};
    match operation {
        B::GetBucketAccelerateConfiguration => Document("AccelerateConfiguration", ""),
        B::GetBucketAbac => Document("AbacStatus", "<Status>Disabled</Status>"),
        B::GetBucketLogging => Document("BucketLoggingStatus", ""),
        B::GetBucketNotificationConfiguration => Document("NotificationConfiguration", ""),
        B::GetBucketRequestPayment => Document("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
        B::GetBucketVersioning => Document("VersioningConfiguration", ""),
        B::ListBucketAnalyticsConfigurations => Document("ListBucketAnalyticsConfigurationsResult", NO_MORE),
        B::ListBucketIntelligentTieringConfigurations => {
            Document("ListBucketIntelligentTieringConfigurationsOutput", NO_MORE)
        }
        B::ListBucketInventoryConfigurations => Document("ListInventoryConfigurationsResult", NO_MORE),
        B::ListBucketMetricsConfigurations => Document("ListMetricsConfigurationsResult", NO_MORE),
        B::GetBucketAnalyticsConfiguration
        | B::GetBucketIntelligentTieringConfiguration
        | B::GetBucketInventoryConfiguration
        | B::GetBucketMetricsConfiguration => Error(ErrorCode::NoSuchConfiguration),
        B::GetBucketCors => Error(ErrorCode::NoSuchCORSConfiguration),
        B::GetBucketEncryption => Error(ErrorCode::ServerSideEncryptionConfigurationNotFoundError),
        B::GetBucketLifecycleConfiguration => Error(ErrorCode::NoSuchLifecycleConfiguration),
        B::GetBucketMetadataConfiguration => Error(ErrorCode::MetadataConfigurationNotFound),
        B::GetBucketMetadataTableConfiguration => Error(ErrorCode::MetadataTableConfigurationNotFound),
        B::GetBucketReplication => Error(ErrorCode::ReplicationConfigurationNotFoundError),
        B::GetBucketTagging => Error(ErrorCode::NoSuchTagSet),
        B::GetBucketWebsite => Error(ErrorCode::NoSuchWebsiteConfiguration),
        B::GetObjectLockConfiguration => Error(ErrorCode::ObjectLockConfigurationNotFoundError),
        _ => Unset::NotSetting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::AnswerBody;

    #[test]
    fn documents_are_those_of_a_bucket_without_the_setting() {
        for (operation, expected) in [
            (
                B::GetBucketVersioning,
                "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></VersioningConfiguration>",
            ),
            (
                B::GetBucketRequestPayment,
                "<RequestPaymentConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
            ),
        ] {
            let Unset::Document(root, content) = unset(operation) else { panic!("{operation:?}") };
            let answer = document(root, content);
            let AnswerBody::Full(text) = answer.body() else { panic!("{answer:?}") };
            assert!(text.ends_with(expected.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_found_is_404() {
        for operation in [
            B::GetBucketLifecycleConfiguration,
            B::GetBucketCors,
            B::GetBucketTagging,
            B::GetBucketWebsite,
            B::GetBucketReplication,
            B::GetObjectLockConfiguration,
            B::GetBucketEncryption,
            B::GetBucketInventoryConfiguration,
        ] {
            let Unset::Error(code) = unset(operation) else { panic!("{operation:?}") };
            assert_eq!(code.status(), http::StatusCode::NOT_FOUND, "{operation:?}");
        }
    }
}
