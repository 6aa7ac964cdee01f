//! Reads a document of a request into a small tree, and refuses whatever S3's schemas have no use for: document types,
//! entities, other encodings, depth, anything after the root. quick-xml itself lets most of that pass.

use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesStart, Event};

/// The deepest document has four levels.
const MAX_DEPTH: usize = 8;
/// Ten thousand parts with a number, an ETag and several checksums each have fewer.
const MAX_ELEMENTS: usize = 100_000;

/// Namespaces and schema locations. Each is compared with all before it.
const MAX_ATTRIBUTES: usize = 16;

/// Why a document was refused: `MalformedXML`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the XML document is malformed: {reason}")]
pub struct MalformedXml {
    pub reason: String,
}

impl MalformedXml {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// An element with its text and its children. Of attributes and namespaces S3 needs `xsi:type` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Without its prefix.
    pub name: String,
    /// `xsi:type`, by which the schema of ACLs tells grantees apart.
    pub schema_type: Option<String>,
    /// Of the element itself, references resolved.
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// Parses a document whose root has this name.
    ///
    /// # Errors
    /// [`MalformedXml`].
    pub fn parse(document: &[u8], root: &str) -> Result<Self, MalformedXml> {
        let text = std::str::from_utf8(document).map_err(|_| MalformedXml::new("it is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let element = Parser::new(text).run()?;
        if element.name == root {
            Ok(element)
        } else {
            Err(MalformedXml::new(format!("its root is {:?}, not {root:?}", shortened(&element.name))))
        }
    }

    /// The text of an element that has no children.
    ///
    /// # Errors
    /// [`MalformedXml`] when it has some.
    pub fn leaf(&self) -> Result<&str, MalformedXml> {
        if self.children.is_empty() {
            Ok(&self.text)
        } else {
            Err(MalformedXml::new(format!("{:?} has elements in it", shortened(&self.name))))
        }
    }

    /// The children of an element that has no text of its own.
    ///
    /// # Errors
    /// [`MalformedXml`] when it has some.
    pub fn branches(&self) -> Result<&[Self], MalformedXml> {
        if self.text.bytes().all(|byte| byte.is_ascii_whitespace()) {
            Ok(&self.children)
        } else {
            Err(MalformedXml::new(format!("{:?} has text in it", shortened(&self.name))))
        }
    }

    /// For an element that its parent can't have.
    pub fn unknown(&self) -> MalformedXml {
        MalformedXml::new(format!("{:?} is not known here", shortened(&self.name)))
    }
}

/// Puts the value of an element that may come once.
///
/// # Errors
/// [`MalformedXml`] when it came before.
pub(super) fn once<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), MalformedXml> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(MalformedXml::new(format!("{name} comes twice"))),
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.check_comments = true;
        config.check_end_names = true;
        config.expand_empty_elements = true;
        config.allow_dangling_amp = false;
        config.allow_unmatched_ends = false;
        Self { reader, text, open: Vec::new(), root: None, elements: 0 }
    }

    fn run(mut self) -> Result<Element, MalformedXml> {
        if let Some(bad) = self.text.chars().find(|&character| !is_xml_character(character)) {
            return Err(MalformedXml::new(format!("it has the character U+{:04X}", u32::from(bad))));
        }
        let mut first = true;
        loop {
            let event = self.reader.read_event().map_err(|error| MalformedXml::new(error.to_string()))?;
            match event {
                Event::Start(start) => self.begin(&start)?,
                Event::End(_) => self.end()?,
                Event::Text(text) => self.add_text(&text.xml10_content())?,
                Event::CData(text) => self.add_text(&text.xml10_content())?,
                Event::GeneralRef(reference) => self.add_reference(&reference)?,
                Event::Comment(_) | Event::PI(_) => {}
                Event::Decl(declaration) if first => check_declaration(&declaration)?,
                Event::Decl(_) => return Err(MalformedXml::new("the declaration is not at the start")),
                Event::DocType(_) => return Err(MalformedXml::new("it has a document type")),
                Event::Empty(_) => return Err(MalformedXml::new("it has an element that was not expanded")),
                Event::Eof => break,
            }
            first = false;
        }
        match (self.root, self.open.is_empty()) {
            (Some(root), true) => Ok(root),
            (_, false) => Err(MalformedXml::new("it ends too early")),
            (None, true) => Err(MalformedXml::new("it is empty")),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), MalformedXml> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(MalformedXml::new("it has more than one root"));
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(MalformedXml::new("it has too many elements"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(MalformedXml::new("it is too deep"));
        }
        if !is_qualified_name(start.name().into_inner()) {
            return Err(MalformedXml::new("the name of an element is none"));
        }
        let mut schema_type = None;
        for (count, attribute) in start.attributes().enumerate() {
            let attribute = attribute.map_err(|error| MalformedXml::new(error.to_string()))?;
            let (name, prefix) = attribute.key.decompose();
            if prefix.is_some() && name.into_inner() == "type" {
                schema_type = Some(attribute.value.to_string());
            }
            if count == MAX_ATTRIBUTES {
                return Err(MalformedXml::new("an element has too many attributes"));
            }
        }
        let name = start.local_name().into_inner().to_owned();
        self.open.push(Element { name, schema_type, ..Element::default() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), MalformedXml> {
        let Some(element) = self.open.pop() else {
            return Err(MalformedXml::new("an element ends that did not begin"));
        };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn add_text(&mut self, text: &str) -> Result<(), MalformedXml> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.bytes().all(|byte| byte.is_ascii_whitespace()) => {}
            None => return Err(MalformedXml::new("it has text outside of its root")),
        }
        Ok(())
    }

    /// A character by its number, or one of the five entities that XML itself has. Control characters by number are
    /// taken, though XML 1.0 has none: listings name keys with them, and such keys must be deletable.
    fn add_reference(&mut self, reference: &str) -> Result<(), MalformedXml> {
        let character = match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => numbered(other).ok_or_else(|| MalformedXml::new(format!("&{}; is unknown", shortened(other))))?,
        };
        match self.open.last_mut() {
            Some(element) => element.text.push(character),
            None => return Err(MalformedXml::new("it has text outside of its root")),
        }
        Ok(())
    }
}

/// `#38` or `#x26`.
fn numbered(reference: &str) -> Option<char> {
    let digits = reference.strip_prefix('#')?;
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (digits, 10),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u32::from_str_radix(digits, radix).ok().filter(|&number| number != 0)?;
    char::from_u32(number)
}

/// XML 1.0, 2.2.
fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Namespaces in XML 1.0, 4, with all characters beyond ASCII taken for letters: no element that is known has any.
fn is_qualified_name(name: &str) -> bool {
    let is_start = |character: char| character.is_ascii_alphabetic() || character == '_' || !character.is_ascii();
    let is_further = |character: char| is_start(character) || character.is_ascii_digit() || "-.".contains(character);
    let is_name = |part: &str| part.starts_with(is_start) && part.chars().all(is_further);
    match name.split_once(':') {
        Some((prefix, local)) => is_name(prefix) && is_name(local),
        None => is_name(name),
    }
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), MalformedXml> {
    let malformed = || MalformedXml::new("its declaration is broken");
    if declaration.version().map_err(|_| malformed())?.as_ref() != "1.0" {
        return Err(MalformedXml::new("its version is not 1.0"));
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if ["utf-8", "utf8", "us-ascii"].iter().any(|e| encoding.eq_ignore_ascii_case(e)) => Ok(()),
        Some(Ok(_)) => Err(MalformedXml::new("its encoding is not UTF-8")),
        Some(Err(_)) => Err(malformed()),
    }
}

/// A truth value.
///
/// # Errors
/// [`MalformedXml`] for anything else.
pub(super) fn boolean(element: &Element) -> Result<bool, MalformedXml> {
    match element.leaf()?.trim() {
        "true" | "1" | "True" | "TRUE" => Ok(true),
        "false" | "0" | "False" | "FALSE" | "" => Ok(false),
        _ => Err(MalformedXml::new(format!("{} is neither true nor false", element.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(document: &str) -> String {
        Element::parse(document.as_bytes(), "Root").expect_err(document).reason
    }

    #[test]
    fn a_document_becomes_a_tree() {
        let document =
            "\n<Root xmlns=\"urn:x\">\n <!-- c --><A>1 &lt; 2 &#x41;&#66;<![CDATA[<&]]></A>\n<B/><?pi x?></Root>\n";
        let root = Element::parse(document.as_bytes(), "Root").unwrap();
        let branches = root.branches().unwrap();
        assert_eq!(branches[0].leaf().unwrap(), "1 < 2 AB<&");
        assert_eq!(branches[1].leaf().unwrap(), "");
        assert_eq!(branches.len(), 2);
    }

    #[test]
    fn a_declaration_a_byte_order_mark_and_prefixes_are_taken() {
        for document in [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Root/>",
            "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<Root></Root>",
            "\u{feff}<Root/>",
            "<s3:Root xmlns:s3=\"urn:x\"/>",
            "<Root a=\"1\" b='2'/>",
        ] {
            assert!(Element::parse(document.as_bytes(), "Root").is_ok(), "{document}");
        }
    }

    #[test]
    fn hostile_and_broken_documents_are_refused() {
        for document in [
            "",
            "   ",
            "Root",
            "<Root>",
            "</Root>",
            "<Root></Rot>",
            "<Root><A></Root></A>",
            "<Root/>x",
            "<Root/><Root/>",
            "x<Root/>",
            "<Root/>&amp;",
            "<Other/>",
            "<root/>",
            "<Root>&nbsp;</Root>",
            "<Root>&#0;</Root>",
            "<Root>&#xD800;</Root>",
            "<Root>&#x110000;</Root>",
            "<Root>&#+65;</Root>",
            "<Root>&#;</Root>",
            "<Root>a & b</Root>",
            "<Root>\u{1}</Root>",
            "<Root>\u{ffff}</Root>",
            "<Root a=1/>",
            "<Root a=\"1\" a=\"2\"/>",
            "<Root><!-- a -- b --></Root>",
            "<!DOCTYPE Root><Root/>",
            "<!DOCTYPE r [<!ENTITY a \"b\">]><Root>&a;</Root>",
            "<!DOCTYPE r [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><Root>&a;</Root>",
            "<?xml version=\"1.0\" encoding=\"UTF-16\"?><Root/>",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Root/>",
            "<?xml version=\"1.1\"?><Root/>",
            "<Root/><?xml version=\"1.0\"?>",
            "<Root><![CDATA[x</Root>",
            "<:Root/>",
            "<a::Root/>",
            "<a:b:Root/>",
            "<1:Root/>",
            "<Root><A\"/></Root>",
            "<Root><a=b/></Root>",
            "<Root></></Root>",
        ] {
            refused(document);
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        let utf16: Vec<u8> = "<Root/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(Element::parse(&utf16, "Root").is_err());
        let with_mark: Vec<u8> = [0xFF, 0xFE].into_iter().chain(utf16).collect();
        assert!(Element::parse(&with_mark, "Root").is_err());
        assert!(Element::parse(b"<Root>\xE9</Root>", "Root").is_err());
    }

    #[test]
    fn depth_and_number_are_limited() {
        let deep = "<Root>".repeat(100_000);
        assert_eq!(refused(&deep), "it is too deep");
        let deepest = format!("{}{}", "<Root>".repeat(8), "</Root>".repeat(8));
        assert!(Element::parse(deepest.as_bytes(), "Root").is_ok());
        let many = format!("<Root>{}</Root>", "<a/>".repeat(MAX_ELEMENTS));
        assert_eq!(refused(&many), "it has too many elements");
        let attributes: String = (0..100_000).map(|number| format!(" a{number}=\"\"")).collect();
        assert_eq!(refused(&format!("<Root{attributes}/>")), "an element has too many attributes");
    }

    #[test]
    fn the_type_that_an_element_claims_is_kept() {
        let document = b"<Root xmlns:xsi=\"urn:x\"><A xsi:type=\"Group\"/><A type=\"Group\"/></Root>";
        let root = Element::parse(document, "Root").unwrap();
        assert_eq!(root.children[0].schema_type.as_deref(), Some("Group"));
        assert_eq!(root.children[1].schema_type, None);
    }

    #[test]
    fn ends_of_lines_are_those_of_xml() {
        let root = Element::parse(b"<Root>a\r\nb&#13;c</Root>", "Root").unwrap();
        assert_eq!(root.text, "a\nb\rc");
    }

    #[test]
    fn leaves_and_branches_are_told_apart() {
        let root = Element::parse(b"<Root>x<A/></Root>", "Root").unwrap();
        assert!(root.leaf().is_err());
        assert!(root.branches().is_err());
    }
}
