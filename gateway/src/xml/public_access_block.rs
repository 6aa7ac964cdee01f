//! The document of PutPublicAccessBlock.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html>

use super::element::{boolean, once};
use super::{Element, MalformedXml};
use weir_proto::v1::PublicAccessBlock;

/// What is not there is false.
///
/// # Errors
/// [`MalformedXml`].
pub fn parse_public_access_block(document: &[u8]) -> Result<PublicAccessBlock, MalformedXml> {
    let root = Element::parse(document, "PublicAccessBlockConfiguration")?;
    let (mut acls, mut ignore, mut policy, mut restrict) = (None, None, None, None);
    for child in root.branches()? {
        let (slot, name) = match child.name.as_str() {
            "BlockPublicAcls" => (&mut acls, "BlockPublicAcls"),
            "IgnorePublicAcls" => (&mut ignore, "IgnorePublicAcls"),
            "BlockPublicPolicy" => (&mut policy, "BlockPublicPolicy"),
            "RestrictPublicBuckets" => (&mut restrict, "RestrictPublicBuckets"),
            _ => return Err(child.unknown()),
        };
        once(slot, boolean(child)?, name)?;
    }
    Ok(PublicAccessBlock {
        block_public_acls: acls.unwrap_or(false),
        ignore_public_acls: ignore.unwrap_or(false),
        block_public_policy: policy.unwrap_or(false),
        restrict_public_buckets: restrict.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_false() {
        let parse = |content: &str| {
            let root = "PublicAccessBlockConfiguration";
            parse_public_access_block(format!("<{root}>{content}</{root}>").as_bytes())
        };
        let block = parse("<BlockPublicPolicy>TRUE</BlockPublicPolicy><IgnorePublicAcls>false</IgnorePublicAcls>");
        assert_eq!(block.unwrap(), PublicAccessBlock { block_public_policy: true, ..Default::default() });
        assert_eq!(parse("").unwrap(), PublicAccessBlock::default());
        for content in [
            "<Other>true</Other>",
            "<BlockPublicAcls>yes</BlockPublicAcls>",
            "<BlockPublicAcls>true</BlockPublicAcls><BlockPublicAcls>true</BlockPublicAcls>",
        ] {
            assert!(parse(content).is_err(), "{content}");
        }
    }
}
