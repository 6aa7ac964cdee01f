//! A policy document, cut into pieces that fit the store: holder, which of its documents, number of the piece → text.

use super::holder::HolderName;
use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

/// The text of one piece, in bytes.
pub const PIECE_BYTES: usize = 14_000;

#[derive(Clone, PartialEq, prost::Message)]
pub struct PolicyDocumentRecord {
    /// A piece may end within a character.
    #[prost(bytes = "bytes", tag = "1")]
    pub text: Bytes,
    /// Of the whole document, so that a missing one is noticed.
    #[prost(uint64, tag = "2")]
    pub piece_count: u64,
}

impl Record for PolicyDocumentRecord {
    const KIND: Kind = Kind::PolicyDocument;
}

/// Which of its holder's documents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Document {
    /// Of a user, a group or a role, by the policy's name.
    Inline(String),
    /// Of a managed policy, by its number.
    Version(u32),
    /// Of a role: who may take it.
    Trust,
    /// Of a bucket.
    Bucket,
}

const INLINE: u8 = 1;
const VERSION: u8 = 2;
const TRUST: u8 = 3;
const BUCKET: u8 = 4;

pub fn key(holder: &HolderName, document: &Document, piece: u64) -> Bytes {
    let key = holder.write(KeyWriter::new(Kind::PolicyDocument));
    match document {
        Document::Inline(name) => key.byte(INLINE).escaped(name.as_bytes()),
        Document::Version(number) => key.byte(VERSION).number((*number).into()),
        Document::Trust => key.byte(TRUST),
        Document::Bucket => key.byte(BUCKET),
    }
    .number(piece)
    .done()
}

/// Holder, document and number of the piece.
///
/// # Errors
/// The key is not of this kind.
pub fn name(key: &[u8]) -> Result<(HolderName, Document, u64), RecordError> {
    let mut reader = KeyReader::new(Kind::PolicyDocument, key)?;
    let holder = HolderName::read(&mut reader)?;
    let document = match reader.byte()? {
        INLINE => Document::Inline(reader.escaped_text()?),
        VERSION => match u32::try_from(reader.number()?) {
            Ok(number) => Document::Version(number),
            Err(_) => return Err(reader.damaged("the version's number is too large")),
        },
        TRUST => Document::Trust,
        BUCKET => Document::Bucket,
        _ => return Err(reader.damaged("there is no such document")),
    };
    Ok((holder, document, reader.number()?))
}

/// The pieces of a document, in order; at least one.
pub fn cut(text: &str) -> Vec<PolicyDocumentRecord> {
    let pieces: Vec<&[u8]> = match text {
        "" => vec![b""],
        text => text.as_bytes().chunks(PIECE_BYTES).collect(),
    };
    let piece_count = pieces.len() as u64;
    let record = |text: &[u8]| PolicyDocumentRecord { text: Bytes::copy_from_slice(text), piece_count };
    pieces.into_iter().map(record).collect()
}

/// A document out of its pieces, as they were found, in order.
///
/// # Errors
/// What is wrong with them.
pub fn join(pieces: &[(u64, PolicyDocumentRecord)]) -> Result<String, &'static str> {
    let count = pieces.len() as u64;
    let is_whole = pieces.iter().zip(0..).all(|((number, piece), n)| *number == n && piece.piece_count == count);
    if !is_whole {
        return Err("a piece of the document is missing");
    }
    let text = pieces.iter().flat_map(|(_, piece)| &piece.text).copied().collect();
    String::from_utf8(text).map_err(|_| "the document is not text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::holder::HolderKind;
    use crate::records::testing::round_trips;
    use proptest::prelude::*;

    #[test]
    fn a_piece_comes_out_as_it_went_in() {
        round_trips(&PolicyDocumentRecord { text: vec![b'x'; PIECE_BYTES].into(), piece_count: u64::MAX });
        let alice = HolderName::new(HolderKind::User, "alice");
        let documents = [Document::Inline("a\0b".into()), Document::Version(7), Document::Trust, Document::Bucket];
        for document in documents {
            let name = name(&key(&alice, &document, 3)).unwrap();
            assert_eq!(name, (alice.clone(), document, 3));
        }
    }

    #[test]
    fn a_missing_piece_is_noticed() {
        let text = "é".repeat(PIECE_BYTES);
        let pieces: Vec<_> = (0..).zip(cut(&text)).collect();
        assert_eq!(pieces.len(), 2);
        assert_eq!(join(&pieces).unwrap(), text);
        assert!(join(&pieces[..1]).is_err() && join(&pieces[1..]).is_err());
        let swapped = [(0, pieces[1].1.clone()), (0, pieces[0].1.clone())];
        assert!(join(&swapped).is_err());
    }

    proptest! {
        #[test]
        fn any_document_is_cut_and_joined(text in "\\PC{0,40}", times in 1usize..2_000) {
            let text = text.repeat(times);
            let pieces: Vec<_> = (0..).zip(cut(&text)).collect();
            prop_assert_eq!(join(&pieces).unwrap(), text);
        }
    }
}
