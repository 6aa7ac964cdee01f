//! Where an object's or part's bytes are: its parts and their extents. A small manifest lies in the record itself, a
//! larger one in chunks under keys of their own: manifest id, chunk number → parts. Chunks are never changed.

use super::content::{ChecksumRecord, ExtentRecord};
use super::key::{KeyWriter, Kind, successor};
use super::value::Record;
use bytes::Bytes;
use prost::Message as _;

/// A manifest up to this size lies in the record, in bytes: some 40 extents.
pub const IN_RECORD_MAX_BYTES: usize = 1_024;

/// The size that a chunk is filled up to, in bytes.
pub const CHUNK_BYTES: usize = 14_000;

/// Entries of the index over the chunks, at most.
const INDEX_MAX_ENTRIES: usize = 64;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Manifest {
    /// All parts, when there are no chunks.
    #[prost(message, repeated, tag = "1")]
    pub parts: Vec<ManifestPart>,
    /// The id under which the chunks lie: the version or part that they were written for.
    #[prost(uint64, tag = "2")]
    pub manifest_id: u64,
    #[prost(uint32, tag = "3")]
    pub chunk_count: u32,
    /// Where some of the chunks begin, the first among them, ascending.
    #[prost(message, repeated, tag = "4")]
    pub index: Vec<ChunkStart>,
}

/// A part and its extents; one that is spread over several entries (of one chunk or of several) repeats `part_number`
/// and `owner` alone.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ManifestPart {
    /// 0: the object was not made of parts.
    #[prost(uint32, tag = "1")]
    pub part_number: u32,
    /// What the blocks' records call this content: a version's or part's id.
    #[prost(uint64, tag = "2")]
    pub owner: u64,
    /// Of the whole part. Not given for the only part of an object that was not made of parts.
    #[prost(uint64, tag = "3")]
    pub size_bytes: u64,
    #[prost(bytes = "bytes", tag = "4")]
    pub md5: Bytes,
    #[prost(message, optional, tag = "5")]
    pub checksum: Option<ChecksumRecord>,
    #[prost(message, repeated, tag = "6")]
    pub extents: Vec<ExtentRecord>,
}

/// Where a chunk begins.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ChunkStart {
    #[prost(uint32, tag = "1")]
    pub chunk: u32,
    #[prost(uint64, tag = "2")]
    pub offset_bytes: u64,
    /// The number of the chunk's first part, which may have begun in the chunk before.
    #[prost(uint32, tag = "3")]
    pub part_number: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ManifestChunk {
    #[prost(message, repeated, tag = "1")]
    pub parts: Vec<ManifestPart>,
}

impl Record for ManifestChunk {
    const KIND: Kind = Kind::Manifest;
}

pub fn key(manifest_id: u64, chunk: u32) -> Bytes {
    KeyWriter::new(Kind::Manifest).number(manifest_id).number(chunk.into()).done()
}

/// The prefix of all chunks.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Manifest).done()
}

/// Where the chunks of a manifest end.
pub fn end(manifest_id: u64) -> Option<Bytes> {
    successor(&KeyWriter::new(Kind::Manifest).number(manifest_id).done())
}

impl Manifest {
    /// A manifest of these parts, and the chunks to write with it, in order.
    pub fn of(manifest_id: u64, parts: Vec<ManifestPart>) -> (Self, Vec<ManifestChunk>) {
        let whole = Self { parts, ..Self::default() };
        if whole.encoded_len() <= IN_RECORD_MAX_BYTES {
            return (whole, Vec::new());
        }
        let chunks = cut(whole.parts);
        let manifest = Self {
            parts: Vec::new(),
            manifest_id,
            // A batch holds far fewer chunks than a u32 counts.
            chunk_count: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
            index: index(&chunks),
        };
        (manifest, chunks)
    }

    /// The numbers of the chunks that hold the bytes from `first` to `last`, inclusive.
    pub fn chunks_of_range(&self, first: u64, last: u64) -> std::ops::Range<u32> {
        self.chunks_between(|start| start.offset_bytes <= first, |start| start.offset_bytes <= last)
    }

    /// The numbers of the chunks that hold a part.
    pub fn chunks_of_part(&self, part_number: u32) -> std::ops::Range<u32> {
        // A chunk that begins with the part may continue it: start one entry earlier.
        self.chunks_between(|start| start.part_number < part_number, |start| start.part_number <= part_number)
    }

    fn chunks_between(
        &self,
        begins_before: impl Fn(&ChunkStart) -> bool,
        begins_within: impl Fn(&ChunkStart) -> bool,
    ) -> std::ops::Range<u32> {
        let first = self.index.partition_point(begins_before).saturating_sub(1);
        let after = self.index.partition_point(begins_within);
        let start = self.index.get(first).map_or(0, |start| start.chunk);
        let end = self.index.get(after).map_or(self.chunk_count, |start| start.chunk);
        start..end.max(start)
    }

    /// Where a chunk begins in the object, if the index says.
    pub fn offset_of_chunk(&self, chunk: u32) -> Option<u64> {
        self.index.iter().find(|start| start.chunk == chunk).map(|start| start.offset_bytes)
    }
}

fn cut(parts: Vec<ManifestPart>) -> Vec<ManifestChunk> {
    let mut chunks = Vec::new();
    let mut chunk = ManifestChunk::default();
    let mut chunk_bytes = 0;
    for mut part in parts {
        let extents = std::mem::take(&mut part.extents);
        let continued = ManifestPart { part_number: part.part_number, owner: part.owner, ..Default::default() };
        let mut entry = part;
        // Tag and length of an entry take up to four bytes, those of an extent two.
        chunk_bytes += entry.encoded_len() + 4;
        if chunk_bytes > CHUNK_BYTES {
            chunks.push(std::mem::take(&mut chunk));
            chunk_bytes = entry.encoded_len() + 4;
        }
        for extent in extents {
            let extent_bytes = extent.encoded_len() + 2;
            if chunk_bytes + extent_bytes > CHUNK_BYTES {
                chunk.parts.push(std::mem::replace(&mut entry, continued.clone()));
                chunks.push(std::mem::take(&mut chunk));
                chunk_bytes = entry.encoded_len() + 4;
            }
            chunk_bytes += extent_bytes;
            entry.extents.push(extent);
        }
        chunk.parts.push(entry);
    }
    if !chunk.parts.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

fn index(chunks: &[ManifestChunk]) -> Vec<ChunkStart> {
    let stride = chunks.len().div_ceil(INDEX_MAX_ENTRIES).max(1);
    let mut offset_bytes = 0;
    let mut starts = Vec::new();
    for (number, chunk) in (0u32..).zip(chunks) {
        if (number as usize).is_multiple_of(stride) {
            let part_number = chunk.parts.first().map_or(0, |part| part.part_number);
            starts.push(ChunkStart { chunk: number, offset_bytes, part_number });
        }
        offset_bytes += chunk.parts.iter().flat_map(|part| &part.extents).map(|e| e.length_bytes).sum::<u64>();
    }
    starts
}

/// Puts the entries of consecutive chunks together: one for each part.
pub fn join(entries: impl IntoIterator<Item = ManifestPart>) -> Vec<ManifestPart> {
    let mut parts: Vec<ManifestPart> = Vec::new();
    for entry in entries {
        match parts.last_mut() {
            // The first entry of a part has its MD5, a continuation has none; the only part of an object has no number.
            Some(last) if last.part_number == entry.part_number && (entry.part_number == 0 || entry.md5.is_empty()) => {
                last.extents.extend(entry.extents);
            }
            _ => parts.push(entry),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::MAX_RECORD_BYTES;
    use crate::records::testing::round_trips;
    use proptest::prelude::*;

    fn part(part_number: u32, extents: usize, first_block: u64) -> ManifestPart {
        let extents = (0..extents as u64)
            .map(|n| ExtentRecord { block_id: first_block + n, length_bytes: 64 << 20, crc32c: u32::MAX })
            .collect::<Vec<_>>();
        ManifestPart {
            part_number,
            owner: u64::MAX,
            size_bytes: extents.len() as u64 * (64 << 20),
            md5: if part_number == 0 { Bytes::new() } else { Bytes::from_static(&[5; 16]) },
            checksum: Some(ChecksumRecord { algorithm: 5, kind: 2, value: Bytes::from_static(&[1; 32]) }),
            extents,
        }
    }

    fn check(parts: Vec<ManifestPart>) {
        let (manifest, chunks) = Manifest::of(8, parts.clone());
        assert!(manifest.encoded_len() <= 2 * IN_RECORD_MAX_BYTES, "{} bytes", manifest.encoded_len());
        if manifest.chunk_count == 0 {
            assert_eq!(manifest.parts, parts);
            return;
        }
        assert_eq!(manifest.chunk_count as usize, chunks.len());
        for chunk in &chunks {
            assert!(chunk.encoded_len() <= MAX_RECORD_BYTES);
            round_trips(chunk);
        }
        let read = |range: std::ops::Range<u32>| {
            join(chunks[range.start as usize..range.end as usize].iter().flat_map(|chunk| chunk.parts.clone()))
        };
        assert_eq!(read(0..manifest.chunk_count), parts);
        let mut offset = 0;
        for part in &parts {
            if part.part_number > 0 {
                let found = read(manifest.chunks_of_part(part.part_number));
                assert!(found.contains(part), "part {}", part.part_number);
            }
            for extent in &part.extents {
                let chunks = manifest.chunks_of_range(offset, offset + extent.length_bytes - 1);
                assert!(manifest.offset_of_chunk(chunks.start).unwrap() <= offset);
                assert!(read(chunks).iter().any(|part| part.extents.contains(extent)), "byte {offset}");
                offset += extent.length_bytes;
            }
        }
    }

    #[test]
    fn a_small_manifest_stays_in_the_record() {
        let (manifest, chunks) = Manifest::of(8, vec![part(0, 30, 1)]);
        assert!(chunks.is_empty());
        assert_eq!(manifest.chunk_count, 0);
    }

    #[test]
    fn the_manifests_of_the_largest_objects_are_found_again() {
        check(vec![part(0, 2_000, 1)]);
        check((1..=10_000).map(|number| part(number, 1, u64::from(number))).collect());
        check((1..=100).map(|number| part(number, 81, u64::from(number) * 100)).collect());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_manifest_is_found_again(lengths in prop::collection::vec(0usize..900, 0..12)) {
            let parts = lengths.iter().zip(1..).map(|(&n, number)| part(number * 3, n, u64::from(number) << 20)).collect();
            check(parts);
        }

        #[test]
        fn chunks_lie_in_the_order_of_id_and_number(a: (u64, u32), b: (u64, u32)) {
            prop_assert_eq!(key(a.0, a.1).cmp(&key(b.0, b.1)), a.cmp(&b));
        }
    }
}
