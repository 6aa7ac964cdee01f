//! GetObjectTagging.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html>

use super::Context;
use super::reading::open_head;
use crate::answer;
use crate::error::Outcome;
use crate::request::Request;
use crate::xml::Writer;
use weir_proto::{BucketName, ObjectKey, v1};

pub async fn get_object_tagging(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    request.check_version()?;
    let opened = open_head(context, request, "s3:GetObjectTagging", bucket, key).await?;
    Ok(answer::document(document(&opened.object.attributes.unwrap_or_default().tags)))
}

fn document(tags: &[v1::Tag]) -> Writer {
    let mut xml = Writer::new("Tagging");
    xml.within("TagSet", |xml| {
        for tag in tags {
            xml.within("Tag", |xml| {
                xml.text("Key", &tag.key).text("Value", &tag.value);
            });
        }
    });
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_listed_in_their_order() {
        let tag = |key: &str, value: &str| v1::Tag { key: key.into(), value: value.into() };
        let text = String::from_utf8(document(&[tag("b", "<1>"), tag("a", "")]).finish()).unwrap();
        assert!(
            text.ends_with(
                "<TagSet><Tag><Key>b</Key><Value>&lt;1&gt;</Value></Tag><Tag><Key>a</Key><Value></Value></Tag></TagSet>\
                 </Tagging>"
            ),
            "{text}"
        );
    }
}
