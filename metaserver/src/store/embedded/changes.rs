//! Changes as bytes: what journal frames and checkpoint blocks carry.
//!
//! A change is a key with its new value, or with nothing: it was deleted. Changes are absolute, additions to counters
//! are resolved before they get here, so that applying them again, in order, from any earlier state, leads to the same
//! state.
//!
//! | bytes | what |
//! |---|---|
//! | 2 | length of the key, little endian |
//! | 4 | length of the value, little endian; `0xffff_ffff`: deleted |
//! | … | key, value |

use super::super::{MAX_STORE_KEY_BYTES, MAX_VALUE_BYTES};

const HEADER_BYTES: usize = 6;
const DELETED: u32 = u32::MAX;

/// A key and its new value; `None`: it was deleted.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Appends a change. Lengths were checked when the batch was taken.
pub(super) fn push(out: &mut Vec<u8>, (key, value): Change<'_>) {
    debug_assert!(key.len() <= MAX_STORE_KEY_BYTES && value.is_none_or(|value| value.len() <= MAX_VALUE_BYTES));
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    out.extend_from_slice(&value.map_or(DELETED, |value| value.len() as u32).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value.unwrap_or_default());
}

/// The changes in a payload, in order. `Err` where the payload is no run of changes: then it ends there.
pub(super) fn read(payload: &[u8]) -> impl Iterator<Item = Result<Change<'_>, Malformed>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let change = split(&mut rest).ok_or(Malformed);
        if change.is_err() {
            rest = &[];
        }
        Some(change)
    })
}

/// A payload with a good checksum that does not parse: it was written by other code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

fn split<'a>(rest: &mut &'a [u8]) -> Option<Change<'a>> {
    let (header, after) = rest.split_first_chunk::<HEADER_BYTES>()?;
    let [k0, k1, v0, v1, v2, v3] = *header;
    let key_length = usize::from(u16::from_le_bytes([k0, k1]));
    let value_length = u32::from_le_bytes([v0, v1, v2, v3]);
    let (key, after) = after.split_at_checked(key_length)?;
    let (value, after) = match value_length {
        DELETED => (None, after),
        length => {
            let (value, after) = after.split_at_checked(length as usize)?;
            (Some(value), after)
        }
    };
    *rest = after;
    Some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_as_they_went_in() {
        let long = vec![7; MAX_VALUE_BYTES];
        let changes: Vec<Change<'_>> =
            vec![(b"a", Some(b"1")), (b"", Some(b"")), (b"gone", None), (&long[..MAX_STORE_KEY_BYTES], Some(&long))];
        let mut bytes = Vec::new();
        for change in &changes {
            push(&mut bytes, *change);
        }
        assert_eq!(read(&bytes).collect::<Result<Vec<_>, _>>().unwrap(), changes);
        assert_eq!(read(&[]).count(), 0);
    }

    #[test]
    fn a_payload_cut_anywhere_inside_a_change_is_malformed() {
        let mut bytes = Vec::new();
        push(&mut bytes, (b"key", Some(b"value")));
        for length in 1..bytes.len() {
            assert_eq!(read(&bytes[..length]).collect::<Vec<_>>(), [Err(Malformed)], "{length} bytes");
        }
    }
}
