//! Who has policies and tags of its own: what the keys of those begin with.

use super::key::{KeyReader, KeyWriter};
use super::value::RecordError;

/// The kind of a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum HolderKind {
    User = 1,
    Group = 2,
    Role = 3,
    /// A managed policy: the documents of its versions.
    ManagedPolicy = 4,
    Bucket = 5,
}

/// A holder, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HolderName {
    pub kind: HolderKind,
    pub name: String,
}

impl HolderName {
    pub fn new(kind: HolderKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    pub(super) fn write(&self, key: KeyWriter) -> KeyWriter {
        key.byte(self.kind as u8).escaped(self.name.as_bytes())
    }

    pub(super) fn read(key: &mut KeyReader<'_>) -> Result<Self, RecordError> {
        let kind = match key.byte()? {
            1 => HolderKind::User,
            2 => HolderKind::Group,
            3 => HolderKind::Role,
            4 => HolderKind::ManagedPolicy,
            5 => HolderKind::Bucket,
            _ => return Err(key.damaged("there is no such kind of holder")),
        };
        Ok(Self { kind, name: key.escaped_text()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;

    #[test]
    fn a_holder_comes_out_of_a_key_as_it_went_in() {
        let kinds =
            [HolderKind::User, HolderKind::Group, HolderKind::Role, HolderKind::ManagedPolicy, HolderKind::Bucket];
        for kind in kinds {
            let holder = HolderName::new(kind, "a\0b");
            let key = holder.write(KeyWriter::new(Kind::Tag)).last(b"rest");
            let mut reader = KeyReader::new(Kind::Tag, &key).unwrap();
            assert_eq!(HolderName::read(&mut reader).unwrap(), holder);
            assert_eq!(reader.last(), b"rest");
        }
        let mut reader = KeyReader::new(Kind::Tag, b"\x68\x09a\0\0").unwrap();
        assert!(HolderName::read(&mut reader).is_err());
    }
}
