//! Policy documents, checked before they are sent: the metaserver keeps them as they are, and a gateway that can't read
//! one refuses whatever it speaks of.

use crate::shell::error::ShellError;
use weir_gateway::auth::policy::{DocumentKind, PolicyDocument};

/// # Errors
/// What is wrong with the document.
pub fn check(kind: &DocumentKind, document: &str) -> Result<PolicyDocument, ShellError> {
    let parsed = PolicyDocument::parse(kind, document);
    parsed.map_err(|error| ShellError::said(format!("The policy document is not valid: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_checked_for_what_it_belongs_to() {
        let identity =
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
        let trust = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}"#;
        assert!(check(&DocumentKind::Identity, identity).is_ok());
        assert!(check(&DocumentKind::Trust, trust).is_ok());
        assert!(check(&DocumentKind::Identity, trust).is_err() && check(&DocumentKind::Trust, identity).is_err());
        for wrong in ["", "[]", "\"text\"", "{\"Version\"", "{} {}", r#"{"Statement": []}"#] {
            assert!(check(&DocumentKind::Identity, wrong).is_err(), "{wrong}");
        }
    }
}
