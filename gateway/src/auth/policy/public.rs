//! Does a bucket's policy let everyone in? By S3's definition: it allows something to everyone, and no condition holds
//! them to fixed values of a key that tells who or where they are.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>

use super::condition::{Compare, Condition, Set, Test};
use super::document::PolicyDocument;
use super::operator::{Comparison, Operand};
use super::principal::Principal;
use super::statement::{Effect, Selection, Statement};
use std::net::IpAddr;

/// Keys that narrow who is meant.
const NARROWING_KEYS: [&str; 13] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
];
/// A range of addresses that is wider is everyone.
const IPV4_MIN_BITS: u8 = 8;
const IPV6_MIN_BITS: u8 = 32;

impl PolicyDocument {
    /// Is the bucket that has it public by it?
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(is_public)
    }
}

fn is_public(statement: &Statement) -> bool {
    let for_everyone = match &statement.principals {
        Some(Selection::Only(principals)) => principals.contains(&Principal::Everyone),
        Some(Selection::AllBut(_)) => true,
        None => false,
    };
    statement.effect == Effect::Allow && for_everyone && !statement.conditions.iter().any(narrows)
}

fn narrows(condition: &Condition) -> bool {
    // What holds of a request without the key narrows nothing.
    let Test::Compare(Compare { comparison, negated: false, if_exists: false, set: Set::Single | Set::Any, operands }) =
        &condition.test
    else {
        return false;
    };
    NARROWING_KEYS.contains(&condition.key.as_str())
        && !operands.is_empty()
        && operands.iter().all(|operand| is_fixed(*comparison, operand))
}

fn is_fixed(comparison: Comparison, operand: &Operand) -> bool {
    match operand {
        Operand::Text(pattern) => comparison != Comparison::StringLike || pattern.is_literal(),
        // The account is told by the fifth part of an ARN.
        Operand::Arn(parts) => parts[4].is_literal() || parts[3].is_literal() && parts[5].is_literal(),
        Operand::Network(IpAddr::V4(_), bits) => *bits >= IPV4_MIN_BITS,
        Operand::Network(IpAddr::V6(_), bits) => *bits >= IPV6_MIN_BITS,
        Operand::Number(_) | Operand::Date(_) | Operand::Bool(_) | Operand::Binary(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::DocumentKind;
    use super::*;

    fn is_public(principal: &str, condition: &str) -> bool {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::b/*","Condition":{condition}}}}}"#
        );
        PolicyDocument::parse(&DocumentKind::Bucket { bucket: "b".into() }, &text).unwrap().is_public()
    }

    #[test]
    fn everyone_is_public_unless_held_to_fixed_values() {
        for (condition, expected) in [
            ("{}", true),
            (r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, false),
            (r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/1"]}}"#, true),
            (r#"{"IpAddress":{"aws:SourceIp":"::/1"}}"#, true),
            (r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, true),
            (r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, false),
            (r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#, true),
            (r#"{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}"#, true),
            (r#"{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}"#, true),
            (r#"{"StringEquals":{"aws:UserAgent":"x"}}"#, true),
            (r#"{"ForAllValues:StringEquals":{"aws:PrincipalAccount":"000000000000"}}"#, true),
            (r#"{"ForAllValues:ArnLike":{"aws:PrincipalArn":"arn:aws:iam::000000000000:user/a"}}"#, true),
            (r#"{"ForAnyValue:StringEquals":{"aws:PrincipalAccount":"000000000000"}}"#, false),
            (r#"{"ForAnyValue:StringEqualsIfExists":{"aws:PrincipalAccount":"000000000000"}}"#, true),
            (r#"{"Null":{"aws:PrincipalAccount":"true"}}"#, true),
            (r#"{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::000000000000:user/a"}}"#, false),
            (r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::000000000000:user/*"}}"#, false),
            (r#"{"ArnLike":{"aws:PrincipalArn":"*"}}"#, true),
        ] {
            assert_eq!(is_public(r#""*""#, condition), expected, "{condition}");
        }
        assert!(is_public(r#"{"AWS":"*"}"#, "{}"));
        assert!(!is_public(r#"{"AWS":"000000000000"}"#, "{}"));
    }
}
