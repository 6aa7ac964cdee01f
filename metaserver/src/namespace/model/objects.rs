//! Objects: put, read, deleted, copied and renamed.

use super::Run;
use super::reference::{ModelObject, bucket_of, id, key_of, kind};
use super::steps::{BUCKETS, Condition, KEYS, Name};
use crate::testing::{content, if_match, if_none_match, md5_of};
use bytes::Bytes;
use weir_proto::v1::{self, content::Where};

impl Run {
    /// What a condition is for a key, and what it makes of a write there.
    pub fn condition(&self, condition: Condition, at: Name) -> (Option<v1::Precondition>, Option<&'static str>) {
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

    pub fn lengths(&self, seed: u64, blocks: usize) -> Vec<u64> {
        (0..blocks as u64).map(|n| 10 + (seed + n) % 5).collect()
    }

    pub async fn put(&mut self, at: Name, blocks: Option<usize>, condition: Condition) {
        let seed = self.seed();
        let content = match blocks {
            Some(blocks) => self.fixture().blocks(seed, &self.lengths(seed, blocks)),
            None => content(seed, seed % 20, Where::Inline(vec![b'x'; (seed % 20) as usize].into())),
        };
        let (precondition, refused) = self.condition(condition, at);
        let size_bytes = content.size_bytes;
        let request = v1::CommitObjectRequest {
            precondition,
            request_id: self.request_id(),
            ..self.fixture().put(BUCKETS[at.0], KEYS[at.1], content)
        };
        let result = self.ask(async |namespace| namespace.commit_object(request.clone()).await).await;
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

    pub async fn get(&mut self, at: Name) {
        let request =
            v1::GetObjectRequest { bucket: bucket_of(at), key: key_of(at), with_content: true, ..Default::default() };
        let result = self.ask(async |namespace| namespace.get_object(&request).await).await;
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
            assert_eq!(located.worker_ids, [self.fixture().worker_id]);
            offset += located.extent.unwrap().length_bytes;
        }
    }

    pub async fn delete(&mut self, bucket: usize, keys: &[usize]) {
        let entries =
            keys.iter().map(|&key| v1::DeleteEntry { key: Bytes::from_static(KEYS[key]), precondition: None });
        let request = v1::DeleteObjectsRequest {
            bucket: BUCKETS[bucket].into(),
            entries: entries.collect(),
            request_id: self.request_id(),
        };
        let result = self.ask(async |namespace| namespace.delete_objects(&request).await).await;
        if self.model.buckets[bucket].is_none() {
            assert_eq!(kind(&result.unwrap_err()), "no such bucket");
            return;
        }
        for (result, &key) in result.unwrap().results.iter().zip(keys) {
            assert_eq!(result.existed, self.model.objects.remove(&id((bucket, key))).is_some());
            assert_eq!(result.failure, None);
        }
    }

    pub async fn copy(&mut self, from: Name, to: Name, condition: Condition) {
        let (precondition, refused) = self.condition(condition, to);
        let request = v1::CopyObjectRequest {
            source_bucket: bucket_of(from),
            source_key: key_of(from),
            bucket: bucket_of(to),
            key: key_of(to),
            precondition,
            request_id: self.request_id(),
            ..Default::default()
        };
        let result = self.ask(async |namespace| namespace.copy_object(&request).await).await;
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

    pub async fn rename(&mut self, from: Name, to: Name, overwrite: bool) {
        let request = v1::RenameObjectRequest {
            source_bucket: bucket_of(from),
            source_key: key_of(from),
            bucket: bucket_of(to),
            key: key_of(to),
            overwrite,
            request_id: self.request_id(),
        };
        let result = self.ask(async |namespace| namespace.rename_object(&request).await).await;
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
}
