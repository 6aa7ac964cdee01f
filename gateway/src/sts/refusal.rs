//! What tokens and issuers fail with, in the words of STS. The one place where they are translated.

use crate::auth::token::IssueError;
use crate::oidc::OidcError;
use crate::query_api::{QueryError, QueryErrorCode};

impl From<IssueError> for QueryError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::PackedTooLarge { .. } | IssueError::TokenTooLarge => {
                Self::new(QueryErrorCode::PackedPolicyTooLarge, error.to_string())
            }
            IssueError::Anonymous | IssueError::Seal(_) => {
                Self::from(QueryErrorCode::InternalFailure).cause(error.to_string())
            }
        }
    }
}

impl From<OidcError> for QueryError {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Malformed(_)
            | OidcError::UnsupportedAlgorithm(_)
            | OidcError::UnknownIssuer
            | OidcError::WrongAudience
            | OidcError::NotYetValid
            | OidcError::KeyNotNamed
            | OidcError::UnknownKey
            | OidcError::WrongSignature => Self::new(QueryErrorCode::InvalidIdentityToken, error.to_string()),
            OidcError::Expired => QueryErrorCode::ExpiredTokenException.into(),
            // Anyone may ask: what the gateway found in its network is for the log alone.
            OidcError::Unreachable(_) => Self::from(QueryErrorCode::IDPCommunicationError).cause(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_codes_of_sts() {
        let of_token = |error: OidcError| QueryError::from(error).code();
        assert_eq!(of_token(OidcError::WrongSignature), QueryErrorCode::InvalidIdentityToken);
        assert_eq!(of_token(OidcError::Expired), QueryErrorCode::ExpiredTokenException);
        let large = IssueError::PackedTooLarge { packed_bytes: 5000 };
        assert_eq!(QueryError::from(large).code(), QueryErrorCode::PackedPolicyTooLarge);
        assert_eq!(QueryError::from(IssueError::Anonymous).code(), QueryErrorCode::InternalFailure);
    }

    #[test]
    fn what_was_found_in_the_network_is_for_the_log_alone() {
        let error = QueryError::from(OidcError::Unreachable("10.0.0.7 refuses".into()));
        assert_eq!(error.code(), QueryErrorCode::IDPCommunicationError);
        assert!(error.cause_text().contains("10.0.0.7") && !error.message().contains("10.0.0.7"));
    }
}
