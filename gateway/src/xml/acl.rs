//! The document of ACLs, in and out.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AccessControlPolicy.html>

use super::element::once;
use super::{Element, MalformedXml, Writer};
use crate::auth::acl::{grantee_of_id, grantee_of_uri, group_uri, permission_name, permission_of};
use crate::error::{ErrorCode, S3Error};
use weir_proto::account::{ACCOUNT_CANONICAL_ID, ACCOUNT_NAME};
use weir_proto::v1::grant::Grantee;
use weir_proto::v1::{Acl, Grant, Permission};

const ROOT: &str = "AccessControlPolicy";

/// # Errors
/// `MalformedACLError`; `InvalidArgument` for an id or a group that there is not; `UnresolvableGrantByEmailAddress`.
pub fn parse_acl(document: &[u8]) -> Result<Acl, S3Error> {
    let document = Document::parse(document)
        .map_err(|error| S3Error::new(ErrorCode::MalformedACLError).cause(error.to_string()))?;
    let grants = document.grants.iter().map(|(named, permission)| {
        let grantee = match named {
            Named::Id(id) => grantee_of_id(id)?,
            Named::Uri(uri) => grantee_of_uri(uri)?,
            Named::EmailAddress => return Err(S3Error::new(ErrorCode::UnresolvableGrantByEmailAddress)),
        };
        Ok(Grant { grantee: Some(grantee), permission: (*permission).into() })
    });
    Ok(Acl { grants: grants.collect::<Result<_, _>>()?, owner: document.owner })
}

/// What stands in a document, whether or not there is such a grantee.
struct Document {
    owner: String,
    grants: Vec<(Named, Permission)>,
}

enum Named {
    Id(String),
    Uri(String),
    EmailAddress,
}

impl Document {
    fn parse(document: &[u8]) -> Result<Self, MalformedXml> {
        let root = Element::parse(document, ROOT)?;
        let (mut owner, mut grants) = (None, None);
        for child in root.branches()? {
            match child.name.as_str() {
                "Owner" => once(&mut owner, of_user(child)?, "Owner")?,
                "AccessControlList" => {
                    let parsed = child.branches()?.iter().map(grant).collect::<Result<Vec<_>, _>>()?;
                    once(&mut grants, parsed, "AccessControlList")?;
                }
                _ => return Err(child.unknown()),
            }
        }
        let owner = owner.ok_or_else(|| MalformedXml::new("it has no Owner"))?;
        let grants = grants.ok_or_else(|| MalformedXml::new("it has no AccessControlList"))?;
        Ok(Self { owner, grants })
    }
}

fn grant(element: &Element) -> Result<(Named, Permission), MalformedXml> {
    if element.name != "Grant" {
        return Err(element.unknown());
    }
    let (mut named, mut permission) = (None, None);
    for child in element.branches()? {
        match child.name.as_str() {
            "Grantee" => once(&mut named, grantee(child)?, "Grantee")?,
            "Permission" => {
                let known = permission_of(child.leaf()?.trim());
                let known = known.ok_or_else(|| MalformedXml::new("there is no such Permission"))?;
                once(&mut permission, known, "Permission")?;
            }
            _ => return Err(child.unknown()),
        }
    }
    match (named, permission) {
        (Some(named), Some(permission)) => Ok((named, permission)),
        _ => Err(MalformedXml::new("a Grant has a Grantee and a Permission")),
    }
}

/// Its kind is told by `xsi:type`.
fn grantee(element: &Element) -> Result<Named, MalformedXml> {
    match element.schema_type.as_deref() {
        Some("CanonicalUser") => of_user(element).map(Named::Id),
        Some("Group") => one_leaf(element, "URI").map(Named::Uri),
        Some("AmazonCustomerByEmail") => one_leaf(element, "EmailAddress").map(|_| Named::EmailAddress),
        Some(_) | None => Err(MalformedXml::new("a Grantee has an xsi:type: CanonicalUser or Group")),
    }
}

/// The ID of a user. The name beside it says nothing.
fn of_user(element: &Element) -> Result<String, MalformedXml> {
    let mut id = None;
    for child in element.branches()? {
        match child.name.as_str() {
            "ID" => once(&mut id, child.leaf()?.trim().to_owned(), "ID")?,
            "DisplayName" => drop(child.leaf()?),
            _ => return Err(child.unknown()),
        }
    }
    id.ok_or_else(|| MalformedXml::new("a user has an ID"))
}

fn one_leaf(element: &Element, name: &str) -> Result<String, MalformedXml> {
    match element.branches()? {
        [child] if child.name == name => Ok(child.leaf()?.trim().to_owned()),
        _ => Err(MalformedXml::new(format!("such a Grantee has one {name}"))),
    }
}

/// The document of an ACL.
pub fn acl_document(acl: &Acl) -> Writer {
    let mut xml = Writer::new(ROOT);
    xml.within("Owner", |xml| write_user(xml, &acl.owner));
    xml.within("AccessControlList", |xml| {
        for grant in &acl.grants {
            write_grant(xml, grant);
        }
    });
    xml
}

fn write_grant(xml: &mut Writer, grant: &Grant) {
    xml.within("Grant", |xml| {
        xml.markup("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"");
        match &grant.grantee {
            Some(Grantee::Group(name)) => {
                xml.markup("Group\">").text("URI", group_uri(name).unwrap_or_default());
            }
            Some(Grantee::CanonicalId(id)) => write_user(xml.markup("CanonicalUser\">"), id),
            None => write_user(xml.markup("CanonicalUser\">"), ""),
        }
        xml.close("Grantee").text("Permission", permission_name(grant.permission()).unwrap_or_default());
    });
}

fn write_user(xml: &mut Writer, id: &str) {
    let name = if id == ACCOUNT_CANONICAL_ID { ACCOUNT_NAME } else { "" };
    xml.text("ID", id).text("DisplayName", name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::acl::Canned;
    use weir_proto::account::ANONYMOUS_CANONICAL_ID;

    const XSI: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    const USER: &str = "<ID>3e7b9c1f5a2d4860b8e6f09d7c3a51e24f8d6b0a9c7e1352d4f6a8b0c2e4f618</ID>";

    fn document(grants: &str) -> String {
        format!(
            "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner>{USER}</Owner>\
             <AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
        )
    }

    fn granted(kind: &str, content: &str, permission: &str) -> String {
        format!(
            "<Grant><Grantee {XSI} xsi:type=\"{kind}\">{content}</Grantee><Permission>{permission}</Permission></Grant>"
        )
    }

    fn code(document: &str) -> Option<ErrorCode> {
        parse_acl(document.as_bytes()).err().map(|error| error.code())
    }

    #[test]
    fn what_is_written_is_read_again() {
        for canned in [Canned::Private, Canned::PublicReadWrite, Canned::AuthenticatedRead, Canned::LogDeliveryWrite] {
            let acl = canned.on_bucket();
            assert_eq!(parse_acl(&acl_document(&acl).finish()).unwrap(), acl);
        }
        let foreign = Canned::BucketOwnerFullControl.on_object(ANONYMOUS_CANONICAL_ID).unwrap();
        assert_eq!(parse_acl(&acl_document(&foreign).finish()).unwrap(), foreign);
        let empty = parse_acl(document("").as_bytes()).unwrap();
        assert_eq!((empty.owner.as_str(), empty.grants.len()), (ACCOUNT_CANONICAL_ID, 0));
    }

    #[test]
    fn a_document_has_the_shape_that_s3_gives_it() {
        let text = String::from_utf8(acl_document(&Canned::PublicRead.on_bucket()).finish()).unwrap();
        let user = format!("<ID>{ACCOUNT_CANONICAL_ID}</ID><DisplayName>weir</DisplayName>");
        let expected = format!(
            "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner>{user}</Owner>\
             <AccessControlList><Grant><Grantee {XSI} xsi:type=\"CanonicalUser\">{user}</Grantee>\
             <Permission>FULL_CONTROL</Permission></Grant><Grant><Grantee {XSI} xsi:type=\"Group\">\
             <URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>\
             </AccessControlList></AccessControlPolicy>"
        );
        assert!(text.ends_with(&expected), "{text}");
    }

    #[test]
    fn what_is_not_in_the_schema_is_malformed() {
        let full = granted("CanonicalUser", USER, "FULL_CONTROL");
        assert_eq!(code(&document(&full)), None);
        let named = document(&full).replace("</ID>", "</ID><DisplayName>x</DisplayName>");
        assert_eq!(code(&named), None);
        for grants in [
            granted("CanonicalUser", USER, "DELETE"),
            granted("CanonicalUser", "", "READ"),
            granted("CanonicalUser", "<URI>x</URI>", "READ"),
            granted("Group", USER, "READ"),
            granted("Everyone", USER, "READ"),
            full.replace(" xsi:type=\"CanonicalUser\"", ""),
            full.replace("<Permission>FULL_CONTROL</Permission>", ""),
            full.replace("Grant>", "Give>"),
            format!("{USER}{full}"),
            "text".to_owned(),
        ] {
            assert_eq!(code(&document(&grants)), Some(ErrorCode::MalformedACLError), "{grants}");
        }
        let whole = document(&full);
        let without_list = format!("<AccessControlPolicy><Owner>{USER}</Owner></AccessControlPolicy>");
        let ownerless = whole.replace(&format!("<Owner>{USER}</Owner>"), "");
        for document in ["", "<", "<AccessControlList/>", &without_list, &ownerless] {
            assert_eq!(code(document), Some(ErrorCode::MalformedACLError), "{document}");
        }
    }

    #[test]
    fn grantees_that_there_are_not_are_refused_by_name() {
        for (grants, expected) in [
            (granted("CanonicalUser", "<ID>abc</ID>", "READ"), ErrorCode::InvalidArgument),
            (granted("Group", "<URI>http://example.com</URI>", "READ"), ErrorCode::InvalidArgument),
            (
                granted("AmazonCustomerByEmail", "<EmailAddress>a@example.com</EmailAddress>", "READ"),
                ErrorCode::UnresolvableGrantByEmailAddress,
            ),
        ] {
            assert_eq!(code(&document(&grants)), Some(expected), "{grants}");
        }
    }
}
