//! ListMultipartUploads: the open uploads of a bucket, by key and id.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>

use super::Namespace;
use super::listing::{Visit, Walk};
use super::uploads::message;
use super::validate::{self, MAX_ENTRIES};
use crate::error::Error;
use crate::records::decode;
use crate::records::key::{KeyWriter, Kind, next, successor};
use crate::records::upload::{self, UploadRecord};
use bytes::Bytes;
use weir_proto::names::MAX_KEY_BYTES;
use weir_proto::v1::{ListUploadsRequest, ListUploadsResponse, Upload};

enum Entry {
    Upload(Upload),
    CommonPrefix(Bytes),
}

impl Namespace {
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::Invalid`].
    pub async fn list_uploads(&self, request: &ListUploadsRequest) -> Result<ListUploadsResponse, Error> {
        let name = validate::bucket(&request.bucket)?;
        let ([bucket], _) = self.read_in([&name], |_| Vec::new()).await?;
        let limit = (request.max_uploads as usize).min(MAX_ENTRIES);
        if limit == 0 || request.prefix.len() > MAX_KEY_BYTES {
            return Ok(ListUploadsResponse::default());
        }
        let walk = Walk::new(&request.prefix, &request.delimiter, limit + 1);
        let Some(start) = start(request, &walk, bucket.id()) else { return Ok(ListUploadsResponse::default()) };
        let mut entries = self.walk_uploads(bucket.id(), &request.prefix, walk, start, limit + 1).await?;
        let mut answer = ListUploadsResponse { truncated: entries.len() > limit, ..Default::default() };
        entries.truncate(limit);
        if answer.truncated {
            (answer.next_key_marker, answer.next_upload_id_marker) = match entries.last() {
                Some(Entry::Upload(upload)) => (upload.key.clone(), upload.upload_id),
                Some(Entry::CommonPrefix(prefix)) => (prefix.clone(), 0),
                None => (Bytes::new(), 0),
            };
        }
        for entry in entries {
            match entry {
                Entry::Upload(upload) => answer.uploads.push(upload),
                Entry::CommonPrefix(prefix) => answer.common_prefixes.push(prefix),
            }
        }
        Ok(answer)
    }

    async fn walk_uploads(
        &self,
        bucket_id: u64,
        prefix: &[u8],
        mut walk: Walk<'_>,
        start: Bytes,
        wanted: usize,
    ) -> Result<Vec<Entry>, Error> {
        let end = successor(&upload::prefix(bucket_id, prefix));
        let mut from = Some(start);
        let mut entries = Vec::new();
        while let Some(start) = from.take() {
            if end.as_ref().is_some_and(|end| start >= *end) {
                break;
            }
            let scan_size = walk.scan_size();
            let rows = self.scan(start, end.clone(), scan_size).await?;
            let last = rows.last().filter(|_| rows.len() == scan_size).map(|(key, _)| key.clone());
            for (store_key, value) in rows {
                let (_, key, upload_id) = upload::name(&store_key)?;
                entries.push(match walk.visit(&key) {
                    Visit::Hidden => continue,
                    Visit::Under(prefix) => Entry::CommonPrefix(prefix),
                    Visit::Shown => {
                        Entry::Upload(message(&key, upload_id, &decode::<UploadRecord>(&store_key, value)?))
                    }
                });
                if entries.len() == wanted {
                    return Ok(entries);
                }
            }
            if let Some(last) = last {
                let (_, key, _) = upload::name(&last)?;
                from = match walk.skip(&key, wanted - entries.len()) {
                    None => Some(next(&last)),
                    Some(hidden) => successor(&upload::prefix(bucket_id, hidden)),
                };
            }
        }
        Ok(entries)
    }
}

/// Where the page begins; none: after all uploads.
fn start(request: &ListUploadsRequest, walk: &Walk<'_>, bucket_id: u64) -> Option<Bytes> {
    let marker = &request.key_marker[..request.key_marker.len().min(MAX_KEY_BYTES)];
    let is_cut = marker.len() < request.key_marker.len();
    let from = if marker.is_empty() {
        upload::prefix(bucket_id, b"")
    } else if request.upload_id_marker != 0 && !is_cut {
        next(&upload::key(bucket_id, marker, request.upload_id_marker))
    } else if walk.common_prefix(marker).is_some_and(|prefix| prefix.len() == marker.len()) {
        successor(&upload::prefix(bucket_id, marker))?
    } else {
        successor(&KeyWriter::new(Kind::Upload).number(bucket_id).escaped(marker).done())?
    };
    Some(from.max(upload::prefix(bucket_id, &request.prefix)))
}
