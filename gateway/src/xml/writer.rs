//! Writes a document from its start to its end. What comes from a client is escaped; element names are the code's own.

use super::escape::escape;
use super::{NAMESPACE, write_iso8601, write_iso8601_seconds};
use std::borrow::Cow;
use std::io::Write as _;

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A document being written.
///
/// ```
/// # use weir_gateway::xml::Writer;
/// let mut xml = Writer::new("Tagging");
/// xml.within("TagSet", |xml| {
///     xml.text("Key", "a<b");
/// });
/// assert!(xml.finish().ends_with(b"<TagSet><Key>a&lt;b</Key></TagSet></Tagging>"));
/// ```
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// None: elements for a document that is written later.
    root: Option<Cow<'static, str>>,
}

impl Writer {
    /// A document of S3's namespace.
    pub fn new(root: &'static str) -> Self {
        Self::with_capacity(root, 512)
    }

    /// With room for so many bytes.
    pub fn with_capacity(root: &'static str, bytes: usize) -> Self {
        Self::of_namespace(root.into(), NAMESPACE, bytes)
    }

    /// A document of another namespace, with room for so many bytes. Both names are the code's own.
    pub fn of_namespace(root: Cow<'static, str>, namespace: &str, bytes: usize) -> Self {
        let mut writer = Self { out: Vec::with_capacity(bytes), root: None };
        writer.out.extend_from_slice(DECLARATION);
        writer.raw("<").raw(&root).raw(" xmlns=\"").raw(namespace).raw("\">");
        writer.root = Some(root);
        writer
    }

    /// Errors have none.
    pub fn without_namespace(root: &'static str) -> Self {
        let mut writer = Self { out: Vec::with_capacity(512), root: Some(root.into()) };
        writer.out.extend_from_slice(DECLARATION);
        writer.open(root);
        writer
    }

    /// Elements alone, for a document that is written later: see [`Writer::elements_of`].
    pub fn elements() -> Self {
        Self { out: Vec::with_capacity(512), root: None }
    }

    /// What has been written apart.
    pub fn elements_of(&mut self, elements: &Self) -> &mut Self {
        self.out.extend_from_slice(&elements.out);
        self
    }

    /// Of what has been written.
    pub fn length_bytes(&self) -> usize {
        self.out.len()
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.out.extend_from_slice(text.as_bytes());
        self
    }

    pub fn open(&mut self, name: &str) -> &mut Self {
        self.raw("<").raw(name).raw(">")
    }

    pub fn close(&mut self, name: &str) -> &mut Self {
        self.raw("</").raw(name).raw(">")
    }

    /// An element with what `content` writes in it.
    pub fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        content(self);
        self.close(name)
    }

    /// An element that holds text.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.open(name);
        escape(&mut self.out, text);
        self.close(name)
    }

    /// An element that holds the bytes of a key. Keys are UTF-8 where they enter by HTTP; others show as what can be
    /// shown of them.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(name, text),
            Err(_) => self.text(name, &String::from_utf8_lossy(bytes)),
        }
    }

    pub fn number(&mut self, name: &str, number: u64) -> &mut Self {
        self.open(name);
        // Writing into memory does not fail.
        let _ = write!(self.out, "{number}");
        self.close(name)
    }

    pub fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.open(name).raw(if value { "true" } else { "false" }).close(name)
    }

    /// An element that holds a time in milliseconds since 1970.
    pub fn time(&mut self, name: &str, time_ms: i64) -> &mut Self {
        self.open(name);
        write_iso8601(&mut self.out, time_ms);
        self.close(name)
    }

    /// The same in whole seconds, as IAM and STS write it.
    pub fn time_in_seconds(&mut self, name: &str, time_ms: i64) -> &mut Self {
        self.open(name);
        write_iso8601_seconds(&mut self.out, time_ms);
        self.close(name)
    }

    /// An element that holds an entity tag in quotes; given without them.
    pub fn etag(&mut self, name: &str, etag: &str) -> &mut Self {
        self.open(name).raw("&quot;");
        escape(&mut self.out, etag);
        self.raw("&quot;").close(name)
    }

    /// Text in the element that is open.
    pub fn own_text(&mut self, text: &str) -> &mut Self {
        escape(&mut self.out, text);
        self
    }

    /// Markup of the code's own, for what the other methods can't say.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.raw(markup)
    }

    /// Ends the root element, and the document.
    pub fn finish(mut self) -> Vec<u8> {
        if let Some(root) = self.root.take() {
            self.close(&root);
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Element;
    use proptest::prelude::*;

    fn text(writer: Writer) -> String {
        String::from_utf8(writer.finish()).unwrap()
    }

    #[test]
    fn a_document_has_a_declaration_and_the_namespace() {
        let mut xml = Writer::new("Root");
        xml.text("A", "x&y").number("N", 7).boolean("B", true).etag("E", "d41d").time("T", 0);
        assert_eq!(
            text(xml),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Root xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <A>x&amp;y</A><N>7</N><B>true</B><E>&quot;d41d&quot;</E><T>1970-01-01T00:00:00.000Z</T></Root>"
        );
    }

    #[test]
    fn elements_that_were_written_apart_become_part_of_a_document() {
        let mut elements = Writer::elements();
        elements.text("A", "<").time_in_seconds("T", 1999);
        let mut xml = Writer::of_namespace("Root".into(), "urn:x", 64);
        xml.within("Part", |xml| {
            xml.elements_of(&elements);
        });
        assert_eq!(
            text(xml),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Root xmlns=\"urn:x\">\
             <Part><A>&lt;</A><T>1970-01-01T00:00:01Z</T></Part></Root>"
        );
        assert_eq!(text(elements), "<A>&lt;</A><T>1970-01-01T00:00:01Z</T>");
    }

    #[test]
    fn bytes_that_are_no_text_do_not_break_the_document() {
        let mut xml = Writer::new("Root");
        xml.bytes("Key", b"a\xFF<");
        assert!(text(xml).contains("<Key>a\u{fffd}&lt;</Key>"));
    }

    #[test]
    fn a_large_listing_takes_less_than_two_microseconds_an_entry() {
        let mut xml = Writer::with_capacity("ListBucketResult", 400_000);
        let begun = std::time::Instant::now();
        for index in 0..1000 {
            xml.within("Contents", |xml| {
                xml.text("Key", "some/folder/with/a/name/file").time("LastModified", 1_255_369_830_000 + index);
                xml.etag("ETag", "d41d8cd98f00b204e9800998ecf8427e").number("Size", 4096);
                xml.text("StorageClass", "STANDARD");
            });
        }
        let elapsed = begun.elapsed();
        assert!(xml.finish().len() > 200_000);
        // Without optimisation and on a busy machine it takes some 10 times as long.
        assert!(elapsed.as_millis() < 200, "{elapsed:?}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(key in "[^\u{0}\u{fffe}\u{ffff}]{0,60}") {
            let mut xml = Writer::new("Root");
            xml.text("Key", &key);
            let document = xml.finish();
            let root = Element::parse(&document, "Root").unwrap();
            prop_assert_eq!(root.children[0].leaf().unwrap(), key.as_str());
        }
    }
}
