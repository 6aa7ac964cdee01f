//! What comes in, checked once, where it enters: names, sizes, counts, digests. Nothing behind it meets a message that
//! it can't work with.

use super::access;
use crate::error::Error;
use crate::records::acl::AclRecord;
use crate::records::inline::INLINE_MAX_BYTES;
use bytes::Bytes;
use prost::Message as _;
use std::collections::HashSet;
use weir_coding::{Layout, SHARDS_MAX};
use weir_proto::v1::{self, ChecksumAlgorithm, ChecksumType, content::Where};
use weir_proto::{BucketName, ObjectKey};

/// Headers, metadata, tags and grants of one object, as they are stored, in bytes. S3 allows 2 KB of metadata within 8 KB
/// of headers; a hundred grants take 4,000 bytes.
pub const MAX_ATTRIBUTES_BYTES: usize = 12_000;

/// The largest object, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const MAX_OBJECT_BYTES: u64 = 5 << 40;

/// The largest part or single put, in bytes.
pub const MAX_PART_BYTES: u64 = 5 << 30;

pub const MAX_PART_NUMBER: u32 = 10_000;

/// The longest block, in bytes: what a gateway may be configured to write.
pub const MAX_BLOCK_BYTES: u64 = 1 << 30;

/// Entries of one DeleteObjects, and of one page of a listing.
pub const MAX_ENTRIES: usize = 1_000;

/// Copies of one block.
const MAX_REPLICAS: usize = 16;

/// Workers that one block may have been sent to: those of a coded block, and as many that failed.
const MAX_SENT_TO: usize = 2 * SHARDS_MAX;

/// Owner names, addresses, versions, storage classes, in bytes.
const MAX_NAME_BYTES: usize = 256;

const MD5_BYTES: usize = 16;

/// Entity tags of one condition.
const MAX_ETAGS: usize = 1_000;

pub(crate) fn bucket(name: &str) -> Result<BucketName, Error> {
    BucketName::new(name).map_err(|error| Error::invalid(name, error.to_string()))
}

pub(crate) fn key(key: &Bytes) -> Result<ObjectKey, Error> {
    Ok(ObjectKey::new(key.clone())?)
}

pub(crate) fn name(what: &'static str, name: &str) -> Result<(), Error> {
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::invalid(what, format!("it has {} bytes; {MAX_NAME_BYTES} are allowed", name.len())));
    }
    Ok(())
}

pub(crate) fn part_number(number: u32) -> Result<u32, Error> {
    match number {
        1..=MAX_PART_NUMBER => Ok(number),
        _ => Err(Error::invalid("part_number", format!("it is from 1 to {MAX_PART_NUMBER}, not {number}"))),
    }
}

pub(crate) fn attributes(attributes: &v1::Attributes) -> Result<(), Error> {
    name("storage_class", &attributes.storage_class)?;
    let Some(acl) = &attributes.acl else { return attributes_fit(Some(attributes), None) };
    access::acl(acl)?;
    let others = v1::Attributes { acl: None, ..attributes.clone() };
    attributes_fit(Some(&others), Some(&acl.into()))
}

/// What an object's record is to keep has room in it.
///
/// # Errors
/// [`Error::TooLarge`].
pub(crate) fn attributes_fit(attributes: Option<&v1::Attributes>, acl: Option<&AclRecord>) -> Result<(), Error> {
    let bytes = attributes.map_or(0, |attributes| attributes.encoded_len()) + acl.map_or(0, |acl| acl.encoded_len());
    if bytes > MAX_ATTRIBUTES_BYTES {
        let what = "headers, metadata, tags and grants together".to_owned();
        return Err(Error::TooLarge { what, bytes: bytes as u64, allowed: MAX_ATTRIBUTES_BYTES as u64 });
    }
    Ok(())
}

pub(crate) fn precondition(precondition: Option<&v1::Precondition>) -> Result<(), Error> {
    let count = precondition.map_or(0, |condition| condition.if_match.len().max(condition.if_none_match.len()));
    if count > MAX_ETAGS {
        return Err(Error::invalid("precondition", format!("it has {count} entity tags; {MAX_ETAGS} are allowed")));
    }
    Ok(())
}

/// A checksum with the length of its algorithm.
pub(crate) fn checksum(checksum: &v1::Checksum) -> Result<ChecksumAlgorithm, Error> {
    let algorithm = ChecksumAlgorithm::try_from(checksum.algorithm)
        .map_err(|_| Error::invalid("checksum", "its algorithm is not known"))?;
    ChecksumType::try_from(checksum.r#type).map_err(|_| Error::invalid("checksum", "its type is not known"))?;
    let expected = super::checksums::value_bytes(algorithm);
    if checksum.value.len() != expected {
        let rule = format!("{} has {expected} bytes, not {}", algorithm.as_str_name(), checksum.value.len());
        return Err(Error::invalid("checksum", rule));
    }
    Ok(algorithm)
}

/// Where validated content is.
#[derive(Debug)]
pub(crate) enum Place {
    Inline(Bytes),
    Extents(Vec<v1::WrittenExtent>),
}

/// Content whose size is what its bytes or extents add up to.
#[derive(Debug)]
pub(crate) struct Content {
    pub size_bytes: u64,
    pub md5: Bytes,
    pub checksum: Option<v1::Checksum>,
    pub place: Place,
}

pub(crate) fn content(content: Option<v1::Content>) -> Result<Content, Error> {
    let invalid = |rule: String| Err(Error::invalid("content", rule));
    let Some(content) = content else { return invalid("it is missing".into()) };
    if content.md5.len() != MD5_BYTES {
        return invalid(format!("its MD5 has {} bytes", content.md5.len()));
    }
    if let Some(given) = &content.checksum {
        checksum(given)?;
    }
    let (length, place) = match content.r#where {
        None => return invalid("it has neither bytes nor extents".into()),
        Some(Where::Inline(data)) => (data.len() as u64, inline(data)?),
        Some(Where::Extents(extents)) => (self::extents(&extents.extents)?, Place::Extents(extents.extents)),
    };
    if length != content.size_bytes {
        return invalid(format!("its size is {}, it holds {length} bytes", content.size_bytes));
    }
    if length > MAX_PART_BYTES {
        return Err(Error::TooLarge { what: "the content".into(), bytes: length, allowed: MAX_PART_BYTES });
    }
    Ok(Content { size_bytes: content.size_bytes, md5: content.md5, checksum: content.checksum, place })
}

fn inline(data: Bytes) -> Result<Place, Error> {
    if data.len() > INLINE_MAX_BYTES {
        let (bytes, allowed) = (data.len() as u64, INLINE_MAX_BYTES as u64);
        return Err(Error::TooLarge { what: "the inline content".into(), bytes, allowed });
    }
    Ok(Place::Inline(data))
}

/// The bytes that the extents add up to.
fn extents(extents: &[v1::WrittenExtent]) -> Result<u64, Error> {
    let invalid = |rule: String| Err(Error::invalid("extents", rule));
    let mut blocks = HashSet::with_capacity(extents.len());
    let mut total = 0u64;
    for written in extents {
        let Some(extent) = &written.extent else { return invalid("one is missing".into()) };
        if extent.length_bytes == 0 || extent.length_bytes > MAX_BLOCK_BYTES {
            return invalid(format!("block {} has {} bytes", extent.block_id, extent.length_bytes));
        }
        if extent.block_id == 0 || !blocks.insert(extent.block_id) {
            return invalid(format!("block {} is named twice, or is none", extent.block_id));
        }
        match &written.coded {
            Some(place) => coded(extent, &written.worker_ids, place)?,
            None => workers(extent.block_id, &written.worker_ids)?,
        }
        if written.replication as usize > MAX_REPLICAS {
            let rule = format!("block {} should have at most {MAX_REPLICAS} copies", extent.block_id);
            return Err(Error::invalid("extents", rule));
        }
        total = total.saturating_add(extent.length_bytes);
    }
    Ok(total)
}

fn workers(block_id: u64, worker_ids: &[u64]) -> Result<(), Error> {
    let distinct: HashSet<_> = worker_ids.iter().collect();
    if worker_ids.is_empty()
        || worker_ids.len() > MAX_REPLICAS
        || distinct.len() != worker_ids.len()
        || distinct.contains(&0)
    {
        let rule = format!("block {block_id} is on 1 to {MAX_REPLICAS} workers, each named once");
        return Err(Error::invalid("extents", rule));
    }
    Ok(())
}

/// Workers that may have a block.
pub(crate) fn sent_to(block_id: u64, worker_ids: &[u64]) -> Result<(), Error> {
    if worker_ids.len() > MAX_SENT_TO || worker_ids.contains(&0) {
        let rule = format!("block {block_id} was sent to at most {MAX_SENT_TO} workers");
        return Err(Error::invalid("blocks", rule));
    }
    Ok(())
}

/// The place of a coded block: at least k + 1 of its shards, each on one worker of its own.
fn coded(extent: &v1::Extent, replicas: &[u64], place: &v1::CodedPlace) -> Result<(), Error> {
    let invalid = |rule: String| Err(Error::invalid("extents", format!("block {}: {rule}", extent.block_id)));
    let coding = place.coding.unwrap_or_default();
    let layout = match Layout::new(coding.data_shards, coding.parity_shards, coding.cell_bytes.into()) {
        Ok(layout) => layout,
        Err(error) => return invalid(error.to_string()),
    };
    let scheme = layout.scheme();
    if !replicas.is_empty() {
        return invalid("it is coded, and has no replicas".into());
    }
    if place.shard_crc32c.len() != scheme.shards() || extent.length_bytes < layout.row_bytes() {
        return invalid("it has too few checksums, or is shorter than a row".into());
    }
    let workers: HashSet<u64> = place.holders.iter().map(|holder| holder.worker_id).collect();
    let shards: HashSet<u32> = place.holders.iter().map(|holder| holder.shard).collect();
    let count = place.holders.len();
    if workers.len() != count || shards.len() != count || workers.contains(&0) || count <= scheme.data() {
        return invalid(format!("{} shards or more are on a worker each, and no two are the same", scheme.data() + 1));
    }
    match shards.iter().all(|shard| (*shard as usize) < scheme.shards()) {
        true => Ok(()),
        false => invalid(format!("{scheme} has no such shard")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(block_id: u64, length_bytes: u64, worker_ids: &[u64]) -> v1::WrittenExtent {
        v1::WrittenExtent {
            extent: Some(v1::Extent { block_id, length_bytes, crc32c: 1 }),
            worker_ids: worker_ids.to_vec(),
            replication: 0,
            coded: None,
        }
    }

    fn of(size_bytes: u64, extents: Vec<v1::WrittenExtent>) -> Result<Content, Error> {
        content(Some(v1::Content {
            size_bytes,
            md5: vec![0; 16].into(),
            checksum: None,
            r#where: Some(Where::Extents(v1::Extents { extents })),
        }))
    }

    #[test]
    fn content_is_what_its_extents_add_up_to() {
        assert!(of(0, vec![]).is_ok());
        assert!(of(30, vec![extent(1, 10, &[1]), extent(2, 20, &[1, 2])]).is_ok());
        for bad in [
            of(31, vec![extent(1, 30, &[1])]),
            of(30, vec![extent(1, 15, &[1]), extent(1, 15, &[1])]),
            of(0, vec![extent(1, 0, &[1])]),
            of(5, vec![extent(0, 5, &[1])]),
            of(5, vec![extent(1, 5, &[])]),
            of(5, vec![extent(1, 5, &[2, 2])]),
            of(5, vec![extent(1, 5, &[0])]),
            of(5, vec![v1::WrittenExtent { worker_ids: vec![1], ..Default::default() }]),
            of(5, vec![v1::WrittenExtent { replication: 17, ..extent(1, 5, &[1]) }]),
            of(u64::MAX, vec![extent(1, u64::MAX, &[1]), extent(2, u64::MAX, &[1])]),
            content(None),
            content(Some(v1::Content { md5: vec![0; 16].into(), ..Default::default() })),
            content(Some(v1::Content { r#where: Some(Where::Inline(Bytes::new())), ..Default::default() })),
        ] {
            assert!(matches!(bad, Err(Error::Invalid { .. })), "{bad:?}");
        }
        let many = |count: u64| (1..=count).map(|n| extent(n, 1 << 30, &[1])).collect();
        assert!(of(5 << 30, many(5)).is_ok());
        assert!(matches!(of(6 << 30, many(6)), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn the_shards_of_a_coded_block_are_on_a_worker_each() {
        let good = || {
            let holders = (0..5).map(|shard| v1::ShardHolder { worker_id: u64::from(shard) + 1, shard }).collect();
            let coding = Some(v1::Coding { data_shards: 4, parity_shards: 2, cell_bytes: 64 });
            v1::CodedPlace { coding, holders, shard_crc32c: vec![0; 6] }
        };
        let with = |length_bytes, worker_ids: &[u64], change: &dyn Fn(&mut v1::CodedPlace)| {
            let mut coded = good();
            change(&mut coded);
            of(length_bytes, vec![v1::WrittenExtent { coded: Some(coded), ..extent(1, length_bytes, worker_ids) }])
        };
        assert!(with(256, &[], &|_| ()).is_ok());
        for (at, bad) in [
            with(255, &[], &|_| ()),
            with(256, &[9], &|_| ()),
            with(256, &[], &|place| place.coding = None),
            with(256, &[], &|place| place.coding.as_mut().unwrap().cell_bytes = 63),
            with(256, &[], &|place| place.coding.as_mut().unwrap().parity_shards = 0),
            with(256, &[], &|place| place.shard_crc32c.truncate(5)),
            with(256, &[], &|place| place.holders.truncate(4)),
            with(256, &[], &|place| place.holders[0].worker_id = 0),
            with(256, &[], &|place| place.holders[0].worker_id = 2),
            with(256, &[], &|place| place.holders[0].shard = 1),
            with(256, &[], &|place| place.holders[0].shard = 6),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(matches!(bad, Err(Error::Invalid { .. })), "{at}: {bad:?}");
        }
    }

    #[test]
    fn inline_content_has_its_limit() {
        let of = |length: usize| {
            content(Some(v1::Content {
                size_bytes: length as u64,
                md5: vec![0; 16].into(),
                checksum: None,
                r#where: Some(Where::Inline(vec![0; length].into())),
            }))
        };
        assert!(of(INLINE_MAX_BYTES - 1).is_ok() && of(INLINE_MAX_BYTES).is_ok());
        assert!(matches!(of(INLINE_MAX_BYTES + 1), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn numbers_digests_and_texts_have_their_limits() {
        assert!(part_number(0).is_err() && part_number(10_001).is_err());
        assert!(part_number(1).is_ok() && part_number(10_000).is_ok());
        let value = |length: usize| v1::Checksum { algorithm: 5, r#type: 0, value: vec![0; length].into() };
        assert!(checksum(&value(32)).is_ok() && checksum(&value(31)).is_err() && checksum(&value(33)).is_err());
        assert!(checksum(&v1::Checksum { algorithm: 99, ..value(32) }).is_err());
        assert!(checksum(&v1::Checksum { r#type: 99, ..value(32) }).is_err());
        assert!(checksum(&v1::Checksum::default()).is_err(), "a checksum has an algorithm");
        assert!(name("owner", &"x".repeat(256)).is_ok() && name("owner", &"x".repeat(257)).is_err());
        let header = |length: usize| v1::Attributes {
            headers: vec![v1::Header { name: String::new(), value: "x".repeat(length) }],
            ..Default::default()
        };
        assert!(attributes(&header(11_990)).is_ok());
        assert!(matches!(attributes(&header(12_000)), Err(Error::TooLarge { .. })));
    }
}
