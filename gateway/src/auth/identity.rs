//! Who a request comes from, as policies, tokens and logs name it.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>

use std::fmt;
use weir_proto::account::{ACCOUNT_CANONICAL_ID, ACCOUNT_ID, ACCOUNT_NAME, ANONYMOUS_CANONICAL_ID};

/// An identity of the account, or nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// No credentials.
    Anonymous,
    /// The root keys, or anyone where no keys are set: the account itself.
    Root,
    User {
        name: String,
        /// Begins and ends with a slash.
        path: String,
        /// `AIDA…`
        id: String,
    },
    /// Someone who has taken a role, under temporary credentials.
    AssumedRole {
        role: String,
        path: String,
        /// `AROA…`
        role_id: String,
        /// The name that whoever took it gave the session.
        session: String,
    },
}

impl Identity {
    /// `aws:PrincipalArn` and `Arn` of GetCallerIdentity; none for anonymous callers.
    pub fn arn(&self) -> Option<String> {
        Some(match self {
            Self::Anonymous => return None,
            Self::Root => format!("arn:aws:iam::{ACCOUNT_ID}:root"),
            Self::User { name, path, .. } => format!("arn:aws:iam::{ACCOUNT_ID}:user{path}{name}"),
            Self::AssumedRole { role, session, .. } => {
                format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role}/{session}")
            }
        })
    }

    /// The ARN of the role that was taken, as trust and bucket policies name it.
    pub fn role_arn(&self) -> Option<String> {
        match self {
            Self::AssumedRole { role, path, .. } => Some(role_arn(path, role)),
            Self::Anonymous | Self::Root | Self::User { .. } => None,
        }
    }

    /// `aws:userid`.
    pub fn user_id(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Root => ACCOUNT_ID.to_owned(),
            Self::User { id, .. } => id.clone(),
            Self::AssumedRole { role_id, session, .. } => format!("{role_id}:{session}"),
        }
    }

    /// The owner of what it makes, and its grantee in ACLs.
    pub fn canonical_id(&self) -> &'static str {
        match self {
            Self::Anonymous => ANONYMOUS_CANONICAL_ID,
            Self::Root | Self::User { .. } | Self::AssumedRole { .. } => ACCOUNT_CANONICAL_ID,
        }
    }

    /// The name beside the canonical id. Anonymous callers have none.
    pub fn display_name(&self) -> &'static str {
        match self {
            Self::Anonymous => "",
            Self::Root | Self::User { .. } | Self::AssumedRole { .. } => ACCOUNT_NAME,
        }
    }
}

/// As logs name it.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.arn().as_deref().unwrap_or("anonymous"))
    }
}

/// The ARN of a role. `path` begins and ends with a slash.
pub fn role_arn(path: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:role{path}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_those_of_aws() {
        let user = Identity::User { name: "alice".into(), path: "/staff/".into(), id: "AIDA1".into() };
        assert_eq!(user.arn().unwrap(), "arn:aws:iam::000000000000:user/staff/alice");
        assert_eq!(user.user_id(), "AIDA1");
        let role = Identity::AssumedRole {
            role: "reader".into(),
            path: "/".into(),
            role_id: "AROA1".into(),
            session: "s1".into(),
        };
        assert_eq!(role.arn().unwrap(), "arn:aws:sts::000000000000:assumed-role/reader/s1");
        assert_eq!(role.role_arn().unwrap(), "arn:aws:iam::000000000000:role/reader");
        assert_eq!(role.user_id(), "AROA1:s1");
        assert_eq!(Identity::Root.arn().unwrap(), "arn:aws:iam::000000000000:root");
        assert_eq!(Identity::Anonymous.arn(), None);
    }

    #[test]
    fn all_but_nobody_are_the_account() {
        assert_eq!(Identity::Root.canonical_id(), ACCOUNT_CANONICAL_ID);
        assert_ne!(Identity::Anonymous.canonical_id(), ACCOUNT_CANONICAL_ID);
    }
}
