//! Listings, page by page.

use super::Run;
use super::reference::{expected, kind};
use super::steps::{BUCKETS, KEYS};
use bytes::Bytes;
use weir_proto::v1::{self, list_entry, list_objects_request::Start};

impl Run {
    pub async fn list(
        &mut self,
        bucket: usize,
        prefix: &'static [u8],
        delimiter: &'static [u8],
        max: u32,
        by_next: bool,
    ) {
        let mut start = None;
        let mut listed = Vec::new();
        loop {
            let request = v1::ListObjectsRequest {
                bucket: BUCKETS[bucket].into(),
                prefix: Bytes::from_static(prefix),
                delimiter: Bytes::from_static(delimiter),
                start,
                max_entries: max,
            };
            let result = self.ask(async |namespace| namespace.list_objects(&request).await).await;
            if self.model.buckets[bucket].is_none() {
                assert_eq!(kind(&result.unwrap_err()), "no such bucket");
                return;
            }
            let page = result.unwrap();
            assert!(page.entries.len() <= max as usize);
            for entry in page.entries {
                listed.push(match entry.entry.unwrap() {
                    list_entry::Entry::Object(object) => {
                        let known = &self.model.objects[&(bucket, object.key.to_vec())];
                        assert_eq!((object.etag, object.size_bytes), (known.etag.clone(), known.size_bytes));
                        (object.key.to_vec(), false)
                    }
                    list_entry::Entry::CommonPrefix(prefix) => (prefix.to_vec(), true),
                });
            }
            if !page.truncated {
                break;
            }
            start = Some(match by_next {
                true => Start::At(page.next),
                false => Start::After(listed.last().unwrap().0.clone().into()),
            });
        }
        let keys = self.model.objects.keys().filter(|(at, _)| *at == bucket).map(|(_, key)| key.clone());
        assert_eq!(listed, expected(keys, prefix, delimiter));
    }

    pub async fn list_uploads(&mut self, bucket: usize, prefix: &'static [u8], delimiter: &'static [u8], max: u32) {
        let (mut key_marker, mut upload_id_marker) = (Bytes::new(), 0);
        let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
        loop {
            let request = v1::ListUploadsRequest {
                bucket: BUCKETS[bucket].into(),
                prefix: Bytes::from_static(prefix),
                delimiter: Bytes::from_static(delimiter),
                key_marker,
                upload_id_marker,
                max_uploads: max,
            };
            let result = self.ask(async |namespace| namespace.list_uploads(&request).await).await;
            if self.model.buckets[bucket].is_none() {
                assert_eq!(kind(&result.unwrap_err()), "no such bucket");
                return;
            }
            let page = result.unwrap();
            assert!(page.uploads.len() + page.common_prefixes.len() <= max as usize);
            uploads.extend(page.uploads.into_iter().map(|upload| (upload.key.to_vec(), upload.upload_id)));
            prefixes.extend(page.common_prefixes.into_iter().map(|prefix| prefix.to_vec()));
            if !page.truncated {
                break;
            }
            (key_marker, upload_id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
        let era = self.model.buckets[bucket];
        let mut open: Vec<(Vec<u8>, u64)> = self
            .model
            .uploads
            .iter()
            .filter(|upload| upload.open && upload.at.0 == bucket && Some(upload.bucket_era) == era)
            .map(|upload| (KEYS[upload.at.1].to_vec(), upload.upload_id))
            .collect();
        open.sort();
        let shown = expected(open.iter().map(|(key, _)| key.clone()), prefix, delimiter);
        let hidden: Vec<Vec<u8>> = shown.iter().filter(|(_, hides)| *hides).map(|(prefix, _)| prefix.clone()).collect();
        open.retain(|(key, _)| key.starts_with(prefix) && !hidden.iter().any(|prefix| key.starts_with(prefix)));
        assert_eq!((uploads, prefixes), (open, hidden));
    }
}
