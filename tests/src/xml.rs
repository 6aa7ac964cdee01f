//! A document of S3 as a tree. Strict: anything that is not well-formed fails the test that reads it.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element: its name without prefix, its attributes, its text and its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// Parses one document.
    ///
    /// # Panics
    /// When it is not well-formed.
    #[track_caller]
    pub fn parse(document: &str) -> Self {
        Self::try_parse(document).unwrap_or_else(|why| panic!("not well-formed ({why}): {document}"))
    }

    /// The same for a document that may be broken.
    ///
    /// # Errors
    /// What is not well-formed.
    pub fn try_parse(document: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(document);
        reader.config_mut().check_end_names = true;
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(start) => open.push(Self::begin(&start)?),
                Event::Empty(start) => last(&mut open)?.children.push(Self::begin(&start)?),
                Event::End(_) => {
                    let done = open.pop().ok_or("an end without a start")?;
                    last(&mut open)?.children.push(done);
                }
                Event::Text(text) => last(&mut open)?.text.push_str(&text.xml10_content()),
                Event::CData(text) => last(&mut open)?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                        Some(character) => character.to_string(),
                        None => named(&reference)?.to_owned(),
                    };
                    last(&mut open)?.text.push_str(&resolved);
                }
                Event::Eof => break,
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        let mut document = open.pop().filter(|_| open.is_empty()).ok_or("an element is not closed")?;
        if document.children.len() != 1 {
            return Err(format!("{} root elements", document.children.len()));
        }
        Ok(document.children.remove(0))
    }

    fn begin(start: &BytesStart<'_>) -> Result<Self, String> {
        let name = start.local_name().as_ref().to_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            attributes.push((attribute.key.as_ref().to_owned(), attribute.value.into_owned()));
        }
        Ok(Self { name, attributes, ..Self::default() })
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> + 'a {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text at a path of names, `Owner/ID` say.
    pub fn find(&self, path: &str) -> Option<&str> {
        let mut at = self;
        for name in path.split('/') {
            at = at.child(name)?;
        }
        Some(&at.text)
    }

    /// The same, which must be there.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn get(&self, path: &str) -> &str {
        self.find(path).unwrap_or_else(|| panic!("no {path} in {self:#?}"))
    }

    /// The texts of `inner` in all children named `outer`.
    pub fn texts(&self, outer: &str, inner: &str) -> Vec<String> {
        self.all(outer).filter_map(|child| child.find(inner)).map(str::to_owned).collect()
    }
}

fn last(open: &mut [Element]) -> Result<&mut Element, String> {
    open.last_mut().ok_or_else(|| "text after the end".to_owned())
}

fn named(entity: &str) -> Result<&'static str, String> {
    match entity {
        "amp" => Ok("&"),
        "lt" => Ok("<"),
        "gt" => Ok(">"),
        "quot" => Ok("\""),
        "apos" => Ok("'"),
        _ => Err(format!("unknown entity {entity}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let root = Element::parse(
            "<?xml version=\"1.0\"?>\n<R xmlns=\"u\"><A>1 &amp; &#10;2</A><B/><C><D>x</D></C><C><D>y</D></C></R>",
        );
        assert_eq!(root.name, "R");
        assert_eq!(root.attributes, [("xmlns".to_owned(), "u".to_owned())]);
        assert_eq!(root.get("A"), "1 & \n2");
        assert_eq!(root.find("B"), Some(""));
        assert_eq!(root.texts("C", "D"), ["x", "y"]);
        assert_eq!(root.find("E"), None);
    }

    #[test]
    fn what_is_not_well_formed_is_told() {
        for document in ["", "<A>", "<A></B>", "<A/><B/>", "<A>&nbsp;</A>"] {
            assert!(Element::try_parse(document).is_err(), "{document}");
        }
    }
}
