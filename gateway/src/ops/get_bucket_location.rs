//! GetBucketLocation.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html>

use super::Context;
use crate::answer;
use crate::error::Outcome;
use crate::xml::Writer;
use weir_proto::BucketName;

/// It is written as nothing.
const FIRST_REGION: &str = "us-east-1";

pub async fn get_bucket_location(context: &Context, bucket: &BucketName) -> Outcome {
    context.bucket(bucket).await?;
    let mut xml = Writer::new("LocationConstraint");
    if context.settings.region != FIRST_REGION {
        xml.own_text(&context.settings.region);
    }
    Ok(answer::document(xml))
}
