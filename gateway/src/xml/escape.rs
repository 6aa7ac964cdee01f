//! How bytes of a key or a name are written into a document.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Bytes that can't stand in text as they are: markup, control characters (XML 1.0 has no way to carry most of them;
/// S3 writes numeric references all the same), and the first byte of U+FFFE and U+FFFF.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'"' as usize] = true;
    table[0xEF] = true;
    table
};

/// Appends text with markup escaped.
pub(super) fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !SPECIAL[usize::from(byte)] {
            continue;
        }
        let (reference, length) = match reference(&bytes[at..]) {
            Some(found) => found,
            None => continue,
        };
        out.extend_from_slice(&bytes[start..at]);
        out.extend_from_slice(reference);
        start = at + length;
    }
    out.extend_from_slice(&bytes[start..]);
}

/// What the character at the start of `bytes` is written as, and how many bytes it has; None: as it is.
fn reference(bytes: &[u8]) -> Option<(&'static [u8], usize)> {
    Some(match bytes {
        [b'&', ..] => (b"&amp;", 1),
        [b'<', ..] => (b"&lt;", 1),
        [b'>', ..] => (b"&gt;", 1),
        [b'"', ..] => (b"&quot;", 1),
        [0xEF, 0xBF, 0xBE, ..] => (b"&#xFFFE;", 3),
        [0xEF, 0xBF, 0xBF, ..] => (b"&#xFFFF;", 3),
        [control @ 0..=0x1F, ..] => (CONTROLS[usize::from(*control)], 1),
        _ => return None,
    })
}

/// No key has a null byte, so what repeats one is a refusal: it is written as U+FFFD, since no parser at all takes a
/// reference to it.
const CONTROLS: [&[u8]; 32] = [
    b"\xEF\xBF\xBD",
    b"&#x1;",
    b"&#x2;",
    b"&#x3;",
    b"&#x4;",
    b"&#x5;",
    b"&#x6;",
    b"&#x7;",
    b"&#x8;",
    b"&#x9;",
    b"&#xA;",
    b"&#xB;",
    b"&#xC;",
    b"&#xD;",
    b"&#xE;",
    b"&#xF;",
    b"&#x10;",
    b"&#x11;",
    b"&#x12;",
    b"&#x13;",
    b"&#x14;",
    b"&#x15;",
    b"&#x16;",
    b"&#x17;",
    b"&#x18;",
    b"&#x19;",
    b"&#x1A;",
    b"&#x1B;",
    b"&#x1C;",
    b"&#x1D;",
    b"&#x1E;",
    b"&#x1F;",
];

/// As `encoding-type=url` wants it: unreserved characters (RFC 3986, 2.3) and `/` stay, a space is `%20`.
pub fn url_encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn markup_and_control_characters_become_references() {
        for (text, expected) in [
            ("plain/key.txt", "plain/key.txt"),
            ("a&b<c>d\"e'f", "a&amp;b&lt;c&gt;d&quot;e'f"),
            ("\u{1}x\u{1f}", "&#x1;x&#x1F;"),
            ("1\0", "1\u{fffd}"),
            ("tab\tline\nreturn\r", "tab&#x9;line&#xA;return&#xD;"),
            ("é — 日本 😀", "é — 日本 😀"),
            ("\u{fffe}\u{ffff}\u{fffd}\u{ff01}", "&#xFFFE;&#xFFFF;\u{fffd}\u{ff01}"),
            ("", ""),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn url_encoding_keeps_slashes_and_writes_spaces_as_percent_20() {
        assert_eq!(url_encoded(b"a b/c+d%e~f-g_h.i"), "a%20b/c%2Bd%25e~f-g_h.i");
        assert_eq!(url_encoded("é\u{1}".as_bytes()), "%C3%A9%01");
    }

    proptest! {
        #[test]
        fn escaped_text_has_no_markup(text in any::<String>()) {
            let out = escaped(&text);
            prop_assert!(!out.contains('<') && !out.contains('>') && !out.contains('"'));
            prop_assert!(!out.bytes().any(|byte| byte < 0x20));
        }

        #[test]
        fn url_encoding_can_be_undone(bytes in any::<Vec<u8>>()) {
            let decoded: Vec<u8> = percent_encoding::percent_decode_str(&url_encoded(&bytes)).collect();
            prop_assert_eq!(decoded, bytes);
        }
    }
}
