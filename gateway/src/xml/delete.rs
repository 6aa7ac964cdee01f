//! The document of DeleteObjects.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>

use super::element::{boolean, once};
use super::{Element, MalformedXml};

/// The most keys of one request.
pub const MAX_OBJECTS: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteDocument {
    /// Only failures are answered.
    pub quiet: bool,
    /// 1 to [`MAX_OBJECTS`].
    pub objects: Vec<ObjectToDelete>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectToDelete {
    /// Not checked for its length.
    pub key: String,
    pub version_id: Option<String>,
    pub etag: Option<String>,
    /// It has a condition on its time or size, which only directory buckets know.
    pub has_directory_condition: bool,
}

/// # Errors
/// [`MalformedXml`], also for no key or more than [`MAX_OBJECTS`].
pub fn parse_delete(document: &[u8]) -> Result<DeleteDocument, MalformedXml> {
    let root = Element::parse(document, "Delete")?;
    let mut quiet = None;
    let mut objects = Vec::new();
    for child in root.branches()? {
        match child.name.as_str() {
            "Quiet" => once(&mut quiet, boolean(child)?, "Quiet")?,
            "Object" if objects.len() == MAX_OBJECTS => {
                return Err(MalformedXml::new(format!("it has more than {MAX_OBJECTS} objects")));
            }
            "Object" => objects.push(object(child)?),
            _ => return Err(child.unknown()),
        }
    }
    if objects.is_empty() {
        return Err(MalformedXml::new("it has no object"));
    }
    Ok(DeleteDocument { quiet: quiet.unwrap_or(false), objects })
}

fn object(element: &Element) -> Result<ObjectToDelete, MalformedXml> {
    let (mut key, mut version_id, mut etag) = (None, None, None);
    let mut has_directory_condition = false;
    for child in element.branches()? {
        let text = child.leaf()?;
        match child.name.as_str() {
            "Key" => once(&mut key, text.to_owned(), "Key")?,
            "VersionId" => once(&mut version_id, text.to_owned(), "VersionId")?,
            "ETag" => once(&mut etag, text.trim().to_owned(), "ETag")?,
            "LastModifiedTime" | "Size" => has_directory_condition = true,
            _ => return Err(child.unknown()),
        }
    }
    let key = key.ok_or_else(|| MalformedXml::new("an object has no key"))?;
    let given = |text: &String| !text.is_empty();
    Ok(ObjectToDelete { key, version_id: version_id.filter(given), etag: etag.filter(given), has_directory_condition })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_exactly() {
        let document = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\
            <Object><Key> a &amp; b/../c </Key></Object>\
            <Object><Key>x&#13;&#x1;y</Key><VersionId>null</VersionId><ETag>\"abc\"</ETag></Object></Delete>";
        let delete = parse_delete(document.as_bytes()).unwrap();
        assert!(delete.quiet);
        assert_eq!(delete.objects[0].key, " a & b/../c ");
        assert_eq!(delete.objects[1].key, "x\r\u{1}y");
        assert_eq!(delete.objects[1].version_id.as_deref(), Some("null"));
        assert_eq!(delete.objects[1].etag.as_deref(), Some("\"abc\""));
    }

    #[test]
    fn one_to_a_thousand_objects_are_taken() {
        let document = |count: usize| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(count));
        assert!(parse_delete(document(0).as_bytes()).is_err());
        assert!(parse_delete(document(1).as_bytes()).is_ok());
        assert_eq!(parse_delete(document(1000).as_bytes()).unwrap().objects.len(), 1000);
        assert!(parse_delete(document(1001).as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_in_the_schema_is_refused() {
        for document in [
            "<Remove><Object><Key>k</Key></Object></Remove>",
            "<Delete><Object/></Delete>",
            "<Delete><Object><Key>k</Key><Key>l</Key></Object></Delete>",
            "<Delete><Object><Key>k</Key><Extra/></Object></Delete>",
            "<Delete><Extra/><Object><Key>k</Key></Object></Delete>",
            "<Delete>k<Object><Key>k</Key></Object></Delete>",
            "<Delete><Object>k</Object></Delete>",
            "<Delete><Object><Key><b>k</b></Key></Object></Delete>",
            "<Delete><Quiet>maybe</Quiet><Object><Key>k</Key></Object></Delete>",
            "<Delete><Quiet>true</Quiet><Quiet>true</Quiet><Object><Key>k</Key></Object></Delete>",
            "<Delete><Object><Key>k</Key></Object></Delete><Delete/>",
        ] {
            assert!(parse_delete(document.as_bytes()).is_err(), "{document}");
        }
    }

    #[test]
    fn conditions_of_directory_buckets_are_noticed() {
        let document = b"<Delete><Object><Key>k</Key><Size>1</Size></Object></Delete>";
        assert!(parse_delete(document).unwrap().objects[0].has_directory_condition);
    }
}
