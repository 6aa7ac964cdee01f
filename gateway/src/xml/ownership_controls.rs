//! The document of PutBucketOwnershipControls.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html>

use super::element::once;
use super::{Element, MalformedXml};

/// The name of the ownership that its one rule sets.
///
/// # Errors
/// [`MalformedXml`].
pub fn parse_ownership_controls(document: &[u8]) -> Result<String, MalformedXml> {
    let root = Element::parse(document, "OwnershipControls")?;
    let mut ownership = None;
    for rule in root.branches()? {
        if rule.name != "Rule" {
            return Err(rule.unknown());
        }
        for child in rule.branches()? {
            match child.name.as_str() {
                "ObjectOwnership" => once(&mut ownership, child.leaf()?.trim().to_owned(), "ObjectOwnership")?,
                _ => return Err(child.unknown()),
            }
        }
    }
    ownership.ok_or_else(|| MalformedXml::new("it has no ObjectOwnership"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_rule_with_one_ownership() {
        let parse = |content: &str| {
            parse_ownership_controls(format!("<OwnershipControls>{content}</OwnershipControls>").as_bytes())
        };
        let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
        assert_eq!(parse(rule).unwrap(), "ObjectWriter");
        for content in ["", "<Rule/>", "<Other/>", "<Rule><Other/></Rule>", "ObjectWriter", &format!("{rule}{rule}")] {
            assert!(parse(content).is_err(), "{content}");
        }
    }
}
