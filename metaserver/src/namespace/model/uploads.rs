//! Multipart uploads.

use super::Run;
use super::reference::{ModelObject, ModelUpload, bucket_of, id, key_of, kind};
use super::steps::Name;
use crate::testing::md5_of;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use std::collections::BTreeMap;
use weir_proto::v1;

impl Run {
    pub async fn create_upload(&mut self, at: Name) {
        let request = v1::CreateUploadRequest {
            request_id: self.request_id(),
            bucket: bucket_of(at),
            key: key_of(at),
            ..Default::default()
        };
        let result = self.ask(async |namespace| namespace.create_upload(&request).await).await;
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
    pub fn choose(&mut self, upload: usize) -> Option<(usize, Option<&'static str>)> {
        let index = self.model.uploads.len().checked_sub(upload + 1)?;
        let chosen = &self.model.uploads[index];
        let refused = match self.model.buckets[chosen.at.0] {
            None => Some("no such bucket"),
            Some(era) if era != chosen.bucket_era || !chosen.open => Some("no such upload"),
            Some(_) => None,
        };
        Some((index, refused))
    }

    pub async fn put_part(&mut self, upload: usize, number: u32, blocks: usize) {
        let Some((index, refused)) = self.choose(upload) else { return };
        let seed = self.seed();
        let content = self.fixture().blocks(seed, &self.lengths(seed, blocks));
        let size_bytes = content.size_bytes;
        let chosen = self.model.uploads[index].clone();
        let request = v1::CommitPartRequest {
            bucket: bucket_of(chosen.at),
            key: key_of(chosen.at),
            upload_id: chosen.upload_id,
            part_number: number,
            content: Some(content),
            session_id: self.fixture().session_id,
            request_id: self.request_id(),
        };
        let result = self.ask(async |namespace| namespace.commit_part(request.clone()).await).await;
        assert_eq!(result.as_ref().err().map(kind), refused);
        if result.is_ok() {
            self.model.uploads[index].parts.insert(number, (md5_of(seed), size_bytes));
        }
    }

    pub async fn copy_part(&mut self, upload: usize, number: u32, from: Name) {
        let Some((index, refused)) = self.choose(upload) else { return };
        let chosen = self.model.uploads[index].clone();
        let request = v1::CopyPartRequest {
            bucket: bucket_of(chosen.at),
            key: key_of(chosen.at),
            upload_id: chosen.upload_id,
            part_number: number,
            source_bucket: bucket_of(from),
            source_key: key_of(from),
            request_id: self.request_id(),
            ..Default::default()
        };
        let result = self.ask(async |namespace| namespace.copy_part(&request).await).await;
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

    pub async fn complete(&mut self, upload: usize, skip: u32) {
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
            request_id: self.request_id(),
            ..Default::default()
        };
        let result = self.ask(async |namespace| namespace.complete_upload(&request).await).await;
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

    pub async fn abort(&mut self, upload: usize) {
        let Some((index, refused)) = self.choose(upload) else { return };
        let chosen = self.model.uploads[index].clone();
        let request = v1::AbortUploadRequest {
            bucket: bucket_of(chosen.at),
            key: key_of(chosen.at),
            upload_id: chosen.upload_id,
            request_id: self.request_id(),
        };
        let result = self.ask(async |namespace| namespace.abort_upload(&request).await).await;
        let same_bucket = self.model.buckets[chosen.at.0] == Some(chosen.bucket_era);
        let refused = refused.filter(|_| chosen.open || !same_bucket);
        assert_eq!(result.as_ref().err().map(kind), refused, "{chosen:?}");
        self.model.uploads[index].open = false;
    }
}
