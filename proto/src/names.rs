//! Names that clients choose, validated once, where they enter.

use bytes::Bytes;
use std::fmt;

/// The longest object key, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub const MAX_KEY_BYTES: usize = 1024;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the bucket name {name:?} is not valid: {rule}")]
    Bucket { name: String, rule: &'static str },
    #[error("an object key has at least one byte")]
    KeyEmpty,
    #[error("the object key has {length} bytes; {MAX_KEY_BYTES} are allowed")]
    KeyTooLong { length: usize },
}

/// A bucket's name, valid by S3's rules for general purpose buckets.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(String);

impl BucketName {
    /// # Errors
    /// [`NameError::Bucket`] with the rule that the name breaks.
    pub fn new(name: &str) -> Result<Self, NameError> {
        match broken_rule(name) {
            None => Ok(Self(name.to_owned())),
            Some(rule) => Err(NameError::Bucket { name: name.to_owned(), rule }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn broken_rule(name: &str) -> Option<&'static str> {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !(3..=63).contains(&name.len()) {
        Some("it has 3 to 63 characters")
    } else if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-') {
        Some("it has lower-case letters, digits, dots and hyphens only")
    } else if !edge(name.bytes().next()) || !edge(name.bytes().last()) {
        Some("it begins and ends with a letter or a digit")
    } else if name.contains("..") {
        Some("it has no two dots in a row")
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        Some("it does not look like an IP address")
    } else if ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|p| name.starts_with(p))
        || ["-s3alias", "--ol-s3", ".mrap", "--x-s3"].iter().any(|s| name.ends_with(s))
    {
        Some("it does not use a reserved prefix or suffix")
    } else {
        None
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object's key: 1 to [`MAX_KEY_BYTES`] opaque bytes. Nothing in it is ever interpreted as a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Bytes);

impl ObjectKey {
    /// # Errors
    /// [`NameError::KeyEmpty`], [`NameError::KeyTooLong`].
    pub fn new(key: impl Into<Bytes>) -> Result<Self, NameError> {
        let key = key.into();
        match key.len() {
            0 => Err(NameError::KeyEmpty),
            1..=MAX_KEY_BYTES => Ok(Self(key)),
            length => Err(NameError::KeyTooLong { length }),
        }
    }

    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        for name in ["abc", "a-b.c", "0ab", "testbucket", "bucket-for-testing", &"a".repeat(63)] {
            assert!(BucketName::new(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "192.168.5.4",
            "xn--a",
            "a-s3alias",
            "é12",
            "a/b",
            "..",
            &"a".repeat(64),
        ] {
            assert!(BucketName::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_key_has_one_to_1024_bytes() {
        assert_eq!(ObjectKey::new(""), Err(NameError::KeyEmpty));
        assert!(ObjectKey::new(vec![b'k'; 1023]).is_ok());
        assert!(ObjectKey::new(vec![b'k'; 1024]).is_ok());
        assert_eq!(ObjectKey::new(vec![b'k'; 1025]), Err(NameError::KeyTooLong { length: 1025 }));
    }
}
