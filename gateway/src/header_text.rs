//! Header values as text and back, byte for byte.
//!
//! The contract carries text; HTTP carries bytes. UTF-8, and with it ASCII and RFC 2047's encoded words, is kept as it
//! is. Each byte that is not part of valid UTF-8 becomes a character of a private range, and so do the bytes of
//! characters of that range that a client sends itself: so every value comes out as it went in.

use http::HeaderValue;

/// The byte `b` is written as the character `FIRST + b`.
const FIRST: u32 = 0xF700;
const LAST: u32 = FIRST + 0xFF;

/// Text for the contract.
pub fn to_text(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            if (FIRST..=LAST).contains(&u32::from(character)) {
                let mut bytes = [0; 4];
                character.encode_utf8(&mut bytes).bytes().for_each(|byte| push_byte(&mut text, byte));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|&byte| push_byte(&mut text, byte));
    }
    text
}

fn push_byte(text: &mut String, byte: u8) {
    text.extend(char::from_u32(FIRST + u32::from(byte)));
}

/// A header's value from text of the contract; None when no header can carry it.
pub fn to_value(text: &str) -> Option<HeaderValue> {
    if text.is_ascii() {
        return HeaderValue::from_str(text).ok();
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        let code = u32::from(character);
        match u8::try_from(code.wrapping_sub(FIRST)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    HeaderValue::from_bytes(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_utf8_stays_readable() {
        for value in ["plain", "", "café", "=?UTF-8?B?w7w=?=", "日本"] {
            assert_eq!(to_text(value.as_bytes()), value);
            assert_eq!(to_value(value).unwrap().as_bytes(), value.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_out_as_it_went_in(value in any::<Vec<u8>>()) {
            // What HTTP allows in a value.
            let value: Vec<u8> = value.into_iter().filter(|&byte| byte == b'\t' || byte >= 0x20 && byte != 0x7F).collect();
            let back = to_value(&to_text(&value)).unwrap();
            prop_assert_eq!(back.as_bytes(), value.as_slice());
        }

        #[test]
        fn characters_of_the_private_range_survive(code in FIRST..=LAST) {
            let value = char::from_u32(code).unwrap().to_string();
            let back = to_value(&to_text(value.as_bytes())).unwrap();
            prop_assert_eq!(back.as_bytes(), value.as_bytes());
        }
    }
}
