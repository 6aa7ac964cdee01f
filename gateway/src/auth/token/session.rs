//! What temporary credentials stand for.

use crate::auth::{Identity, provider_arn};
use crate::xml::write_iso8601;
use weir_proto::v1::Tag;

/// Someone under temporary credentials, from their issue to their end.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// As it was called when the credentials were issued.
    pub identity: Identity,
    pub issued_ms: i64,
    pub expires_ms: i64,
    pub policies: SessionPolicies,
    /// `aws:PrincipalTag/…`, besides the tags of the user or the role. Keys differ in more than case.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html>
    pub tags: Vec<Tag>,
    /// Where an issuer's token was given for the credentials.
    pub web_identity: Option<WebIdentity>,
}

/// What bounds a session: it may do what its identity may and what these allow. Without any there is no bound.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPolicies {
    /// A policy document in JSON.
    pub inline: Option<String>,
    /// Ids of managed policies, at most ten.
    pub managed_ids: Vec<String>,
}

/// Whom an issuer's token speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// The issuer's URL without its scheme: `HOST[:PORT][/PATH]`.
    pub provider: String,
    /// The client that the token was made for.
    pub audience: String,
    pub subject: String,
}

impl Session {
    /// The condition keys that the session gives to requests under it.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
    pub fn condition_keys(&self) -> Vec<(String, String)> {
        let mut issued = Vec::new();
        write_iso8601(&mut issued, self.issued_ms);
        let mut keys = vec![
            // A time is ASCII.
            ("aws:TokenIssueTime".to_owned(), String::from_utf8_lossy(&issued).into_owned()),
            // There is no second factor that could be present.
            ("aws:MultiFactorAuthPresent".to_owned(), "false".to_owned()),
        ];
        keys.extend(self.tags.iter().map(|tag| (format!("aws:PrincipalTag/{}", tag.key), tag.value.clone())));
        if let Some(WebIdentity { provider, audience, subject }) = &self.web_identity {
            keys.push(("aws:FederatedProvider".to_owned(), provider_arn(provider)));
            keys.push((format!("{provider}:aud"), audience.clone()));
            keys.push((format!("{provider}:sub"), subject.clone()));
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_tells_its_requests_when_it_was_issued_its_tags_and_its_issuer() {
        let session = Session {
            identity: Identity::Root,
            issued_ms: 1_255_369_830_000,
            expires_ms: 1_255_369_831_000,
            policies: SessionPolicies::default(),
            tags: vec![Tag { key: "team".into(), value: "blue".into() }],
            web_identity: Some(WebIdentity {
                provider: "id.example.com/eu".into(),
                audience: "app".into(),
                subject: "alice".into(),
            }),
        };
        let keys = session.condition_keys();
        let keys: Vec<_> = keys.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            keys,
            [
                ("aws:TokenIssueTime", "2009-10-12T17:50:30.000Z"),
                ("aws:MultiFactorAuthPresent", "false"),
                ("aws:PrincipalTag/team", "blue"),
                ("aws:FederatedProvider", "arn:aws:iam::000000000000:oidc-provider/id.example.com/eu"),
                ("id.example.com/eu:aud", "app"),
                ("id.example.com/eu:sub", "alice"),
            ]
        );
    }
}
