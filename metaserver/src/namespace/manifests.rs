//! Reading manifests: from the record itself, or from as few chunks as hold what is asked for.

use super::Namespace;
use crate::error::Error;
use crate::records::content::ExtentRecord;
use crate::records::key::Kind;
use crate::records::manifest::{self, Manifest, ManifestChunk, ManifestPart, join};
use crate::records::object::ObjectRecord;
use crate::records::{RecordError, decode};
use bytes::Bytes;
use std::ops::Range;
use weir_proto::v1;

/// A run of an object's manifest: whole entries from some offset on.
#[derive(Debug, Default)]
pub(crate) struct ManifestRun {
    /// Where the first entry begins in the object.
    pub offset_bytes: u64,
    pub parts: Vec<ManifestPart>,
}

impl Namespace {
    /// All parts, with their extents.
    ///
    /// # Errors
    /// [`Error::Record`]: a chunk is missing. Unless the object has changed meanwhile, that is damage.
    pub(crate) async fn whole_manifest(&self, manifest: Option<&Manifest>) -> Result<Vec<ManifestPart>, Error> {
        let Some(manifest) = manifest else { return Ok(Vec::new()) };
        if manifest.chunk_count == 0 {
            return Ok(manifest.parts.clone());
        }
        self.chunks(manifest, 0..manifest.chunk_count).await
    }

    /// What holds the bytes from `first` to `last`, inclusive.
    pub(crate) async fn manifest_of_range(
        &self,
        manifest: &Manifest,
        first: u64,
        last: u64,
    ) -> Result<ManifestRun, Error> {
        self.run(manifest, manifest.chunks_of_range(first, last)).await
    }

    /// What holds a part, and where it begins in the object; none when there is no such part.
    pub(crate) async fn manifest_part(
        &self,
        manifest: &Manifest,
        part_number: u32,
    ) -> Result<Option<(u64, ManifestPart)>, Error> {
        let run = self.run(manifest, manifest.chunks_of_part(part_number)).await?;
        let mut offset_bytes = run.offset_bytes;
        for part in run.parts {
            if part.part_number == part_number {
                return Ok(Some((offset_bytes, part)));
            }
            offset_bytes += length_bytes(&part);
        }
        Ok(None)
    }

    async fn run(&self, manifest: &Manifest, chunks: Range<u32>) -> Result<ManifestRun, Error> {
        if manifest.chunk_count == 0 {
            return Ok(ManifestRun { offset_bytes: 0, parts: manifest.parts.clone() });
        }
        let offset_bytes = manifest.offset_of_chunk(chunks.start).unwrap_or(0);
        Ok(ManifestRun { offset_bytes, parts: self.chunks(manifest, chunks).await? })
    }

    async fn chunks(&self, manifest: &Manifest, chunks: Range<u32>) -> Result<Vec<ManifestPart>, Error> {
        let keys: Vec<Bytes> = chunks.map(|chunk| manifest::key(manifest.manifest_id, chunk)).collect();
        let values = self.store.get_many(&keys).await?;
        let mut entries = Vec::new();
        for (key, value) in keys.iter().zip(values) {
            let value = value.ok_or_else(|| RecordError::new(Kind::Manifest, key, "it is missing"))?;
            entries.extend(decode::<ManifestChunk>(key, value)?.parts);
        }
        Ok(join(entries))
    }
}

/// Bytes of the extents that the entry has.
pub(crate) fn length_bytes(part: &ManifestPart) -> u64 {
    part.extents.iter().map(|extent| extent.length_bytes).sum()
}

/// The owner and block of each extent.
pub(crate) fn references(parts: &[ManifestPart]) -> impl Iterator<Item = (u64, u64)> {
    parts.iter().flat_map(|part| part.extents.iter().map(|extent| (part.owner, extent.block_id)))
}

/// The extents of consecutive parts, each with its offset in the object, that overlap `first..=last`.
pub(crate) fn overlapping(run: &ManifestRun, first: u64, last: u64) -> Vec<(u64, ExtentRecord)> {
    let mut offset = run.offset_bytes;
    let mut found = Vec::new();
    for extent in run.parts.iter().flat_map(|part| &part.extents) {
        if offset > last {
            break;
        }
        let end = offset + extent.length_bytes;
        if end > first {
            found.push((offset, *extent));
        }
        offset = end;
    }
    found
}

/// A part of an object as the contract shows it.
pub(crate) fn part_message(object: &ObjectRecord, part: ManifestPart) -> v1::Part {
    v1::Part {
        part_number: part.part_number,
        size_bytes: part.size_bytes,
        etag: hex::encode(&part.md5),
        modified_ms: object.modified_ms,
        checksum: part.checksum.map(Into::into),
    }
}
