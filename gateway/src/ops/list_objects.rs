//! ListObjects and ListObjectsV2.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
//!
//! At the base path the first form also speaks as the server did that used to be there: `continuation-token` is the
//! key that a page begins with, and the answer tells the number of keys and the next page's first key.

mod token;

use super::{Context, write_key, write_owner};
use crate::answer;
use crate::auth::acl::AclSettings;
use crate::checksum;
use crate::error::{Outcome, S3Error};
use crate::request::Request;
use crate::xml::Writer;
use bytes::Bytes;
use weir_proto::v1::list_entry::Entry;
use weir_proto::v1::list_objects_request::Start;
use weir_proto::{BucketName, v1};

/// What an entry of a listing takes, about.
const ENTRY_BYTES: usize = 384;

/// What all forms have in common.
struct Query<'a> {
    bucket: &'a BucketName,
    prefix: &'a str,
    delimiter: &'a str,
    max_keys: u32,
    url_encoded: bool,
    /// Who owns what; none: owners are not told.
    owners: Option<AclSettings>,
}

impl<'a> Query<'a> {
    fn of(request: &'a Request, bucket: &'a BucketName, with_owner: bool) -> Result<Self, S3Error> {
        Ok(Self {
            bucket,
            prefix: request.query.get("prefix").unwrap_or_default(),
            delimiter: request.query.get("delimiter").unwrap_or_default(),
            max_keys: request.page_size("max-keys")?,
            url_encoded: request.wants_url_encoding()?,
            owners: with_owner.then(|| request.acl_settings(bucket)),
        })
    }

    async fn page(&self, context: &Context, start: Option<Start>) -> Result<v1::ListObjectsResponse, S3Error> {
        let request = v1::ListObjectsRequest {
            bucket: self.bucket.to_string(),
            prefix: Bytes::copy_from_slice(self.prefix.as_bytes()),
            delimiter: Bytes::copy_from_slice(self.delimiter.as_bytes()),
            start,
            max_entries: self.max_keys,
        };
        let mut page = context.objects.list_objects(request).await?;
        // S3 calls a page of nothing whole.
        page.truncated &= self.max_keys > 0;
        Ok(page)
    }

    fn document(&self, page: &v1::ListObjectsResponse) -> Writer {
        let mut xml = Writer::with_capacity("ListBucketResult", 1024 + page.entries.len() * ENTRY_BYTES);
        xml.text("Name", self.bucket.as_str());
        self.key(&mut xml, "Prefix", self.prefix.as_bytes());
        xml
    }

    fn key(&self, xml: &mut Writer, element: &str, key: &[u8]) {
        write_key(xml, element, key, self.url_encoded);
    }

    /// What follows the elements of each form's own.
    fn write_rest(&self, xml: &mut Writer, page: &v1::ListObjectsResponse) {
        xml.number("MaxKeys", self.max_keys.into());
        if !self.delimiter.is_empty() {
            self.key(xml, "Delimiter", self.delimiter.as_bytes());
        }
        if self.url_encoded {
            xml.text("EncodingType", "url");
        }
        xml.boolean("IsTruncated", page.truncated);
        let entries = || page.entries.iter().filter_map(|entry| entry.entry.as_ref());
        for entry in entries() {
            if let Entry::Object(object) = entry {
                self.write_object(xml, object);
            }
        }
        for entry in entries() {
            if let Entry::CommonPrefix(prefix) = entry {
                xml.open("CommonPrefixes");
                self.key(xml, "Prefix", prefix);
                xml.close("CommonPrefixes");
            }
        }
    }

    fn write_object(&self, xml: &mut Writer, object: &v1::ListedObject) {
        xml.open("Contents");
        self.key(xml, "Key", &object.key);
        xml.time("LastModified", object.modified_ms).etag("ETag", &object.etag);
        if let Some(algorithm) = checksum::name(object.checksum_algorithm()) {
            xml.text("ChecksumAlgorithm", algorithm);
            if let Some(kind) = checksum::type_name(object.checksum_type()) {
                xml.text("ChecksumType", kind);
            }
        }
        xml.number("Size", object.size_bytes);
        if let Some(settings) = &self.owners {
            write_owner(xml, "Owner", settings.owner_of(&object.owner));
        }
        let class = if object.storage_class.is_empty() { "STANDARD" } else { &object.storage_class };
        xml.text("StorageClass", class).close("Contents");
    }
}

/// The last key or common prefix of a page.
fn last_of(page: &v1::ListObjectsResponse) -> Option<&Bytes> {
    page.entries.last().and_then(|entry| entry.entry.as_ref()).map(|entry| match entry {
        Entry::Object(object) => &object.key,
        Entry::CommonPrefix(prefix) => prefix,
    })
}

pub async fn list_objects(context: &Context, request: &Request, bucket: &BucketName) -> Outcome {
    let query = Query::of(request, bucket, true)?;
    let marker = request.query.get("marker").unwrap_or_default();
    let first_key = request.query.get("continuation-token").filter(|_| request.by_base_path).unwrap_or_default();
    let start = match (first_key, marker) {
        ("", "") => None,
        ("", marker) => Some(Start::After(Bytes::copy_from_slice(marker.as_bytes()))),
        (first_key, _) => Some(Start::At(Bytes::copy_from_slice(first_key.as_bytes()))),
    };
    let page = query.page(context, start).await?;
    let mut xml = query.document(&page);
    query.key(&mut xml, "Marker", marker.as_bytes());
    // Without a delimiter the last key is the marker, says S3.
    if let Some(last) = last_of(&page).filter(|_| page.truncated && !query.delimiter.is_empty()) {
        query.key(&mut xml, "NextMarker", last);
    }
    if request.by_base_path {
        xml.text("ContinuationToken", first_key);
        xml.bytes("NextContinuationToken", if page.truncated { &page.next } else { b"" });
        xml.number("KeyCount", page.entries.len() as u64);
    }
    query.write_rest(&mut xml, &page);
    Ok(answer::document(xml))
}

pub async fn list_objects_v2(context: &Context, request: &Request, bucket: &BucketName) -> Outcome {
    let with_owner = request.query.get("fetch-owner").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let query = Query::of(request, bucket, with_owner)?;
    let start_after = request.query.get("start-after").unwrap_or_default();
    let asked_token = request.query.get("continuation-token");
    let start = match (asked_token, start_after) {
        (Some(text), _) => Some(Start::At(token::decode(text)?)),
        (None, "") => None,
        // The smallest key after that one. It is a key, never a common prefix: what lies under it is shown.
        (None, key) => Some(Start::At([key.as_bytes(), b"\0"].concat().into())),
    };
    let page = query.page(context, start).await?;
    let mut xml = query.document(&page);
    if let Some(text) = asked_token {
        xml.text("ContinuationToken", text);
    }
    if page.truncated {
        xml.text("NextContinuationToken", &token::encode(&page.next));
    }
    if !start_after.is_empty() {
        query.key(&mut xml, "StartAfter", start_after.as_bytes());
    }
    xml.number("KeyCount", page.entries.len() as u64);
    query.write_rest(&mut xml, &page);
    Ok(answer::document(xml))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::ACCOUNT;

    fn query<'a>(bucket: &'a BucketName, url_encoded: bool, with_owner: bool) -> Query<'a> {
        Query {
            bucket,
            prefix: "p q",
            delimiter: "/",
            max_keys: 2,
            url_encoded,
            owners: with_owner.then(|| AclSettings::of(None)),
        }
    }

    fn page() -> v1::ListObjectsResponse {
        let object = v1::ListedObject {
            key: Bytes::from_static(b"a&\x01b"),
            size_bytes: 3,
            etag: "abc".into(),
            checksum_algorithm: v1::ChecksumAlgorithm::Crc64nvme.into(),
            checksum_type: v1::ChecksumType::FullObject.into(),
            ..Default::default()
        };
        let entry = |entry| v1::ListEntry { entry: Some(entry) };
        v1::ListObjectsResponse {
            entries: vec![entry(Entry::CommonPrefix(Bytes::from_static(b"a!/"))), entry(Entry::Object(object))],
            truncated: true,
            next: Bytes::from_static(b"b"),
        }
    }

    fn written(url_encoded: bool, with_owner: bool) -> String {
        let bucket = BucketName::new("photos").unwrap();
        let query = query(&bucket, url_encoded, with_owner);
        let page = page();
        let mut xml = query.document(&page);
        query.write_rest(&mut xml, &page);
        String::from_utf8(xml.finish()).unwrap()
    }

    #[test]
    fn a_page_has_the_elements_of_s3() {
        assert_eq!(
            written(false, false),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>photos</Name>\
             <Prefix>p q</Prefix><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>\
             <Contents><Key>a&amp;&#x1;b</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>\
             <ETag>&quot;abc&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>\
             <ChecksumType>FULL_OBJECT</ChecksumType><Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>\
             <CommonPrefixes><Prefix>a!/</Prefix></CommonPrefixes></ListBucketResult>"
        );
        assert!(written(false, true).contains(&format!("<Owner><ID>{}</ID>", ACCOUNT.id)));
    }

    #[test]
    fn url_encoding_covers_keys_prefixes_and_delimiter() {
        let text = written(true, false);
        for expected in [
            "<Prefix>p%20q</Prefix>",
            "<Delimiter>/</Delimiter>",
            "<EncodingType>url</EncodingType>",
            "<Key>a%26%01b</Key>",
            "<Prefix>a%21/</Prefix>",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }

    #[test]
    fn the_last_entry_is_a_key_or_a_common_prefix() {
        let mut page = page();
        assert_eq!(last_of(&page).unwrap(), "a&\u{1}b");
        page.entries.pop();
        assert_eq!(last_of(&page).unwrap(), "a!/");
    }
}
