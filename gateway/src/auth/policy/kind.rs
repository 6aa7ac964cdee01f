//! What kinds of documents there are, and why one is refused.

/// What a document belongs to, which decides what it may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A user, a group or a role; managed ones too.
    Identity,
    /// Temporary credentials.
    Session,
    /// A role: who may take it.
    Trust,
    Bucket {
        bucket: String,
    },
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("This policy contains invalid Json: {0}")]
    Json(String),
    #[error("the policy has {length} bytes; {allowed} are allowed")]
    TooLong { length: usize, allowed: usize },
    #[error("{0}")]
    Invalid(String),
}

impl PolicyError {
    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid(reason.into())
    }
}
