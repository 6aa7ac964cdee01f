//! ListBuckets.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>

use super::{Context, write_caller};
use crate::answer;
use crate::error::{Outcome, S3Error};
use crate::request::{Request, decimal};
use crate::xml::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use weir_proto::{BucketName, v1};

const MAX_BUCKETS: u32 = 10_000;
/// What the metaserver gives at a time.
const PAGE: u32 = 1000;

pub async fn list_buckets(context: &Context, request: &Request) -> Outcome {
    let asked = max_buckets(request)?;
    let prefix = request.query.get("prefix").unwrap_or_default();
    let after = match request.query.get("continuation-token") {
        Some(token) => bucket_of_token(token)?,
        None => String::new(),
    };
    let elsewhere = request.query.get("bucket-region").is_some_and(|region| region != context.settings.region);
    let (buckets, truncated) =
        if elsewhere { (Vec::new(), false) } else { page(context, prefix, after, asked).await? };

    let is_page = ["max-buckets", "continuation-token", "prefix", "bucket-region"].iter().any(|p| request.query.has(p));
    let mut xml = Writer::with_capacity("ListAllMyBucketsResult", 512 + buckets.len() * 128);
    write_caller(&mut xml, "Owner", request.owner().id, request.owner().display_name);
    xml.within("Buckets", |xml| {
        for bucket in &buckets {
            xml.within("Bucket", |xml| {
                xml.text("Name", &bucket.name).time("CreationDate", bucket.created_ms);
                if is_page {
                    xml.text("BucketRegion", &context.settings.region);
                }
            });
        }
    });
    if request.query.has("prefix") {
        xml.text("Prefix", prefix);
    }
    if let Some(last) = buckets.last().filter(|_| truncated) {
        xml.text("ContinuationToken", &BASE64.encode(&last.name));
    }
    Ok(answer::document(xml))
}

fn max_buckets(request: &Request) -> Result<Option<u32>, S3Error> {
    let Some(text) = request.query.get("max-buckets") else { return Ok(None) };
    match decimal(text) {
        Some(count) if (1..=MAX_BUCKETS).contains(&count) => Ok(Some(count)),
        _ => {
            let message = "Argument max-buckets must be an integer between 1 and 10000";
            Err(S3Error::invalid_argument("max-buckets", text, message))
        }
    }
}

/// A token is the last name of the page before.
fn bucket_of_token(token: &str) -> Result<String, S3Error> {
    let name = BASE64.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
    name.filter(|name| BucketName::new(name).is_ok()).ok_or_else(|| {
        S3Error::invalid_argument("continuation-token", token, "The continuation token provided is incorrect")
    })
}

/// As many as asked for, or all; and whether there are more.
async fn page(
    context: &Context,
    prefix: &str,
    mut after: String,
    asked: Option<u32>,
) -> Result<(Vec<v1::Bucket>, bool), S3Error> {
    let mut buckets: Vec<v1::Bucket> = Vec::new();
    loop {
        let count = u32::try_from(buckets.len()).unwrap_or(u32::MAX);
        let left = asked.map_or(PAGE, |asked| asked.saturating_sub(count)).min(PAGE);
        if left == 0 {
            return Ok((buckets, true));
        }
        let request = v1::ListBucketsRequest { prefix: prefix.to_owned(), after, max_buckets: left };
        let response = context.objects.list_buckets(request).await?;
        buckets.extend(response.buckets);
        match buckets.last().filter(|_| response.truncated) {
            Some(last) => after = last.name.clone(),
            None => return Ok((buckets, false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    #[test]
    fn tokens_are_opaque_and_checked() {
        assert_eq!(bucket_of_token(&BASE64.encode("photos")).unwrap(), "photos");
        for token in ["", "photos!", &BASE64.encode("UPPER"), &BASE64.encode(b"\xff\xff\xff")] {
            assert!(bucket_of_token(token).is_err(), "{token}");
        }
    }

    #[test]
    fn a_page_has_one_to_ten_thousand_buckets() {
        let asked = |text: &str| max_buckets(&request(&format!("max-buckets={text}"))).ok();
        assert_eq!(asked("1"), Some(Some(1)));
        assert_eq!(asked("10000"), Some(Some(10_000)));
        for text in ["0", "10001", "-1", "x", ""] {
            assert_eq!(asked(text), None, "{text}");
        }
        assert_eq!(max_buckets(&request("")).unwrap(), None);
    }
}
