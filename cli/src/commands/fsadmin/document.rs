//! Policy documents, checked before they are sent: the metaserver keeps them as they are.

use crate::shell::error::ShellError;

/// # Errors
/// What is wrong with the document.
pub fn check(document: &str) -> Result<(), ShellError> {
    match serde_json::from_str::<serde_json::Value>(document) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(ShellError::said("The policy document is not a JSON object.")),
        Err(error) => Err(ShellError::said(format!("The policy document is not JSON: {error}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_a_json_object() {
        assert!(check(r#"{"Version": "2012-10-17", "Statement": []}"#).is_ok());
        for wrong in ["", "[]", "\"text\"", "{\"Version\"", "{} {}"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
