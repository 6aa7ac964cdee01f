//! The head of one part of a form: what it is called, and what its file is called. RFC 7578, 4.

use super::error::malformed;
use super::parameters::{is_of_token, parameters};
use crate::body::BodyError;

/// The part that holds the file. Whether another part has a file's name says nothing: some clients give one to all.
const FILE: &str = "file";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    pub name: String,
    /// Absent: none was given, which is not the same as an empty one.
    pub file_name: Option<String>,
}

impl PartHead {
    /// `block` is what lies between the boundary and the part's content, without the empty line: what pads the
    /// boundary's line, then the headers.
    ///
    /// # Errors
    /// [`BodyError::MalformedForm`].
    pub fn parse(block: &[u8]) -> Result<Self, BodyError> {
        let mut lines = lines(block);
        let padding = lines.next().unwrap_or_default();
        if !padding.iter().all(|&byte| byte == b' ' || byte == b'\t') {
            return Err(malformed("the line of a boundary goes on after it"));
        }
        let mut disposition = None;
        for line in lines {
            let (name, value) = header(line)?;
            if name.eq_ignore_ascii_case(b"content-disposition") {
                if disposition.replace(value).is_some() {
                    return Err(malformed("a part has more than one Content-Disposition header"));
                }
            } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
                check_encoding(value)?;
            }
            // RFC 7578, 4.8: all others are ignored, but for the type, of which the form's own field speaks.
        }
        of_disposition(disposition.ok_or_else(|| malformed("a part has no Content-Disposition header"))?)
    }

    pub fn is_file(&self) -> bool {
        self.name.eq_ignore_ascii_case(FILE)
    }
}

fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(block);
    std::iter::from_fn(move || {
        let block = rest?;
        match block.windows(2).position(|pair| pair == b"\r\n") {
            Some(end) => {
                rest = Some(&block[end + 2..]);
                Some(&block[..end])
            }
            None => rest.take(),
        }
    })
}

fn header(line: &[u8]) -> Result<(&[u8], &[u8]), BodyError> {
    let is_text = line.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7F);
    let colon = line.iter().position(|&byte| byte == b':').filter(|_| is_text);
    match colon {
        Some(colon) if colon > 0 && line[..colon].iter().all(|&byte| is_of_token(byte)) => {
            Ok((&line[..colon], line[colon + 1..].trim_ascii()))
        }
        _ => Err(malformed("a part has a line among its headers that is none")),
    }
}

/// A part's content is its bytes. What says otherwise would be stored encoded. RFC 7578, 4.7.
fn check_encoding(value: &[u8]) -> Result<(), BodyError> {
    if [&b"binary"[..], b"8bit", b"7bit"].iter().any(|plain| value.eq_ignore_ascii_case(plain)) {
        return Ok(());
    }
    Err(malformed("a part has a Content-Transfer-Encoding, which is not served"))
}

fn of_disposition(value: &[u8]) -> Result<PartHead, BodyError> {
    let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
    if !value[..end].trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return Err(malformed("the Content-Disposition of a part is not form-data"));
    }
    let found = parameters(&value[end..]).ok_or_else(|| malformed("a Content-Disposition header can't be read"))?;
    let (mut name, mut file_name) = (None, None);
    for (parameter, value) in found {
        let slot = match parameter.as_str() {
            "name" => &mut name,
            "filename" => &mut file_name,
            // `filename*` among them: RFC 7578, 4.2, has no use for it.
            _ => continue,
        };
        let text = String::from_utf8(value).map_err(|_| malformed("the name of a part is not UTF-8"))?;
        if slot.replace(text).is_some() {
            return Err(malformed("a Content-Disposition header has a parameter twice"));
        }
    }
    match name.filter(|name| !name.is_empty()) {
        Some(name) => Ok(PartHead { name, file_name }),
        None => Err(malformed("a part has no name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(block: &[u8]) -> Option<(String, Option<String>)> {
        PartHead::parse(block).ok().map(|head| (head.name, head.file_name))
    }

    fn named(name: &str, file_name: Option<&str>) -> Option<(String, Option<String>)> {
        Some((name.to_owned(), file_name.map(str::to_owned)))
    }

    #[test]
    fn a_part_has_a_name_and_may_have_a_files_name() {
        for (block, expected) in [
            ("\r\nContent-Disposition: form-data; name=\"key\"", named("key", None)),
            (" \t\r\ncontent-disposition:form-data;name=key", named("key", None)),
            ("\r\nContent-Disposition: Form-Data; filename=\"\"; name=\"file\"", named("file", Some(""))),
            (
                "\r\nX-Other: é\r\nContent-Type: image/jpeg\r\nContent-Disposition: form-data; name=\"File\"; \
                 filename=\"fotó.jpg\"; filename*=UTF-8''x\r\nContent-Transfer-Encoding: BINARY",
                named("File", Some("fotó.jpg")),
            ),
        ] {
            assert_eq!(parsed(block.as_bytes()), expected, "{block}");
        }
        assert!(PartHead { name: "FILE".into(), file_name: None }.is_file());
        assert!(!PartHead { name: "file2".into(), file_name: Some("a".into()) }.is_file());
    }

    #[test]
    fn what_is_no_head_of_a_part_is_malformed() {
        for block in [
            &b""[..],
            b"\r\n",
            b"x\r\nContent-Disposition: form-data; name=\"key\"",
            b"\r\nContent-Type: text/plain",
            b"\r\nContent-Disposition: form-data",
            b"\r\nContent-Disposition: form-data; name=\"\"",
            b"\r\nContent-Disposition: attachment; name=\"key\"",
            b"\r\nContent-Disposition: form-data; name=\"a\"; name=\"b\"",
            b"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"; filename=\"b\"",
            b"\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
            b"\r\nContent-Disposition: form-data; name=\"key",
            b"\r\nContent-Disposition: form-data; name=\"\xFF\"",
            b"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xC3\x28\"",
            b"\r\nContent-Disposition: form-data; name=\"k\"\r\nContent-Transfer-Encoding: base64",
            b"\r\nContent-Disposition: form-data; name=\"k\"\r\n folded",
            b"\r\nContent-Disposition: form-data; name=\"k\"\r\nno colon",
            b"\r\nContent-Disposition: form-data; name=\"k\"\r\n: no name",
            b"\r\nContent-Disposition: form-data; name=\"k\nX: y\"",
            b"\r\nContent-Disposition: form-data; name=\"k\rX: y\"",
            b"\r\nContent-Disposition: form-data; name=\"k\0\"",
            b"\nContent-Disposition: form-data; name=\"key\"",
        ] {
            assert_eq!(parsed(block), None, "{}", String::from_utf8_lossy(block));
        }
    }
}
