//! The document of CreateBucket.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>

use super::element::once;
use super::{Element, MalformedXml};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketConfiguration {
    /// Where the bucket is to lie; empty or absent: wherever this server is.
    pub location: Option<String>,
    /// An element of the schema that is not served: of directory buckets, or tags.
    pub unsupported: Option<&'static str>,
}

/// A body of white space says nothing.
///
/// # Errors
/// [`MalformedXml`].
pub fn parse_bucket_configuration(document: &[u8]) -> Result<BucketConfiguration, MalformedXml> {
    if document.iter().all(u8::is_ascii_whitespace) {
        return Ok(BucketConfiguration::default());
    }
    let root = Element::parse(document, "CreateBucketConfiguration")?;
    let mut location = None;
    let mut unsupported = None;
    for child in root.branches()? {
        match child.name.as_str() {
            "LocationConstraint" => once(&mut location, child.leaf()?.trim().to_owned(), "LocationConstraint")?,
            "Location" => unsupported = Some("CreateBucketConfiguration/Location"),
            "Bucket" => unsupported = Some("CreateBucketConfiguration/Bucket"),
            "Tags" => unsupported = Some("CreateBucketConfiguration/Tags"),
            _ => return Err(child.unknown()),
        }
    }
    Ok(BucketConfiguration { location: location.filter(|location| !location.is_empty()), unsupported })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_be_given() {
        let location = |document: &str| parse_bucket_configuration(document.as_bytes()).unwrap().location;
        assert_eq!(location(""), None);
        assert_eq!(location("\n"), None);
        assert_eq!(location("<CreateBucketConfiguration/>"), None);
        assert_eq!(location("<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>"), None);
        assert_eq!(
            location(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"
            )
            .as_deref(),
            Some("eu-west-1")
        );
    }

    #[test]
    fn what_is_not_served_is_named() {
        let document = b"<CreateBucketConfiguration><Tags/></CreateBucketConfiguration>";
        assert_eq!(parse_bucket_configuration(document).unwrap().unsupported, Some("CreateBucketConfiguration/Tags"));
    }

    #[test]
    fn what_is_not_in_the_schema_is_refused() {
        for document in [
            "x",
            "<Configuration/>",
            "<CreateBucketConfiguration><x/></CreateBucketConfiguration>",
            "<CreateBucketConfiguration>x</CreateBucketConfiguration>",
            "<CreateBucketConfiguration><LocationConstraint>a</LocationConstraint>\
             <LocationConstraint>a</LocationConstraint></CreateBucketConfiguration>",
        ] {
            assert!(parse_bucket_configuration(document.as_bytes()).is_err(), "{document}");
        }
    }
}
