//! Documents of requests. What one says, written anew, says the same.

use super::{BucketConfiguration, Element, MalformedXml, Writer};
use super::{acl_document, parse_acl, parse_bucket_configuration, parse_completion, parse_delete};
use super::{parse_ownership_controls, parse_public_access_block, parse_tagging};
use crate::checksum;
use std::fmt::Debug;

type Parse<T> = fn(&[u8]) -> Result<T, MalformedXml>;

/// Reads a document, writes what it says and reads that; and does the same with its tree, whatever its schema.
fn check<T: Debug + PartialEq>(document: &[u8], root: &'static str, parse: Parse<T>, write: fn(&T, &mut Writer)) {
    if let Ok(tree) = Element::parse(document, root) {
        let mut xml = Writer::new(root);
        write_tree(&tree, &mut xml);
        let written = xml.finish();
        assert_eq!(Element::parse(&written, root), Ok(without_types(tree)), "{}", written.escape_ascii());
    }
    let Ok(said) = parse(document) else { return };
    let mut xml = Writer::new(root);
    write(&said, &mut xml);
    let written = xml.finish();
    assert_eq!(parse(&written).as_ref(), Ok(&said), "{}", written.escape_ascii());
}

/// The writer has no attributes.
fn without_types(element: Element) -> Element {
    let children = element.children.into_iter().map(without_types).collect();
    Element { schema_type: None, children, ..element }
}

fn write_tree(element: &Element, xml: &mut Writer) {
    xml.own_text(&element.text);
    for child in &element.children {
        xml.within(&child.name, |xml| write_tree(child, xml));
    }
}

pub fn complete(document: &[u8]) {
    check(document, "CompleteMultipartUpload", parse_completion, |parts, xml| {
        for part in parts {
            xml.within("Part", |xml| {
                xml.number("PartNumber", part.part_number.into()).etag("ETag", &part.etag);
                checksum::write_elements(xml, part.checksum.as_ref(), 0, false);
            });
        }
    });
}

pub fn create_bucket(document: &[u8]) {
    check(document, "CreateBucketConfiguration", parse_bucket_configuration, |said: &BucketConfiguration, xml| {
        if let Some(location) = &said.location {
            xml.text("LocationConstraint", location);
        }
        if let Some((_, name)) = said.unsupported.and_then(|name| name.split_once('/')) {
            xml.text(name, "");
        }
    });
}

pub fn delete(document: &[u8]) {
    check(document, "Delete", parse_delete, |said, xml| {
        xml.boolean("Quiet", said.quiet);
        for object in &said.objects {
            xml.within("Object", |xml| {
                xml.text("Key", &object.key);
                for (name, value) in [("VersionId", &object.version_id), ("ETag", &object.etag)] {
                    if let Some(value) = value {
                        xml.text(name, value);
                    }
                }
                if object.has_directory_condition {
                    xml.text("Size", "1");
                }
            });
        }
    });
}

pub fn public_access_block(document: &[u8]) {
    check(document, "PublicAccessBlockConfiguration", parse_public_access_block, |said, xml| {
        xml.boolean("BlockPublicAcls", said.block_public_acls).boolean("IgnorePublicAcls", said.ignore_public_acls);
        xml.boolean("BlockPublicPolicy", said.block_public_policy);
        xml.boolean("RestrictPublicBuckets", said.restrict_public_buckets);
    });
}

pub fn ownership_controls(document: &[u8]) {
    check(document, "OwnershipControls", parse_ownership_controls, |ownership, xml| {
        xml.within("Rule", |xml| {
            xml.text("ObjectOwnership", ownership);
        });
    });
}

/// What an ACL says, its answer says, and that may be set again.
pub fn acl(document: &[u8]) {
    let Ok(said) = parse_acl(document) else { return };
    let written = acl_document(&said).finish();
    assert_eq!(parse_acl(&written).ok().as_ref(), Some(&said), "{}", written.escape_ascii());
}

pub fn tagging(document: &[u8]) {
    check(document, "Tagging", parse_tagging, |tags, xml| {
        xml.within("TagSet", |xml| {
            for tag in tags {
                xml.within("Tag", |xml| {
                    xml.text("Key", &tag.key).text("Value", &tag.value);
                });
            }
        });
    });
}
