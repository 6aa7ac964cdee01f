//! How keys are put together and taken apart.
//!
//! Numbers are eight bytes, big endian. A byte string in the middle of a key is escaped (`00` becomes `00 FF`) and ended
//! with `00 00`; at the end of a key it stands as it is. Either way, byte order of keys is the order of their parts.

use super::error::RecordError;
pub use super::kind::Kind;
use bytes::{BufMut, Bytes, BytesMut};

/// Puts a key together.
pub struct KeyWriter(BytesMut);

impl KeyWriter {
    pub fn new(kind: Kind) -> Self {
        let mut key = BytesMut::with_capacity(64);
        key.put_u8(kind as u8);
        Self(key)
    }

    pub fn number(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    pub fn byte(mut self, byte: u8) -> Self {
        self.0.put_u8(byte);
        self
    }

    /// The beginning of an escaped byte string: of all that start with these bytes.
    pub fn escaped_prefix(mut self, bytes: &[u8]) -> Self {
        self.0.reserve(bytes.len() + 2);
        for &byte in bytes {
            self.0.put_u8(byte);
            if byte == 0 {
                self.0.put_u8(0xFF);
            }
        }
        self
    }

    /// A byte string that more follows.
    pub fn escaped(self, bytes: &[u8]) -> Self {
        let mut this = self.escaped_prefix(bytes);
        this.0.extend_from_slice(&[0, 0]);
        this
    }

    /// A byte string that ends the key.
    pub fn last(mut self, bytes: &[u8]) -> Bytes {
        self.0.extend_from_slice(bytes);
        self.0.freeze()
    }

    pub fn done(self) -> Bytes {
        self.0.freeze()
    }
}

/// Takes a key apart, in the order in which it was put together.
pub struct KeyReader<'a> {
    kind: Kind,
    key: &'a [u8],
    rest: &'a [u8],
}

impl<'a> KeyReader<'a> {
    /// # Errors
    /// [`RecordError`]: it is the key of another kind.
    pub fn new(kind: Kind, key: &'a [u8]) -> Result<Self, RecordError> {
        match key.split_first() {
            Some((&tag, rest)) if tag == kind as u8 => Ok(Self { kind, key, rest }),
            _ => Err(RecordError::new(kind, key, "the key has another tag")),
        }
    }

    pub fn number(&mut self) -> Result<u64, RecordError> {
        match self.rest.split_first_chunk::<8>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(u64::from_be_bytes(*bytes))
            }
            None => Err(self.damaged("the key is too short")),
        }
    }

    pub fn byte(&mut self) -> Result<u8, RecordError> {
        match self.rest.split_first() {
            Some((&byte, rest)) => {
                self.rest = rest;
                Ok(byte)
            }
            None => Err(self.damaged("the key is too short")),
        }
    }

    pub fn escaped(&mut self) -> Result<Bytes, RecordError> {
        let mut bytes = BytesMut::with_capacity(self.rest.len());
        loop {
            match self.rest {
                [0, 0, rest @ ..] => {
                    self.rest = rest;
                    return Ok(bytes.freeze());
                }
                [0, 0xFF, rest @ ..] => {
                    bytes.put_u8(0);
                    self.rest = rest;
                }
                [0, ..] | [] => return Err(self.damaged("the key's escaping is broken")),
                [byte, rest @ ..] => {
                    bytes.put_u8(*byte);
                    self.rest = rest;
                }
            }
        }
    }

    pub fn last(self) -> &'a [u8] {
        self.rest
    }

    /// A byte string in the middle of a key that is a text.
    pub fn escaped_text(&mut self) -> Result<String, RecordError> {
        String::from_utf8(self.escaped()?.into()).map_err(|_| self.damaged("a name is not text"))
    }

    /// A byte string at the end of a key that is a text.
    pub fn last_text(self) -> Result<String, RecordError> {
        match std::str::from_utf8(self.rest) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.damaged("the name is not text")),
        }
    }

    pub fn damaged(&self, detail: &str) -> RecordError {
        RecordError::new(self.kind, self.key, detail)
    }
}

/// The smallest byte string after all that start with `prefix`; none when there is no such (`FF FF …`).
pub fn successor(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut bytes = prefix[..=last].to_vec();
    bytes[last] += 1;
    Some(bytes.into())
}

/// The key right after this one.
pub fn next(key: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(key.len() + 1);
    bytes.extend_from_slice(key);
    bytes.put_u8(0);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xFF), any::<u8>()], 0..6)
    }

    proptest! {
        #[test]
        fn byte_order_of_keys_is_the_order_of_their_parts(a: (u64, u64), b: (u64, u64), k in name(), l in name()) {
            let key = |id: u64, name: &[u8], n: u64| KeyWriter::new(Kind::Upload).number(id).escaped(name).number(n).done();
            prop_assert_eq!(key(a.0, &k, a.1).cmp(&key(b.0, &l, b.1)), (a.0, &k, a.1).cmp(&(b.0, &l, b.1)));
            prop_assert_eq!(key(1, &k, a.1).cmp(&key(1, &l, b.1)), (&k, a.1).cmp(&(&l, b.1)));
            let last = |id: u64, name: &[u8]| KeyWriter::new(Kind::Object).number(id).last(name);
            prop_assert_eq!(last(a.0, &k).cmp(&last(b.0, &l)), (a.0, &k).cmp(&(b.0, &l)));
        }

        #[test]
        fn a_key_comes_apart_as_it_was_put_together(id: u64, n: u64, k in name()) {
            let key = KeyWriter::new(Kind::Upload).number(id).escaped(&k).number(n).byte(9).last(b"x");
            let mut reader = KeyReader::new(Kind::Upload, &key).unwrap();
            prop_assert_eq!(reader.number().unwrap(), id);
            prop_assert_eq!(&reader.escaped().unwrap()[..], &k[..]);
            prop_assert_eq!(reader.number().unwrap(), n);
            prop_assert_eq!(reader.byte().unwrap(), 9);
            prop_assert_eq!(reader.last(), b"x");
        }

        #[test]
        fn an_escaped_prefix_is_a_prefix_of_what_starts_with_it(p in name(), k in name()) {
            let prefix = KeyWriter::new(Kind::Upload).escaped_prefix(&p).done();
            let key = KeyWriter::new(Kind::Upload).escaped(&k).done();
            prop_assert_eq!(key.starts_with(&prefix), k.starts_with(&p));
        }

        #[test]
        fn the_successor_is_right_after_all_that_start_with_the_prefix(p in name(), k in name()) {
            match successor(&p) {
                Some(after) => prop_assert_eq!(k.starts_with(&p), p <= k && k[..] < after[..]),
                None => prop_assert!(k.starts_with(&p) || k < p),
            }
        }
    }

    #[test]
    fn broken_keys_are_refused() {
        assert!(KeyReader::new(Kind::Upload, b"").is_err());
        assert!(KeyReader::new(Kind::Upload, b"\x10").is_err());
        for key in [&b"\x20ab"[..], b"\x20a\0", b"\x20a\0\x07", b"\x20"] {
            assert!(KeyReader::new(Kind::Upload, key).unwrap().escaped().is_err());
        }
        assert!(KeyReader::new(Kind::Upload, b"\x20abc").unwrap().number().is_err());
        assert!(KeyReader::new(Kind::Upload, b"\x20\xFF\0\0").unwrap().escaped_text().is_err());
        assert!(KeyReader::new(Kind::Upload, b"\x20\xFF").unwrap().last_text().is_err());
    }
}
