//! Random operations on a few keys, compared with a model that is a map. After each history, all rows fit together, and
//! after reclaim nothing is left over.

mod steps;

use crate::error::Error;
use crate::testing::{Fixture, content, if_match, if_none_match, md5_of};
use bytes::Bytes;
use md5::{Digest as _, Md5};
use proptest::prelude::*;
use std::collections::BTreeMap;
use steps::{BUCKETS, Condition, DELIMITERS, KEYS, Name, PREFIXES, Step, step};
use weir_proto::v1::{self, content::Where, list_entry, list_objects_request::Start};

#[derive(Clone, Debug, PartialEq)]
struct ModelObject {
    etag: String,
    size_bytes: u64,
    /// MD5 and size by part number; one with number 0 for an object that was not made of parts.
    parts: BTreeMap<u32, (Bytes, u64)>,
    inline: bool,
    part_count: u32,
}

#[derive(Clone, Debug)]
struct ModelUpload {
    upload_id: u64,
    at: Name,
    parts: BTreeMap<u32, (Bytes, u64)>,
    open: bool,
    /// What it became.
    completed: Option<String>,
    bucket_era: u64,
}

#[derive(Default)]
struct Model {
    /// By bucket, how often it was made; none: it does not exist.
    buckets: [Option<u64>; 2],
    eras: u64,
    objects: BTreeMap<(usize, Vec<u8>), ModelObject>,
    uploads: Vec<ModelUpload>,
}

struct Run {
    fixture: Fixture,
    model: Model,
    seed: u64,
}

fn id(at: Name) -> (usize, Vec<u8>) {
    (at.0, KEYS[at.1].to_vec())
}

fn key_of(at: Name) -> Bytes {
    Bytes::from_static(KEYS[at.1])
}

fn bucket_of(at: Name) -> String {
    BUCKETS[at.0].to_owned()
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::NoSuchBucket { .. } => "no such bucket",
        Error::NoSuchKey { .. } => "no such key",
        Error::PreconditionFailed { .. } => "precondition failed",
        Error::KeyExists { .. } => "key exists",
        Error::NoSuchUpload { .. } => "no such upload",
        Error::BucketNotEmpty { .. } => "bucket not empty",
        Error::BucketExists { .. } => "bucket exists",
        Error::Invalid { .. } => "invalid",
        other => panic!("{other:?}"),
    }
}

impl Run {
    async fn new() -> Self {
        let mut run = Self { fixture: Fixture::new().await, model: Model::default(), seed: 0 };
        run.create_bucket(0).await;
        run.create_bucket(1).await;
        run
    }

    fn seed(&mut self) -> u64 {
        self.seed += 1;
        self.seed
    }

    /// What a condition is for a key, and what it makes of a write there.
    fn condition(&self, condition: Condition, at: Name) -> (Option<v1::Precondition>, Option<&'static str>) {
        let current = self.model.objects.get(&id(at));
        match (condition, current) {
            (Condition::None, _) => (None, None),
            (Condition::IfAbsent, current) => (if_none_match(), current.map(|_| "precondition failed")),
            (Condition::IfThere, Some(current)) => (if_match(&current.etag), None),
            (Condition::IfThere, None) => (if_match("*"), Some("no such key")),
            (Condition::IfOther, Some(_)) => (if_match("other"), Some("precondition failed")),
            (Condition::IfOther, None) => (if_match("other"), Some("no such key")),
        }
    }

    fn lengths(&self, seed: u64, blocks: usize) -> Vec<u64> {
        (0..blocks as u64).map(|n| 10 + (seed + n) % 5).collect()
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Put { at, blocks, condition } => self.put(at, blocks, condition).await,
            Step::Get { at } => self.get(at).await,
            Step::Delete { bucket, keys } => self.delete(bucket, &keys).await,
            Step::Copy { from, to, condition } => self.copy(from, to, condition).await,
            Step::Rename { from, to, overwrite } => self.rename(from, to, overwrite).await,
            Step::CreateUpload { at } => self.create_upload(at).await,
            Step::PutPart { upload, number, blocks } => self.put_part(upload, number, blocks).await,
            Step::CopyPart { upload, number, from } => self.copy_part(upload, number, from).await,
            Step::Complete { upload, skip } => self.complete(upload, skip).await,
            Step::Abort { upload } => self.abort(upload).await,
            Step::List { bucket, prefix, delimiter, max, by_next } => {
                self.list(bucket, PREFIXES[prefix], DELIMITERS[delimiter], max, by_next).await;
            }
            Step::ListUploads { bucket, prefix, delimiter, max } => {
                self.list_uploads(bucket, PREFIXES[prefix], DELIMITERS[delimiter], max).await;
            }
            Step::DeleteBucket { bucket } => self.delete_bucket(bucket).await,
            Step::CreateBucket { bucket } => self.create_bucket(bucket).await,
            Step::Reclaim => {
                self.fixture.cluster.reclaim_step().await.unwrap();
            }
            Step::Drain => {
                self.fixture.drain().await;
                self.fixture.check(true).await;
            }
        }
    }

    async fn put(&mut self, at: Name, blocks: Option<usize>, condition: Condition) {
        let seed = self.seed();
        let content = match blocks {
            Some(blocks) => self.fixture.blocks(seed, &self.lengths(seed, blocks)),
            None => content(seed, seed % 20, Where::Inline(vec![b'x'; (seed % 20) as usize].into())),
        };
        let (precondition, refused) = self.condition(condition, at);
        let size_bytes = content.size_bytes;
        let request = v1::CommitObjectRequest { precondition, ..self.fixture.put(BUCKETS[at.0], KEYS[at.1], content) };
        let result = self.fixture.namespace.commit_object(request).await;
        let refused = if self.model.buckets[at.0].is_none() { Some("no such bucket") } else { refused };
        assert_eq!(result.as_ref().err().map(kind), refused);
        if result.is_ok() {
            let object = ModelObject {
                etag: hex::encode(md5_of(seed)),
                size_bytes,
                parts: [(0, (md5_of(seed), size_bytes))].into(),
                inline: blocks.is_none(),
                part_count: 0,
            };
            self.model.objects.insert(id(at), object);
        }
    }

    async fn get(&mut self, at: Name) {
        let result = self.fixture.get(BUCKETS[at.0], KEYS[at.1]).await;
        let Some(expected) = self.model.objects.get(&id(at)) else {
            let expected = if self.model.buckets[at.0].is_some() { "no such key" } else { "no such bucket" };
            assert_eq!(kind(&result.unwrap_err()), expected);
            return;
        };
        let answer = result.unwrap();
        let object = answer.object.unwrap();
        assert_eq!((object.etag.as_str(), object.size_bytes), (expected.etag.as_str(), expected.size_bytes));
        assert_eq!(object.part_count, expected.part_count);
        assert_eq!(
            answer.inline.as_ref().map(|data| data.len() as u64),
            expected.inline.then_some(expected.size_bytes)
        );
        let total: u64 = answer.extents.iter().map(|located| located.extent.unwrap().length_bytes).sum();
        assert_eq!(total, if expected.inline { 0 } else { expected.size_bytes });
        let mut offset = 0;
        for located in answer.extents {
            assert_eq!(located.offset_bytes, offset);
            assert_eq!(located.worker_ids, [self.fixture.worker_id]);
            offset += located.extent.unwrap().length_bytes;
        }
    }

    async fn delete(&mut self, bucket: usize, keys: &[usize]) {
        let entries =
            keys.iter().map(|&key| v1::DeleteEntry { key: Bytes::from_static(KEYS[key]), precondition: None });
        let request = v1::DeleteObjectsRequest {
            bucket: BUCKETS[bucket].into(),
            entries: entries.collect(),
            ..Default::default()
        };
        let result = self.fixture.namespace.delete_objects(&request).await;
        if self.model.buckets[bucket].is_none() {
            assert_eq!(kind(&result.unwrap_err()), "no such bucket");
            return;
        }
        for (result, &key) in result.unwrap().results.iter().zip(keys) {
            assert_eq!(result.existed, self.model.objects.remove(&id((bucket, key))).is_some());
            assert_eq!(result.failure, None);
        }
    }

    async fn copy(&mut self, from: Name, to: Name, condition: Condition) {
        let (precondition, refused) = self.condition(condition, to);
        let request = v1::CopyObjectRequest {
            source_bucket: bucket_of(from),
            source_key: key_of(from),
            bucket: bucket_of(to),
            key: key_of(to),
            precondition,
            ..Default::default()
        };
        let result = self.fixture.namespace.copy_object(&request).await;
        let source = self.model.objects.get(&id(from)).cloned();
        let refused = match &source {
            _ if self.model.buckets[from.0].is_none() || self.model.buckets[to.0].is_none() => Some("no such bucket"),
            None => Some("no such key"),
            Some(_) => refused,
        };
        assert_eq!(result.as_ref().err().map(kind), refused);
        if let Ok(answer) = result {
            // A block may have too many references for one more.
            match answer.result.unwrap() {
                v1::copy_object_response::Result::Object(object) => {
                    assert_eq!(object.etag, source.as_ref().unwrap().etag);
                    self.model.objects.insert(id(to), source.unwrap());
                }
                v1::copy_object_response::Result::NeedsData(_) => {}
            }
        }
    }

    async fn rename(&mut self, from: Name, to: Name, overwrite: bool) {
        let request = v1::RenameObjectRequest {
            source_bucket: bucket_of(from),
            source_key: key_of(from),
            bucket: bucket_of(to),
            key: key_of(to),
            overwrite,
            ..Default::default()
        };
        let result = self.fixture.namespace.rename_object(&request).await;
        let refused = if self.model.buckets[from.0].is_none() || self.model.buckets[to.0].is_none() {
            Some("no such bucket")
        } else if !self.model.objects.contains_key(&id(from)) {
            Some("no such key")
        } else if !overwrite && self.model.objects.contains_key(&id(to)) {
            Some("key exists")
        } else {
            None
        };
        assert_eq!(result.as_ref().err().map(kind), refused);
        if result.is_ok() {
            let object = self.model.objects.remove(&id(from)).unwrap();
            self.model.objects.insert(id(to), object);
        }
    }

    async fn create_upload(&mut self, at: Name) {
        let request = v1::CreateUploadRequest { bucket: bucket_of(at), key: key_of(at), ..Default::default() };
        let result = self.fixture.namespace.create_upload(&request).await;
        let Some(bucket_era) = self.model.buckets[at.0] else {
            assert_eq!(kind(&result.unwrap_err()), "no such bucket");
            return;
        };
        let upload_id = result.unwrap().upload.unwrap().upload_id;
        assert_eq!(upload_id, self.model.uploads.len() as u64 + 2, "upload ids are dense, and begin with 2");
        let parts = BTreeMap::new();
        self.model.uploads.push(ModelUpload { upload_id, at, parts, open: true, completed: None, bucket_era });
    }

    /// One of the latest uploads, and why it can't be used.
    fn choose(&mut self, upload: usize) -> Option<(usize, Option<&'static str>)> {
        let index = self.model.uploads.len().checked_sub(upload + 1)?;
        let chosen = &self.model.uploads[index];
        let refused = match self.model.buckets[chosen.at.0] {
            None => Some("no such bucket"),
            Some(era) if era != chosen.bucket_era || !chosen.open => Some("no such upload"),
            Some(_) => None,
        };
        Some((index, refused))
    }

    async fn put_part(&mut self, upload: usize, number: u32, blocks: usize) {
        let Some((index, refused)) = self.choose(upload) else { return };
        let seed = self.seed();
        let content = self.fixture.blocks(seed, &self.lengths(seed, blocks));
        let size_bytes = content.size_bytes;
        let chosen = self.model.uploads[index].clone();
        let request = v1::CommitPartRequest {
            bucket: bucket_of(chosen.at),
            key: key_of(chosen.at),
            upload_id: chosen.upload_id,
            part_number: number,
            content: Some(content),
            session_id: self.fixture.session_id,
            ..Default::default()
        };
        let result = self.fixture.namespace.commit_part(request).await;
        assert_eq!(result.as_ref().err().map(kind), refused);
        if result.is_ok() {
            self.model.uploads[index].parts.insert(number, (md5_of(seed), size_bytes));
        }
    }

    async fn copy_part(&mut self, upload: usize, number: u32, from: Name) {
        let Some((index, refused)) = self.choose(upload) else { return };
        let chosen = self.model.uploads[index].clone();
        let request = v1::CopyPartRequest {
            bucket: bucket_of(chosen.at),
            key: key_of(chosen.at),
            upload_id: chosen.upload_id,
            part_number: number,
            source_bucket: bucket_of(from),
            source_key: key_of(from),
            ..Default::default()
        };
        let result = self.fixture.namespace.copy_part(&request).await;
        let source = self.model.objects.get(&id(from)).cloned();
        if self.model.buckets[from.0].is_none() || refused.is_some() || source.is_none() {
            // Several reasons may apply; it is refused for one of them.
            assert!(result.is_err());
            return;
        }
        let source = source.unwrap();
        let shares = !source.inline
            && source.size_bytes > 0
            && source.parts.values().any(|(_, size)| *size == source.size_bytes);
        match result.unwrap().result.unwrap() {
            v1::copy_part_response::Result::Part(part) => {
                assert!(shares);
                let (md5, size) = source.parts.values().find(|(_, size)| *size == source.size_bytes).unwrap();
                assert_eq!((part.etag, part.size_bytes), (hex::encode(md5), *size));
                self.model.uploads[index].parts.insert(number, (md5.clone(), *size));
            }
            v1::copy_part_response::Result::NeedsData(_) => assert!(!shares),
        }
    }

    async fn complete(&mut self, upload: usize, skip: u32) {
        let Some((index, refused)) = self.choose(upload) else { return };
        let chosen = self.model.uploads[index].clone();
        let listed: BTreeMap<u32, (Bytes, u64)> =
            chosen.parts.iter().filter(|(number, _)| **number != skip).map(|(n, p)| (*n, p.clone())).collect();
        let request = v1::CompleteUploadRequest {
            bucket: bucket_of(chosen.at),
            key: key_of(chosen.at),
            upload_id: chosen.upload_id,
            parts: listed
                .iter()
                .map(|(number, (md5, _))| v1::CompletedPart {
                    part_number: *number,
                    etag: hex::encode(md5),
                    checksum: None,
                })
                .collect(),
            ..Default::default()
        };
        let result = self.fixture.namespace.complete_upload(&request).await;
        if let (Some(etag), Some("no such upload")) = (&chosen.completed, refused)
            && self.model.buckets[chosen.at.0] == Some(chosen.bucket_era)
        {
            assert_eq!(&result.unwrap().object.unwrap().etag, etag, "a repeated Complete gets the first result");
            return;
        }
        let refused = refused.or(listed.is_empty().then_some("invalid"));
        assert_eq!(result.as_ref().err().map(kind), refused);
        if let Ok(answer) = result {
            let mut digest = Md5::new();
            listed.values().for_each(|(md5, _)| digest.update(md5));
            let etag = format!("{}-{}", hex::encode(digest.finalize()), listed.len());
            assert_eq!(answer.object.unwrap().etag, etag);
            let object = ModelObject {
                etag: etag.clone(),
                size_bytes: listed.values().map(|(_, size)| size).sum(),
                part_count: listed.len() as u32,
                parts: listed,
                inline: false,
            };
            self.model.objects.insert(id(chosen.at), object);
            self.model.uploads[index].open = false;
            self.model.uploads[index].completed = Some(etag);
        }
    }

    async fn abort(&mut self, upload: usize) {
        let Some((index, refused)) = self.choose(upload) else { return };
        let chosen = self.model.uploads[index].clone();
        let request = v1::AbortUploadRequest {
            bucket: bucket_of(chosen.at),
            key: key_of(chosen.at),
            upload_id: chosen.upload_id,
            ..Default::default()
        };
        let result = self.fixture.namespace.abort_upload(&request).await;
        let same_bucket = self.model.buckets[chosen.at.0] == Some(chosen.bucket_era);
        let refused = refused.filter(|_| chosen.open || !same_bucket);
        assert_eq!(result.as_ref().err().map(kind), refused, "{chosen:?}");
        self.model.uploads[index].open = false;
    }

    /// What a listing shows, in the model.
    fn expected(keys: impl Iterator<Item = Vec<u8>>, prefix: &[u8], delimiter: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let mut shown: Vec<(Vec<u8>, bool)> = Vec::new();
        for key in keys.filter(|key| key.starts_with(prefix)) {
            let rest = &key[prefix.len()..];
            let at = match delimiter.len() {
                0 => None,
                length => rest.windows(length).position(|window| window == delimiter),
            };
            let entry = match at {
                Some(at) => (key[..prefix.len() + at + delimiter.len()].to_vec(), true),
                None => (key.clone(), false),
            };
            if !entry.1 || shown.last() != Some(&entry) {
                shown.push(entry);
            }
        }
        shown
    }

    async fn list(&mut self, bucket: usize, prefix: &'static [u8], delimiter: &'static [u8], max: u32, by_next: bool) {
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
            let result = self.fixture.namespace.list_objects(&request).await;
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
        assert_eq!(listed, Self::expected(keys, prefix, delimiter));
    }

    async fn list_uploads(&mut self, bucket: usize, prefix: &'static [u8], delimiter: &'static [u8], max: u32) {
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
            let result = self.fixture.namespace.list_uploads(&request).await;
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
        let shown = Self::expected(open.iter().map(|(key, _)| key.clone()), prefix, delimiter);
        let hidden: Vec<Vec<u8>> = shown.iter().filter(|(_, hides)| *hides).map(|(prefix, _)| prefix.clone()).collect();
        open.retain(|(key, _)| key.starts_with(prefix) && !hidden.iter().any(|prefix| key.starts_with(prefix)));
        assert_eq!((uploads, prefixes), (open, hidden));
    }

    async fn delete_bucket(&mut self, bucket: usize) {
        let request = v1::DeleteBucketRequest { name: BUCKETS[bucket].into(), ..Default::default() };
        let result = self.fixture.namespace.delete_bucket(&request).await;
        let refused = if self.model.buckets[bucket].is_none() {
            Some("no such bucket")
        } else if self.model.objects.keys().any(|(at, _)| *at == bucket) {
            Some("bucket not empty")
        } else {
            None
        };
        assert_eq!(result.as_ref().err().map(kind), refused);
        if result.is_ok() {
            self.model.buckets[bucket] = None;
        }
    }

    async fn create_bucket(&mut self, bucket: usize) {
        let request = v1::CreateBucketRequest { name: BUCKETS[bucket].into(), ..Default::default() };
        let result = self.fixture.namespace.create_bucket(&request).await;
        let exists = self.model.buckets[bucket].is_some();
        assert_eq!(result.as_ref().err().map(kind), exists.then_some("bucket exists"));
        if result.is_ok() {
            self.model.eras += 1;
            self.model.buckets[bucket] = Some(self.model.eras);
        }
    }

    async fn end(&mut self) {
        self.fixture.check(false).await;
        for bucket in 0..BUCKETS.len() {
            for key in 0..KEYS.len() {
                self.get((bucket, key)).await;
            }
            self.list(bucket, b"", b"", 1_000, true).await;
        }
        self.fixture.drain().await;
        self.fixture.check(true).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn random_histories_match_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in steps {
                run.run(step).await;
            }
            run.end().await;
        });
    }
}
