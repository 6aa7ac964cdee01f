//! What follows the first word of a header such as Content-Type: `; name=value; other="quoted value"`.
//! RFC 9110, 5.6.6; RFC 2183.

/// Names in lower case, with their values, in their order. `rest` begins after the first word; None: it is not
/// well-formed.
pub fn parameters(mut rest: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        match rest.split_first() {
            None => return Some(found),
            Some((b';', after)) => rest = after.trim_ascii_start(),
            Some(_) => return None,
        }
        // A header may end with a semicolon, and may have two in a row.
        if rest.is_empty() || rest.starts_with(b";") {
            continue;
        }
        let equals = rest.iter().position(|&byte| byte == b'=')?;
        let (name, after) = (&rest[..equals], &rest[equals + 1..]);
        if name.is_empty() || !name.iter().all(|&byte| is_of_token(byte)) {
            return None;
        }
        let (value, after) = match after.strip_prefix(b"\"") {
            Some(quoted) => quoted_value(quoted)?,
            None => plain_value(after)?,
        };
        found.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
        rest = after;
    }
}

/// Which bytes a name may have. RFC 9110, 5.6.2.
pub fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Up to the next semicolon. Clients leave the quotes out where they should not, so more than a token is taken.
fn plain_value(rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let end = rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len());
    let value = rest[..end].trim_ascii_end();
    let is_plain = !value.is_empty() && value.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'"');
    is_plain.then(|| (value.to_vec(), &rest[end..]))
}

/// Up to the closing quote. A backslash escapes a quote and a backslash; before anything else it is a backslash, as in
/// the paths that some browsers send as a file's name.
fn quoted_value(rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match (rest.get(at)?, rest.get(at + 1)) {
            (b'"', _) => return Some((value, &rest[at + 1..])),
            (b'\\', Some(&escaped @ (b'"' | b'\\'))) => {
                value.push(escaped);
                at += 2;
            }
            (&byte, _) => {
                value.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let text_of = |(name, value)| (name, String::from_utf8(value).unwrap());
        Some(parameters(text.as_bytes())?.into_iter().map(text_of).collect())
    }

    #[test]
    fn values_are_plain_or_quoted() {
        for (text, name, value) in [
            ("; a=b", "a", "b"),
            (";a=b", "a", "b"),
            ("; A=b ;", "a", "b"),
            (";; a=b;;", "a", "b"),
            ("; a=\"b c; d=e\"", "a", "b c; d=e"),
            ("; a=\"\"", "a", ""),
            ("; a=\"q\\\"q\\\\\"", "a", "q\"q\\"),
            ("; a=\"C:\\dir\\f.txt\"", "a", "C:\\dir\\f.txt"),
            ("; a==b/c", "a", "=b/c"),
        ] {
            assert_eq!(read(text), Some(vec![(name.to_owned(), value.to_owned())]), "{text}");
        }
        assert_eq!(read(""), Some(Vec::new()));
        assert_eq!(read("; a=1; a=2").unwrap().len(), 2);
    }

    #[test]
    fn what_is_not_well_formed_is_none() {
        for text in
            ["a=b", "; a", "; =b", "; a=", "; a=\"b", "; a=\"b\\\"", "; a=b\"c", "; a b=c", "; a=\"b\"c", "; a=é"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
