//! Parts of an open upload: what a gateway has written becomes a part; a part that is sent again takes the place of the
//! former, which is reclaimed.

use super::Namespace;
use super::blocks;
use super::objects::{discard, put_chunks, resource};
use super::results::Remembered;
use super::transaction::{Attempts, Transaction};
use super::uploads::{self, OpenUpload};
use super::validate::{self, Content, MAX_ENTRIES, Place};
use crate::error::Error;
use crate::records::block::Reference;
use crate::records::decode;
use crate::records::key::next;
use crate::records::manifest::{Manifest, ManifestChunk, ManifestPart};
use crate::records::part::{self, PartRecord};
use crate::records::result::Operation;
use crate::records::upload;
use bytes::Bytes;
use weir_proto::v1::{
    ChecksumAlgorithm, CommitPartRequest, CommitPartResponse, ListPartsRequest, ListPartsResponse, Part, WrittenExtent,
};
use weir_proto::{BucketName, ObjectKey};

/// A part as the contract shows it.
pub(crate) fn message(part_number: u32, record: &PartRecord) -> Part {
    Part {
        part_number,
        size_bytes: record.size_bytes,
        etag: hex::encode(&record.md5),
        modified_ms: record.modified_ms,
        checksum: record.checksum.clone().map(Into::into),
    }
}

/// Puts a part in the place of the one that may have had its number.
pub(crate) fn put(
    transaction: &mut Transaction,
    key: Bytes,
    old: Option<Bytes>,
    record: &PartRecord,
    chunks: &[ManifestChunk],
) -> Result<(), Error> {
    if let Some(old) = &old {
        let old: PartRecord = decode(&key, old.clone())?;
        discard(transaction, old.object_id, old.manifest.as_ref(), record.modified_ms);
    }
    transaction.unchanged(key.clone(), old);
    transaction.put(key, record);
    put_chunks(transaction, record.manifest.as_ref(), chunks);
    Ok(())
}

struct PutPart {
    bucket: BucketName,
    key: ObjectKey,
    upload_id: u64,
    part_number: u32,
    content: Content,
    extents: Vec<WrittenExtent>,
    object_id: u64,
    remembered: Remembered,
}

impl Namespace {
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::NoSuchUpload`], [`Error::SessionOver`]; [`Error::Invalid`], also when the
    /// content has not the upload's checksum algorithm.
    pub async fn commit_part(&self, request: CommitPartRequest) -> Result<CommitPartResponse, Error> {
        let mut content = validate::content(request.content)?;
        let Place::Extents(extents) = std::mem::replace(&mut content.place, Place::Extents(Vec::new())) else {
            return Err(Error::invalid("content", "parts are never inline"));
        };
        let block_ids: Vec<u64> = blocks::extent_records(&extents).iter().map(|extent| extent.block_id).collect();
        let _ticket = match block_ids.is_empty() {
            true => None,
            false => Some(self.sessions.begin_commit(request.session_id, block_ids)?),
        };
        let put = PutPart {
            bucket: validate::bucket(&request.bucket)?,
            key: validate::key(&request.key)?,
            upload_id: request.upload_id,
            part_number: validate::part_number(request.part_number)?,
            content,
            extents,
            object_id: self.ids.next(&*self.store).await?,
            remembered: self.remembered(request.request_id.as_ref(), Operation::CommitPart)?,
        };
        let mut attempts = Attempts::default();
        loop {
            match self.try_commit_part(&put, attempts.is_first()).await {
                Err(Error::Raced) => attempts.again(self, || resource(&put.bucket, &put.key)).await?,
                done => return done,
            }
        }
    }

    async fn try_commit_part(&self, put: &PutPart, is_first: bool) -> Result<CommitPartResponse, Error> {
        let name = put.key.as_bytes();
        let part_key = part::key(put.upload_id, put.part_number);
        let ([bucket], mut values) = self
            .read_in([&put.bucket], |[id]| {
                let keys = [part_key.clone(), upload::key(id, name, put.upload_id)];
                keys.into_iter().chain(put.remembered.key()).collect()
            })
            .await?;
        if let Some(answer) = put.remembered.answer(&mut values)? {
            return Ok(answer);
        }
        if !is_first {
            self.refuse_used(&put.extents).await?;
        }
        let upload_key = upload::key(bucket.id(), name, put.upload_id);
        let open = OpenUpload::of(upload_key, values.pop().flatten(), put.upload_id)?;
        let (algorithm, _) = open.checksum()?;
        if put.content.checksum.as_ref().is_none_or(|checksum| checksum.algorithm() != algorithm) {
            let rule = format!("the upload's parts have a checksum of {}", algorithm.as_str_name());
            return Err(Error::invalid("checksum", rule));
        }
        let mut transaction = Transaction::default();
        transaction.guard(bucket.for_write()?);
        open.guard(&mut transaction);
        let (record, chunks) = self.new_part(&mut transaction, put);
        self::put(&mut transaction, part_key, values.pop().flatten(), &record, &chunks)?;
        let answer = CommitPartResponse { part: Some(message(put.part_number, &record)) };
        put.remembered.remember(&mut transaction, &answer);
        self.commit(transaction).await?;
        Ok(answer)
    }

    fn new_part(&self, transaction: &mut Transaction, put: &PutPart) -> (PartRecord, Vec<ManifestChunk>) {
        let reference = Reference {
            owner: put.object_id,
            bucket: put.bucket.to_string(),
            key: put.key.as_bytes().clone(),
            upload_id: put.upload_id,
        };
        blocks::add_new(transaction, &put.extents, &reference);
        let entry =
            ManifestPart { owner: put.object_id, extents: blocks::extent_records(&put.extents), ..Default::default() };
        let (manifest, chunks) = Manifest::of(put.object_id, vec![entry]);
        let record = PartRecord {
            object_id: put.object_id,
            size_bytes: put.content.size_bytes,
            md5: put.content.md5.clone(),
            modified_ms: self.clock.now_ms(),
            checksum: put.content.checksum.clone().map(Into::into),
            manifest: Some(manifest),
        };
        (record, chunks)
    }

    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::NoSuchUpload`].
    pub async fn list_parts(&self, request: &ListPartsRequest) -> Result<ListPartsResponse, Error> {
        let bucket = validate::bucket(&request.bucket)?;
        let key = validate::key(&request.key)?;
        let upload_id = request.upload_id;
        let ([bucket], mut values) =
            self.read_in([&bucket], |[id]| vec![upload::key(id, key.as_bytes(), upload_id)]).await?;
        let store_key = upload::key(bucket.id(), key.as_bytes(), upload_id);
        let open = OpenUpload::of(store_key, values.pop().flatten(), upload_id)?;
        let limit = (request.max_parts as usize).min(MAX_ENTRIES);
        let mut answer = ListPartsResponse {
            upload: Some(uploads::message(key.as_bytes(), upload_id, &open.record)),
            ..Default::default()
        };
        if limit == 0 {
            return Ok(answer);
        }
        let start = next(&part::key(upload_id, request.part_number_marker));
        let rows = self.scan(start, part::end(upload_id), limit + 1).await?;
        answer.truncated = rows.len() > limit;
        for (key, value) in rows.into_iter().take(limit) {
            let (_, part_number) = part::name(&key)?;
            answer.parts.push(message(part_number, &decode::<PartRecord>(&key, value)?));
        }
        answer.next_part_number_marker = answer.parts.last().map_or(0, |part| part.part_number);
        Ok(answer)
    }
}

/// The algorithm that a part of the upload has to have a checksum of.
pub(crate) fn algorithm_of(open: &OpenUpload) -> Result<ChecksumAlgorithm, Error> {
    Ok(open.checksum()?.0)
}
