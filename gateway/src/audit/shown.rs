//! Bytes that a client chose, as text that a line, a terminal and whoever reads either can bear.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What is left out is told so.
const CUT: char = '…';

/// Printable UTF-8 as it is. Any other byte as `\xNN`, and so are the bytes of characters that end lines somewhere or
/// change how others look; a backslash is doubled, so that nothing is ambiguous. Of longer values the first `max_bytes`
/// are shown.
pub fn shown(bytes: &[u8], max_bytes: usize) -> Cow<'_, str> {
    if bytes.len() <= max_bytes && bytes.iter().all(|&byte| matches!(byte, b' '..=b'~') && byte != b'\\') {
        // All of it is ASCII.
        return String::from_utf8_lossy(bytes);
    }
    let mut text = String::with_capacity(bytes.len().min(max_bytes) + 16);
    for chunk in bytes[..bytes.len().min(max_bytes)].utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push_str("\\\\");
            } else if is_printable(character) {
                text.push(character);
            } else {
                escape(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        escape(&mut text, chunk.invalid());
    }
    if bytes.len() > max_bytes {
        text.push(CUT);
    }
    Cow::Owned(text)
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing into memory does not fail.
        let _ = write!(text, "\\x{byte:02X}");
    }
}

/// Neither a control character nor a line or paragraph separator nor one that turns the direction of text.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        && character != '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_printable_stays_as_it_is() {
        for text in ["", "plain/key.txt", "a b", "\"quoted\"", "café", "日本", "🦀"] {
            assert_eq!(shown(text.as_bytes(), 1024), text);
        }
    }

    #[test]
    fn what_is_not_is_escaped() {
        for (bytes, expected) in [
            (&b"a\\b"[..], "a\\\\b"),
            (b"a\nb\r\0\x1B[31m\x7F", "a\\x0Ab\\x0D\\x00\\x1B[31m\\x7F"),
            (b"\xFF\xC3(", "\\xFF\\xC3("),
            ("\u{85}\u{2028}\u{202e}".as_bytes(), "\\xC2\\x85\\xE2\\x80\\xA8\\xE2\\x80\\xAE"),
        ] {
            assert_eq!(shown(bytes, 1024), expected);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(shown(b"abcdef", 3), "abc…");
        assert_eq!(shown("aé".as_bytes(), 2), "a\\xC3…");
    }

    fn unescaped(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte != b'\\' {
                out.push(byte);
            } else if rest[0] == b'\\' {
                out.push(b'\\');
                rest = &rest[1..];
            } else {
                out.push(u8::from_str_radix(std::str::from_utf8(&rest[1..3]).unwrap(), 16).unwrap());
                rest = &rest[3..];
            }
        }
        out
    }

    proptest! {
        #[test]
        fn every_value_can_be_had_back(bytes in any::<Vec<u8>>()) {
            let text = shown(&bytes, 1024);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(unescaped(&text), bytes);
        }
    }
}
