//! The reference: what there is, in maps.

use super::steps::{BUCKETS, KEYS, Name};
use crate::error::Error;
use bytes::Bytes;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub struct ModelObject {
    pub etag: String,
    pub size_bytes: u64,
    /// MD5 and size by part number; one with number 0 for an object that was not made of parts.
    pub parts: BTreeMap<u32, (Bytes, u64)>,
    pub inline: bool,
    pub part_count: u32,
}

#[derive(Clone, Debug)]
pub struct ModelUpload {
    pub upload_id: u64,
    pub at: Name,
    pub parts: BTreeMap<u32, (Bytes, u64)>,
    pub open: bool,
    /// What it became.
    pub completed: Option<String>,
    pub bucket_era: u64,
}

#[derive(Default)]
pub struct Model {
    /// By bucket, how often it was made; none: it does not exist.
    pub buckets: [Option<u64>; 2],
    pub eras: u64,
    pub objects: BTreeMap<(usize, Vec<u8>), ModelObject>,
    pub uploads: Vec<ModelUpload>,
}

pub fn id(at: Name) -> (usize, Vec<u8>) {
    (at.0, KEYS[at.1].to_vec())
}

pub fn key_of(at: Name) -> Bytes {
    Bytes::from_static(KEYS[at.1])
}

pub fn bucket_of(at: Name) -> String {
    BUCKETS[at.0].to_owned()
}

pub fn kind(error: &Error) -> &'static str {
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

/// What a listing shows, in the model.
pub fn expected(keys: impl Iterator<Item = Vec<u8>>, prefix: &[u8], delimiter: &[u8]) -> Vec<(Vec<u8>, bool)> {
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
