//! CopyPart: a part that shares blocks with an object, when the range covers whole extents and the digests of its bytes
//! are known: they are those of the whole object or of one of its parts.

use super::Namespace;
use super::blocks::Shared;
use super::get::selected_range;
use super::manifests::length_bytes;
use super::objects::{Current, resource};
use super::results::Remembered;
use super::transaction::{Attempts, Transaction};
use super::uploads::OpenUpload;
use super::validate::{self, MAX_PART_BYTES};
use super::{parts, preconditions};
use crate::error::Error;
use crate::records::block::Reference;
use crate::records::manifest::{Manifest, ManifestPart};
use crate::records::object::{self, ObjectRecord};
use crate::records::part::{self, PartRecord};
use crate::records::result::Operation;
use crate::records::upload;
use crate::store::MAX_BATCH_BYTES;
use std::ops::RangeInclusive;
use weir_proto::v1::{ChecksumAlgorithm, CopyPartRequest, CopyPartResponse, byte_range, copy_part_response};
use weir_proto::{BucketName, ObjectKey};

struct CopyPart<'a> {
    request: &'a CopyPartRequest,
    source_bucket: BucketName,
    source_key: ObjectKey,
    bucket: BucketName,
    key: ObjectKey,
    object_id: u64,
    remembered: Remembered,
}

impl CopyPart<'_> {
    fn source(&self) -> String {
        resource(&self.source_bucket, &self.source_key)
    }
}

impl Namespace {
    /// # Errors
    /// As the contract says of CopyPart. [`Error::InvalidRange`]: the range is not within the source.
    pub async fn copy_part(&self, request: &CopyPartRequest) -> Result<CopyPartResponse, Error> {
        validate::part_number(request.part_number)?;
        validate::precondition(request.source_precondition.as_ref())?;
        let copy = CopyPart {
            source_bucket: validate::bucket(&request.source_bucket)?,
            source_key: validate::key(&request.source_key)?,
            bucket: validate::bucket(&request.bucket)?,
            key: validate::key(&request.key)?,
            object_id: self.ids.next(&*self.store).await?,
            remembered: self.remembered(request.request_id.as_ref(), Operation::CopyPart)?,
            request,
        };
        let mut attempts = Attempts::default();
        loop {
            match self.try_copy_part(&copy).await {
                Err(Error::Raced) => attempts.again(self, || resource(&copy.bucket, &copy.key)).await?,
                done => return done,
            }
        }
    }

    async fn try_copy_part(&self, copy: &CopyPart<'_>) -> Result<CopyPartResponse, Error> {
        let (source_name, name) = (copy.source_key.as_bytes(), copy.key.as_bytes());
        let upload_id = copy.request.upload_id;
        let part_key = part::key(upload_id, copy.request.part_number);
        let ([source_bucket, bucket], mut values) = self
            .read_in([&copy.source_bucket, &copy.bucket], |[source_id, id]| {
                let keys = [part_key.clone(), upload::key(id, name, upload_id), object::key(source_id, source_name)];
                keys.into_iter().chain(copy.remembered.key()).collect()
            })
            .await?;
        if let Some(answer) = copy.remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let source = Current::of(source_bucket.id(), source_name, values.pop().flatten())?;
        let open = OpenUpload::of(upload::key(bucket.id(), name, upload_id), values.pop().flatten(), upload_id)?;
        let record = source.record.as_ref().ok_or_else(|| Error::NoSuchKey { resource: copy.source() })?;
        let expected = copy.request.source_object_id;
        if expected != 0 && record.object_id != expected {
            return Err(Error::Conflict { resource: copy.source() });
        }
        preconditions::check(copy.request.source_precondition.as_ref(), Some(record), || copy.source())?;
        let range = source_range(copy, record)?;
        let found = self.part_of(record, range, parts::algorithm_of(&open)?).await;
        let found = self.unless_replaced(found, &copy.source_bucket, &copy.source_key, record.object_id).await?;
        let Some(found) = found else { return Ok(needs_data()) };
        let mut transaction = Transaction::default();
        transaction.guard(bucket.for_write()?);
        open.guard(&mut transaction);
        source.guard(&mut transaction);
        let reference =
            Reference { owner: copy.object_id, bucket: copy.bucket.to_string(), key: name.clone(), upload_id };
        let ids = found.extents.iter().map(|extent| extent.block_id);
        let shared = self.share(&mut transaction, ids, &reference).await;
        let shared = self.unless_replaced(shared, &copy.source_bucket, &copy.source_key, record.object_id).await?;
        let entry = ManifestPart { owner: copy.object_id, extents: found.extents, ..Default::default() };
        let (manifest, chunks) = Manifest::of(copy.object_id, vec![entry]);
        let record = PartRecord {
            object_id: copy.object_id,
            size_bytes: found.size_bytes,
            md5: found.md5,
            modified_ms: self.clock.now_ms(),
            checksum: found.checksum,
            manifest: Some(manifest),
        };
        parts::put(&mut transaction, part_key, values.pop().flatten(), &record, &chunks)?;
        if shared == Shared::NeedsData || transaction.bytes() > MAX_BATCH_BYTES {
            return Ok(needs_data());
        }
        let part = parts::message(copy.request.part_number, &record);
        let answer = CopyPartResponse { result: Some(copy_part_response::Result::Part(part)) };
        copy.remembered.remember(&mut transaction, &answer);
        self.commit(transaction).await?;
        Ok(answer)
    }

    /// The part of the source that is exactly this range and has digests of this algorithm.
    async fn part_of(
        &self,
        source: &ObjectRecord,
        range: RangeInclusive<u64>,
        algorithm: ChecksumAlgorithm,
    ) -> Result<Option<ManifestPart>, Error> {
        let Some(manifest) = &source.manifest else { return Ok(None) };
        if range.is_empty() {
            return Ok(None);
        }
        let whole = range == (0..=source.size_bytes - 1);
        if source.part_count == 0 && !whole {
            return Ok(None);
        }
        let run = self.manifest_of_range(manifest, *range.start(), *range.end()).await?;
        let mut offset = run.offset_bytes;
        let mut found = None;
        for part in run.parts {
            let length = length_bytes(&part);
            if length > 0 && offset == *range.start() && offset + length - 1 == *range.end() {
                found = Some(part);
            }
            offset += length;
        }
        let digested = found.map(|part| match source.part_count {
            0 => ManifestPart {
                size_bytes: source.size_bytes,
                md5: source.md5.clone(),
                checksum: source.checksum.clone(),
                ..part
            },
            _ => part,
        });
        let algorithm = i32::from(algorithm);
        // A part that is spread over chunks, of which the first was not read, comes without its digests.
        Ok(digested.filter(|part| {
            let length = length_bytes(part);
            !part.md5.is_empty()
                && part.size_bytes == length
                && part.checksum.as_ref().is_some_and(|checksum| checksum.algorithm == algorithm)
        }))
    }
}

/// The range of the source, which must lie within it.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>
fn source_range(copy: &CopyPart<'_>, source: &ObjectRecord) -> Result<RangeInclusive<u64>, Error> {
    let outside = || Error::InvalidRange { resource: copy.source(), size_bytes: source.size_bytes };
    let selected = selected_range(copy.request.range.as_ref(), source.size_bytes)?.ok_or_else(outside)?;
    if let Some(byte_range::Form::FromTo(given)) = copy.request.range.as_ref().and_then(|range| range.form.as_ref())
        && given.last >= source.size_bytes
    {
        return Err(outside());
    }
    if !selected.is_empty() && selected.end() - selected.start() >= MAX_PART_BYTES {
        let bytes = selected.end() - selected.start() + 1;
        return Err(Error::TooLarge { what: "the part".into(), bytes, allowed: MAX_PART_BYTES });
    }
    Ok(selected)
}

fn needs_data() -> CopyPartResponse {
    CopyPartResponse { result: Some(copy_part_response::Result::NeedsData(true)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, key};
    use weir_proto::v1::{ByteRange, Part};

    async fn copy(
        fixture: &Fixture,
        upload_id: u64,
        from: &str,
        range: Option<(u64, u64)>,
    ) -> Result<Option<Part>, Error> {
        let range = range.map(|(first, last)| ByteRange {
            form: Some(byte_range::Form::FromTo(byte_range::FromTo { first, last })),
        });
        let request = CopyPartRequest {
            bucket: "photos".into(),
            key: key("copy"),
            upload_id,
            part_number: 1,
            source_bucket: "photos".into(),
            source_key: key(from),
            range,
            ..Default::default()
        };
        Ok(match fixture.namespace.copy_part(&request).await?.result.unwrap() {
            copy_part_response::Result::Part(part) => Some(part),
            copy_part_response::Result::NeedsData(_) => None,
        })
    }

    #[tokio::test]
    async fn whole_objects_and_whole_parts_are_shared_and_other_ranges_need_data() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let single = fixture.put_blocks("photos", "single", &[10, 20]).await;
        fixture.put_inline("photos", "inline", b"bytes").await;
        fixture.put_inline("photos", "empty", b"").await;
        let source = fixture.upload("photos", "multi").await;
        let mut parts = Vec::new();
        for number in 1..=200 {
            parts.push(fixture.part("photos", "multi", source, number, &[10, 20]).await.unwrap());
        }
        let complete = fixture.complete("photos", "multi", source, &parts);
        fixture.namespace.complete_upload(&complete).await.unwrap();

        let upload_id = fixture.upload("photos", "copy").await;
        let whole = copy(&fixture, upload_id, "single", None).await.unwrap().unwrap();
        assert_eq!((&whole.etag, &whole.checksum), (&single.etag, &single.checksum));
        assert!(copy(&fixture, upload_id, "single", Some((0, 29))).await.unwrap().is_some());
        assert!(
            copy(&fixture, upload_id, "single", Some((0, 9))).await.unwrap().is_none(),
            "its digests are not known"
        );
        assert!(copy(&fixture, upload_id, "single", Some((5, 29))).await.unwrap().is_none());
        assert!(copy(&fixture, upload_id, "inline", None).await.unwrap().is_none());
        assert!(copy(&fixture, upload_id, "empty", None).await.unwrap().is_none());
        assert!(copy(&fixture, upload_id, "multi", None).await.unwrap().is_none());
        for number in [1, 2, 77, 150, 200] {
            let part = copy(&fixture, upload_id, "multi", Some(((number - 1) * 30, number * 30 - 1))).await.unwrap();
            assert_eq!(part.unwrap().etag, parts[number as usize - 1].etag);
            assert!(
                copy(&fixture, upload_id, "multi", Some(((number - 1) * 30, number * 30 - 2))).await.unwrap().is_none()
            );
        }
        fixture.drain().await;
        fixture.check(true).await;
        fixture.delete("photos", &["multi", "single"]).await;
        fixture.drain().await;
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn what_is_outside_the_source_is_refused() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "single", &[10]).await;
        let upload_id = fixture.upload("photos", "copy").await;
        for range in [(0, 10), (10, 20)] {
            let refused = copy(&fixture, upload_id, "single", Some(range)).await;
            assert!(matches!(refused, Err(Error::InvalidRange { .. })), "{range:?}");
        }
        assert!(matches!(copy(&fixture, upload_id, "absent", None).await, Err(Error::NoSuchKey { .. })));
        assert!(matches!(copy(&fixture, 99, "single", None).await, Err(Error::NoSuchUpload { .. })));
    }

    #[tokio::test]
    async fn a_source_with_another_checksum_algorithm_needs_data() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "single", &[10]).await;
        let request = weir_proto::v1::CreateUploadRequest {
            bucket: "photos".into(),
            key: key("copy"),
            checksum_algorithm: ChecksumAlgorithm::Sha256.into(),
            ..Default::default()
        };
        let upload_id = fixture.namespace.create_upload(&request).await.unwrap().upload.unwrap().upload_id;
        assert!(copy(&fixture, upload_id, "single", None).await.unwrap().is_none());
    }
}
