//! ListMultipartUploads.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>

use super::{Context, write_key, write_owner};
use crate::answer;
use crate::checksum;
use crate::error::{Outcome, S3Error};
use crate::request::Request;
use crate::xml::Writer;
use bytes::Bytes;
use weir_proto::{BucketName, v1};

pub async fn list_multipart_uploads(context: &Context, request: &Request, bucket: &BucketName) -> Outcome {
    let text = |name| request.query.get(name).unwrap_or_default();
    let (prefix, delimiter, key_marker) = (text("prefix"), text("delimiter"), text("key-marker"));
    // Without a key it means nothing, says S3.
    let id_marker = if key_marker.is_empty() { "" } else { text("upload-id-marker") };
    let max_uploads = request.page_size("max-uploads")?;
    let url_encoded = request.wants_url_encoding()?;
    let list = v1::ListUploadsRequest {
        bucket: bucket.to_string(),
        prefix: Bytes::copy_from_slice(prefix.as_bytes()),
        delimiter: Bytes::copy_from_slice(delimiter.as_bytes()),
        key_marker: Bytes::copy_from_slice(key_marker.as_bytes()),
        upload_id_marker: parse_id(id_marker)?,
        max_uploads,
    };
    let mut page = context.objects.list_uploads(list).await?;
    page.truncated &= max_uploads > 0;

    let mut xml = Writer::with_capacity("ListMultipartUploadsResult", 1024 + page.uploads.len() * 512);
    xml.text("Bucket", bucket.as_str());
    write_key(&mut xml, "KeyMarker", key_marker.as_bytes(), url_encoded);
    xml.text("UploadIdMarker", id_marker);
    if page.truncated {
        write_key(&mut xml, "NextKeyMarker", &page.next_key_marker, url_encoded);
        match page.next_upload_id_marker {
            // The page ends with a common prefix.
            0 => xml.text("NextUploadIdMarker", ""),
            id => xml.number("NextUploadIdMarker", id),
        };
    }
    write_key(&mut xml, "Prefix", prefix.as_bytes(), url_encoded);
    if !delimiter.is_empty() {
        write_key(&mut xml, "Delimiter", delimiter.as_bytes(), url_encoded);
    }
    if url_encoded {
        xml.text("EncodingType", "url");
    }
    xml.number("MaxUploads", max_uploads.into()).boolean("IsTruncated", page.truncated);
    for upload in &page.uploads {
        write_upload(&mut xml, upload, url_encoded);
    }
    for common in &page.common_prefixes {
        xml.open("CommonPrefixes");
        write_key(&mut xml, "Prefix", common, url_encoded);
        xml.close("CommonPrefixes");
    }
    Ok(answer::document(xml))
}

/// Empty: none.
fn parse_id(text: &str) -> Result<u64, S3Error> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "" => Ok(0),
        text => text
            .parse()
            .ok()
            .filter(|_| is_number)
            .ok_or_else(|| S3Error::invalid_argument("upload-id-marker", text, "Invalid uploadId marker")),
    }
}

fn write_upload(xml: &mut Writer, upload: &v1::Upload, url_encoded: bool) {
    xml.open("Upload");
    write_key(xml, "Key", &upload.key, url_encoded);
    xml.number("UploadId", upload.upload_id);
    write_owner(xml, "Initiator", &upload.owner);
    write_owner(xml, "Owner", &upload.owner);
    let class = if upload.storage_class.is_empty() { "STANDARD" } else { &upload.storage_class };
    xml.text("StorageClass", class).time("Initiated", upload.initiated_ms);
    if let Some(algorithm) = checksum::name(upload.checksum_algorithm()) {
        xml.text("ChecksumAlgorithm", algorithm);
        if let Some(kind) = checksum::type_name(upload.checksum_type()) {
            xml.text("ChecksumType", kind);
        }
    }
    xml.close("Upload");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_marker_is_a_number() {
        assert_eq!(parse_id("").unwrap(), 0);
        assert_eq!(parse_id("17").unwrap(), 17);
        for text in ["x", "-1", "+1", "99999999999999999999999"] {
            assert!(parse_id(text).is_err(), "{text}");
        }
    }
}
