//! The kinds of records.

use std::fmt;

/// The first byte of a key: what kind of record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Counter = 0x01,
    Bucket = 0x02,
    Usage = 0x03,
    Object = 0x10,
    Inline = 0x11,
    /// Older versions and delete markers of versioned buckets: bucket id, key (escaped), falling sequence number.
    /// Nothing writes them yet; the tag is taken.
    Version = 0x12,
    Manifest = 0x13,
    Upload = 0x20,
    FinishedUpload = 0x21,
    Part = 0x22,
    Block = 0x30,
    Condemned = 0x31,
    Reclaim = 0x32,
    Session = 0x40,
    Grant = 0x41,
    RequestResult = 0x42,
    Worker = 0x50,
    User = 0x60,
    AccessKey = 0x61,
    Group = 0x62,
    ManagedPolicy = 0x63,
    Role = 0x64,
    OidcProvider = 0x65,
    BucketAccess = 0x66,
    PolicyDocument = 0x67,
    Tag = 0x68,
    Principal = 0x69,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Bucket => "bucket",
            Self::Usage => "usage",
            Self::Object => "object",
            Self::Inline => "inline",
            Self::Version => "version",
            Self::Manifest => "manifest",
            Self::Upload => "upload",
            Self::FinishedUpload => "finished upload",
            Self::Part => "part",
            Self::Block => "block",
            Self::Condemned => "condemned block",
            Self::Reclaim => "reclaim",
            Self::Session => "session",
            Self::Grant => "grant",
            Self::RequestResult => "request result",
            Self::Worker => "worker",
            Self::User => "user",
            Self::AccessKey => "access key",
            Self::Group => "group",
            Self::ManagedPolicy => "managed policy",
            Self::Role => "role",
            Self::OidcProvider => "OIDC provider",
            Self::BucketAccess => "bucket access",
            Self::PolicyDocument => "policy document",
            Self::Tag => "tag",
            Self::Principal => "principal",
        })
    }
}
