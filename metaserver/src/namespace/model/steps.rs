//! What a random history is made of.

use proptest::prelude::*;

pub const BUCKETS: [&str; 2] = ["first", "second"];
pub const KEYS: [&[u8]; 9] = [b"a", b"a/", b"a/b", b"a/b/c", b"a/c", b"a0", b"b//x", b"\0", b"\xFF\xFF"];
pub const DELIMITERS: [&[u8]; 4] = [b"", b"/", b"//", b"b"];
pub const PREFIXES: [&[u8]; 7] = [b"", b"a", b"a/", b"a/b", b"b/", b"\xFF", b"zz"];

pub type Name = (usize, usize);

#[derive(Clone, Debug)]
pub enum Step {
    Put {
        at: Name,
        blocks: Option<usize>,
        condition: Condition,
    },
    Get {
        at: Name,
    },
    Delete {
        bucket: usize,
        keys: Vec<usize>,
    },
    Copy {
        from: Name,
        to: Name,
        condition: Condition,
    },
    Rename {
        from: Name,
        to: Name,
        overwrite: bool,
    },
    CreateUpload {
        at: Name,
    },
    PutPart {
        upload: usize,
        number: u32,
        blocks: usize,
    },
    CopyPart {
        upload: usize,
        number: u32,
        from: Name,
    },
    Complete {
        upload: usize,
        skip: u32,
    },
    Abort {
        upload: usize,
    },
    List {
        bucket: usize,
        prefix: usize,
        delimiter: usize,
        max: u32,
        by_next: bool,
    },
    ListUploads {
        bucket: usize,
        prefix: usize,
        delimiter: usize,
        max: u32,
    },
    DeleteBucket {
        bucket: usize,
    },
    CreateBucket {
        bucket: usize,
    },
    Reclaim,
    Drain,
    /// The power goes after so many calls of the disk.
    PowerOff {
        in_steps: u64,
    },
    /// The power goes now.
    Crash {
        seed: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Condition {
    None,
    IfAbsent,
    IfThere,
    IfOther,
}

pub fn name() -> impl Strategy<Value = Name> {
    (0..BUCKETS.len(), 0..KEYS.len())
}

pub fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => Just(Condition::None),
        1 => Just(Condition::IfAbsent),
        1 => Just(Condition::IfThere),
        1 => Just(Condition::IfOther),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let upload = 0usize..4;
    prop_oneof![
        6 => (name(), prop::option::of(0usize..4), condition()).prop_map(|(at, blocks, condition)| Step::Put { at, blocks, condition }),
        1 => name().prop_map(|at| Step::Put { at, blocks: Some(120), condition: Condition::None }),
        2 => name().prop_map(|at| Step::Get { at }),
        3 => (0..BUCKETS.len(), prop::collection::vec(0..KEYS.len(), 0..4)).prop_map(|(bucket, keys)| Step::Delete { bucket, keys }),
        4 => (name(), name(), condition()).prop_map(|(from, to, condition)| Step::Copy { from, to, condition }),
        3 => (name(), name(), any::<bool>()).prop_map(|(from, to, overwrite)| Step::Rename { from, to, overwrite }),
        3 => name().prop_map(|at| Step::CreateUpload { at }),
        6 => (upload.clone(), 1u32..5, prop_oneof![5 => 0usize..4, 1 => Just(90)]).prop_map(|(upload, number, blocks)| Step::PutPart { upload, number, blocks }),
        3 => (upload.clone(), 1u32..5, name()).prop_map(|(upload, number, from)| Step::CopyPart { upload, number, from }),
        4 => (upload.clone(), 0u32..5).prop_map(|(upload, skip)| Step::Complete { upload, skip }),
        1 => upload.prop_map(|upload| Step::Abort { upload }),
        3 => (0..BUCKETS.len(), 0..PREFIXES.len(), 0..DELIMITERS.len(), 1u32..6, any::<bool>())
            .prop_map(|(bucket, prefix, delimiter, max, by_next)| Step::List { bucket, prefix, delimiter, max, by_next }),
        1 => (0..BUCKETS.len(), 0..PREFIXES.len(), 0..DELIMITERS.len(), 1u32..4)
            .prop_map(|(bucket, prefix, delimiter, max)| Step::ListUploads { bucket, prefix, delimiter, max }),
        1 => (0..BUCKETS.len()).prop_map(|bucket| Step::DeleteBucket { bucket }),
        2 => (0..BUCKETS.len()).prop_map(|bucket| Step::CreateBucket { bucket }),
        1 => Just(Step::Reclaim),
        1 => Just(Step::Drain),
        1 => (0u64..8).prop_map(|in_steps| Step::PowerOff { in_steps }),
        1 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
    ]
}
