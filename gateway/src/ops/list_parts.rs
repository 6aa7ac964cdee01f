//! ListParts.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>

use super::{Context, missing, write_owner};
use crate::answer;
use crate::checksum;
use crate::error::{Outcome, S3Error};
use crate::request::{Request, decimal};
use crate::xml::Writer;
use weir_proto::{BucketName, ObjectKey, v1};

pub async fn list_parts(context: &Context, request: &Request, bucket: &BucketName, key: &ObjectKey) -> Outcome {
    let upload_id = request.upload_id()?;
    let max_parts = request.page_size("max-parts")?;
    let marker = part_number_marker(request)?;
    let list = v1::ListPartsRequest {
        bucket: bucket.to_string(),
        key: key.as_bytes().clone(),
        upload_id,
        part_number_marker: marker,
        max_parts,
    };
    let mut page = context.objects.list_parts(list).await?;
    page.truncated &= max_parts > 0;
    let upload = page.upload.as_ref().ok_or_else(|| missing("upload"))?;

    let mut xml = Writer::with_capacity("ListPartsResult", 1024 + page.parts.len() * 256);
    xml.text("Bucket", bucket.as_str()).bytes("Key", key.as_bytes()).number("UploadId", upload_id);
    write_owner(&mut xml, "Initiator", &upload.owner);
    write_owner(&mut xml, "Owner", &upload.owner);
    let class = if upload.storage_class.is_empty() { "STANDARD" } else { &upload.storage_class };
    xml.text("StorageClass", class).number("PartNumberMarker", marker.into());
    let next = page.parts.last().map_or(0, |part| part.part_number);
    xml.number("NextPartNumberMarker", next.into()).number("MaxParts", max_parts.into());
    xml.boolean("IsTruncated", page.truncated);
    if let Some(algorithm) = checksum::name(upload.checksum_algorithm()) {
        xml.text("ChecksumAlgorithm", algorithm);
        if let Some(kind) = checksum::type_name(upload.checksum_type()) {
            xml.text("ChecksumType", kind);
        }
    }
    for part in &page.parts {
        write_part(&mut xml, part);
    }
    Ok(answer::document(xml))
}

/// Parts after this one.
fn part_number_marker(request: &Request) -> Result<u32, S3Error> {
    let Some(text) = request.query.get("part-number-marker").filter(|text| !text.is_empty()) else { return Ok(0) };
    match decimal(text) {
        Some(number) if number <= i32::MAX as u32 => Ok(number),
        _ => {
            let message = "Argument part-number-marker must be an integer between 0 and 2147483647";
            Err(S3Error::invalid_argument("part-number-marker", text, message))
        }
    }
}

fn write_part(xml: &mut Writer, part: &v1::Part) {
    xml.within("Part", |xml| {
        xml.number("PartNumber", part.part_number.into()).time("LastModified", part.modified_ms);
        xml.etag("ETag", &part.etag).number("Size", part.size_bytes);
        checksum::write_elements(xml, part.checksum.as_ref(), 0, false);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    #[test]
    fn a_marker_is_a_number() {
        let marker = |text: &str| part_number_marker(&request(&format!("part-number-marker={text}"))).ok();
        assert_eq!(marker(""), Some(0));
        assert_eq!(marker("0"), Some(0));
        assert_eq!(marker("10000"), Some(10_000));
        for text in ["-1", "x", "99999999999999999999"] {
            assert_eq!(marker(text), None, "{text}");
        }
    }

    #[test]
    fn a_part_shows_what_the_client_saw() {
        let mut xml = Writer::new("R");
        write_part(&mut xml, &v1::Part { part_number: 7, size_bytes: 3, etag: "abc".into(), ..Default::default() });
        let text = String::from_utf8(xml.finish()).unwrap();
        assert!(text.contains("<Part><PartNumber>7</PartNumber>"), "{text}");
        assert!(text.contains("<ETag>&quot;abc&quot;</ETag><Size>3</Size></Part>"), "{text}");
    }
}
