//! The document that lists tags.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Tagging.html>

use super::element::once;
use super::{Element, MalformedXml};
use weir_proto::v1;

/// The tags in their order. Whether S3 would take them is not looked at.
///
/// # Errors
/// [`MalformedXml`].
pub fn parse_tagging(document: &[u8]) -> Result<Vec<v1::Tag>, MalformedXml> {
    let root = Element::parse(document, "Tagging")?;
    let mut set = None;
    for child in root.branches()? {
        match child.name.as_str() {
            "TagSet" => once(&mut set, child, "TagSet")?,
            _ => return Err(child.unknown()),
        }
    }
    let set = set.ok_or_else(|| MalformedXml::new("it has no TagSet"))?;
    set.branches()?.iter().map(tag).collect()
}

fn tag(element: &Element) -> Result<v1::Tag, MalformedXml> {
    if element.name != "Tag" {
        return Err(element.unknown());
    }
    let (mut key, mut value) = (None, None);
    for child in element.branches()? {
        let text = child.leaf()?.to_owned();
        match child.name.as_str() {
            "Key" => once(&mut key, text, "Key")?,
            "Value" => once(&mut value, text, "Value")?,
            _ => return Err(child.unknown()),
        }
    }
    match (key, value) {
        (Some(key), Some(value)) => Ok(v1::Tag { key, value }),
        _ => Err(MalformedXml::new("a tag has a key and a value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_in_their_order() {
        let document = "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>\
            <Tag><Key>b</Key><Value>&lt;1&gt;</Value></Tag><Tag><Value/><Key> a </Key></Tag></TagSet></Tagging>";
        let tag = |key: &str, value: &str| v1::Tag { key: key.into(), value: value.into() };
        assert_eq!(parse_tagging(document.as_bytes()).unwrap(), [tag("b", "<1>"), tag(" a ", "")]);
        assert_eq!(parse_tagging(b"<Tagging><TagSet/></Tagging>").unwrap(), []);
    }

    #[test]
    fn what_is_not_in_the_schema_is_refused() {
        for document in [
            "",
            "not-xml",
            "<InvalidXmlTagging></InvalidXmlTagging>",
            "<Tagging/>",
            "<Tagging><TagSet/><TagSet/></Tagging>",
            "<Tagging><TagSet><Key>a</Key></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key><Key>a</Key><Value>a</Value></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>a</Value><Extra/></Tag></TagSet></Tagging>",
            "<Tagging><TagSet>text</TagSet></Tagging>",
        ] {
            assert!(parse_tagging(document.as_bytes()).is_err(), "{document}");
        }
    }
}
