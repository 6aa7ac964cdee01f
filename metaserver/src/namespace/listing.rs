//! ListObjects: a page costs what it returns. What a common prefix hides is not read: the scan goes on after it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use super::Namespace;
use super::validate::{self, MAX_ENTRIES};
use crate::error::Error;
use crate::records::content::etag;
use crate::records::decode;
use crate::records::key::{next, successor};
use crate::records::object::{self, KEY_OFFSET, ObjectSummary};
use bytes::Bytes;
use weir_proto::names::MAX_KEY_BYTES;
use weir_proto::v1::{
    ChecksumAlgorithm, ChecksumType, ListEntry, ListObjectsRequest, ListObjectsResponse, ListedObject, list_entry,
    list_objects_request::Start,
};
use weir_service::planted::{Fault, planted};

/// Entries of the first scan when a delimiter may hide most of them.
const FIRST_SCAN: usize = 32;

/// Entries of a scan in a range that is mostly hidden.
const SMALLEST_SCAN: usize = 4;

/// What a listing does with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// It is shown by itself.
    Shown,
    /// It is the first under this common prefix.
    Under(Bytes),
    /// The common prefix before hides it.
    Hidden,
}

/// Walks over keys in order, and decides how many to read at a time.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    prefix: &'a [u8],
    delimiter: &'a [u8],
    under: Option<Bytes>,
    hidden: usize,
    scan_size: usize,
}

impl<'a> Walk<'a> {
    /// `wanted`: entries that the page needs at most.
    pub fn new(prefix: &'a [u8], delimiter: &'a [u8], wanted: usize) -> Self {
        let scan_size = if delimiter.is_empty() { wanted } else { wanted.min(FIRST_SCAN) };
        Self { prefix, delimiter, under: None, hidden: 0, scan_size }
    }

    /// The common prefix that a key is under: all up to and with the first delimiter after the prefix.
    pub fn common_prefix<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        let rest = key.strip_prefix(self.prefix)?;
        let length = self.delimiter.len();
        if length == 0 || rest.len() < length {
            return None;
        }
        let at = rest.windows(length).position(|window| window == self.delimiter)?;
        Some(&key[..self.prefix.len() + at + length])
    }

    pub fn visit(&mut self, key: &[u8]) -> Visit {
        if self.under.as_ref().is_some_and(|under| key.starts_with(under)) {
            self.hidden += 1;
            return Visit::Hidden;
        }
        match self.common_prefix(key).map(Bytes::copy_from_slice) {
            None => Visit::Shown,
            Some(prefix) => {
                self.under = Some(prefix.clone());
                Visit::Under(prefix)
            }
        }
    }

    pub fn scan_size(&self) -> usize {
        self.scan_size
    }

    /// After a scan that was full: the common prefix to skip, when the last key is under it; the size of the next scan
    /// follows what this one was worth.
    pub fn skip(&mut self, last: &[u8], wanted: usize) -> Option<&Bytes> {
        if self.hidden * 2 > self.scan_size {
            self.scan_size = (self.scan_size / 2).max(SMALLEST_SCAN);
        } else {
            self.scan_size = (self.scan_size * 2).min(wanted).max(SMALLEST_SCAN);
        }
        self.hidden = 0;
        self.under.as_ref().filter(|under| last.starts_with(under))
    }

    /// The least key after `marker`; when it is itself a common prefix, after all that it hides. None: nothing is.
    pub fn after(&self, marker: &[u8]) -> Option<Bytes> {
        if self.common_prefix(marker).is_some_and(|prefix| prefix.len() == marker.len()) {
            return successor(marker);
        }
        // No key is longer, so none lies between a longer marker and its beginning.
        Some(next(&marker[..marker.len().min(MAX_KEY_BYTES)]))
    }

    /// The least key from `marker` on.
    pub fn at(&self, marker: &[u8]) -> Bytes {
        match marker.len() {
            0..=MAX_KEY_BYTES => Bytes::copy_from_slice(marker),
            _ => next(&marker[..MAX_KEY_BYTES]),
        }
    }
}

impl Namespace {
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::Invalid`].
    pub async fn list_objects(&self, request: &ListObjectsRequest) -> Result<ListObjectsResponse, Error> {
        let name = validate::bucket(&request.bucket)?;
        let ([bucket], _) = self.read_in([&name], |_| Vec::new()).await?;
        let limit = (request.max_entries as usize).min(MAX_ENTRIES);
        let prefix = &request.prefix[..];
        if limit == 0 || prefix.len() > MAX_KEY_BYTES {
            return Ok(ListObjectsResponse::default());
        }
        let walk = Walk::new(prefix, &request.delimiter, limit + 1);
        let start = match &request.start {
            None => Some(Bytes::new()),
            Some(Start::After(marker)) => walk.after(marker),
            Some(Start::At(marker)) if planted(Fault::ListingSkipsAtPageEdge) => walk.after(marker),
            Some(Start::At(marker)) => Some(walk.at(marker)),
        };
        let Some(start) = start.map(|start| start.max(request.prefix.clone())) else {
            return Ok(ListObjectsResponse::default());
        };
        let mut entries = self.walk_objects(bucket.id(), walk, start, limit + 1).await?;
        let mut answer = ListObjectsResponse::default();
        if entries.len() > limit {
            answer.truncated = true;
            answer.next = match entries.pop().and_then(|entry| entry.entry) {
                Some(list_entry::Entry::Object(object)) => object.key,
                Some(list_entry::Entry::CommonPrefix(prefix)) => prefix,
                None => Bytes::new(),
            };
        }
        answer.entries = entries;
        Ok(answer)
    }

    async fn walk_objects(
        &self,
        bucket_id: u64,
        mut walk: Walk<'_>,
        start: Bytes,
        wanted: usize,
    ) -> Result<Vec<ListEntry>, Error> {
        let end = match successor(walk.prefix) {
            Some(end) => Some(object::key(bucket_id, &end)),
            None => object::end(bucket_id),
        };
        let mut from = Some(object::key(bucket_id, &start));
        let mut entries = Vec::new();
        while let Some(start) = from.take() {
            if end.as_ref().is_some_and(|end| start >= *end) {
                break;
            }
            let scan_size = walk.scan_size();
            let rows = self.scan(start, end.clone(), scan_size).await?;
            let last = rows.last().filter(|_| rows.len() == scan_size).map(|(key, _)| key.clone());
            for (store_key, value) in rows {
                let entry = match walk.visit(&store_key[KEY_OFFSET..]) {
                    Visit::Hidden => continue,
                    Visit::Under(prefix) => list_entry::Entry::CommonPrefix(prefix),
                    Visit::Shown => list_entry::Entry::Object(listed(&store_key, value)?),
                };
                entries.push(ListEntry { entry: Some(entry) });
                if entries.len() == wanted {
                    return Ok(entries);
                }
            }
            if let Some(last) = last {
                from = match walk.skip(&last[KEY_OFFSET..], wanted - entries.len()) {
                    None => Some(next(&last)),
                    Some(hidden) => successor(hidden).map(|after| object::key(bucket_id, &after)),
                };
            }
        }
        Ok(entries)
    }
}

fn listed(store_key: &Bytes, value: Bytes) -> Result<ListedObject, Error> {
    let summary: ObjectSummary = decode(store_key, value)?;
    let checksum = summary.checksum.unwrap_or_default();
    Ok(ListedObject {
        key: store_key.slice(KEY_OFFSET..),
        size_bytes: summary.size_bytes,
        etag: etag(&summary.md5, summary.part_count),
        modified_ms: summary.modified_ms,
        storage_class: summary.storage_class,
        owner: summary.owner,
        checksum_algorithm: ChecksumAlgorithm::try_from(checksum.algorithm).unwrap_or_default().into(),
        checksum_type: ChecksumType::try_from(checksum.kind).unwrap_or_default().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_prefix_ends_with_the_first_delimiter_after_the_prefix() {
        let of = |prefix: &[u8], delimiter: &[u8], key: &'static [u8]| {
            Walk::new(prefix, delimiter, 10).common_prefix(key).map(<[u8]>::to_vec)
        };
        assert_eq!(of(b"", b"/", b"a/b/c"), Some(b"a/".to_vec()));
        assert_eq!(of(b"a/", b"/", b"a/b/c"), Some(b"a/b/".to_vec()));
        assert_eq!(of(b"a", b"/", b"a/b/c"), Some(b"a/".to_vec()));
        assert_eq!(of(b"a/b/c", b"/", b"a/b/c"), None);
        assert_eq!(of(b"", b"", b"a/b/c"), None);
        assert_eq!(of(b"", b"//", b"a/b//c"), Some(b"a/b//".to_vec()));
        assert_eq!(of(b"x", b"/", b"a/b"), None);
    }

    #[test]
    fn a_marker_that_is_a_common_prefix_hides_what_is_under_it() {
        let walk = Walk::new(b"", b"/", 10);
        assert_eq!(walk.after(b"a/").unwrap(), "a0");
        assert_eq!(walk.after(b"a/b").unwrap(), "a/b\0");
        assert_eq!(walk.after(b"").unwrap(), "\0");
        assert_eq!(walk.after(&[b'k'; 3_000]).unwrap().len(), MAX_KEY_BYTES + 1);
        assert_eq!(walk.at(&[b'k'; 3_000]).len(), MAX_KEY_BYTES + 1);
        assert_eq!(Walk::new(b"", b"\xFF", 10).after(b"\xFF"), None);
    }

    use crate::namespace::transaction::Transaction;
    use crate::records::object::ObjectRecord;
    use crate::testing::Fixture;

    /// A bucket with these keys, written past the operations: it is the listing that is looked at.
    async fn filled(names: impl Iterator<Item = String>) -> Fixture {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let name = validate::bucket("photos").unwrap();
        let ([bucket], _) = fixture.namespace.read_in([&name], |_| Vec::new()).await.unwrap();
        let record = ObjectRecord { inline: true, md5: vec![7; 16].into(), ..Default::default() };
        let names: Vec<String> = names.collect();
        for some in names.chunks(5_000) {
            let mut transaction = Transaction::default();
            for name in some {
                transaction.put(object::key(bucket.id(), name.as_bytes()), &record);
            }
            fixture.namespace.commit(transaction).await.unwrap();
        }
        fixture
    }

    async fn list(fixture: &Fixture, delimiter: &'static str, start: Option<Start>) -> ListObjectsResponse {
        let request = ListObjectsRequest {
            bucket: "photos".into(),
            delimiter: delimiter.into(),
            start,
            max_entries: 1_000,
            ..Default::default()
        };
        fixture.namespace.list_objects(&request).await.unwrap()
    }

    #[tokio::test]
    async fn a_page_of_many_keys_is_one_scan_of_what_it_shows() {
        let fixture = filled((0..100_000).map(|n| format!("key-{n:06}"))).await;
        for start in [None, Some(Start::After("key-050000".into())), Some(Start::At("key-098000".into()))] {
            fixture.store.take_scans();
            let page = list(&fixture, "", start).await;
            assert_eq!((page.entries.len(), page.truncated), (1_000, true));
            assert_eq!(fixture.store.take_scans(), (1, 1_001));
        }
        // A delimiter that hides nothing costs a few scans more.
        let page = list(&fixture, "/", None).await;
        assert_eq!(page.entries.len(), 1_000);
        let (scans, scanned) = fixture.store.take_scans();
        assert!(scans <= 8 && scanned <= 2_100, "{scans} scans of {scanned} entries");
    }

    #[tokio::test]
    async fn what_a_delimiter_hides_is_not_read() {
        let hidden = (0..99_000).map(|n| format!("folder-{}/key-{n:06}", n % 3));
        let fixture = filled(hidden.chain((0..997).map(|n| format!("key-{n:06}")))).await;
        fixture.store.take_scans();
        let page = list(&fixture, "/", None).await;
        assert_eq!((page.entries.len(), page.truncated), (1_000, false));
        let (scans, scanned) = fixture.store.take_scans();
        assert!(scans <= 20 && scanned <= 2_500, "{scans} scans of {scanned} entries");

        let fixture = filled((0..20_000).map(|n| format!("folder-{:04}/key-{n:06}", n % 2_000))).await;
        fixture.store.take_scans();
        let page = list(&fixture, "/", None).await;
        assert_eq!((page.entries.len(), page.truncated), (1_000, true));
        assert_eq!(page.next, "folder-1000/");
        let (scans, scanned) = fixture.store.take_scans();
        assert!(scans <= 1_010 && scanned <= 5_000, "{scans} scans of {scanned} entries");
    }

    #[tokio::test]
    async fn odd_pages_are_no_trouble() {
        let fixture = filled(["a", "b"].into_iter().map(str::to_owned)).await;
        let request = |change: fn(&mut ListObjectsRequest)| {
            let mut request = ListObjectsRequest { bucket: "photos".into(), max_entries: 1, ..Default::default() };
            change(&mut request);
            request
        };
        let count = async |request| fixture.namespace.list_objects(&request).await.unwrap().entries.len();
        assert_eq!(count(request(|request| request.max_entries = 0)).await, 0);
        assert_eq!(count(request(|request| request.max_entries = u32::MAX)).await, 2);
        assert_eq!(count(request(|request| request.prefix = vec![b'a'; 5_000].into())).await, 0);
        assert_eq!(count(request(|request| request.delimiter = vec![b'a'; 1 << 20].into())).await, 1);
        assert_eq!(count(request(|request| request.start = Some(Start::After(vec![b'a'; 5_000].into())))).await, 1);
        assert_eq!(count(request(|request| request.start = Some(Start::At(vec![0xFF; 5_000].into())))).await, 0);
        assert_eq!(count(request(|request| request.start = Some(Start::After(vec![0xFF; 3].into())))).await, 0);
    }
}
