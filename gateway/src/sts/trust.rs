//! May this one take that role? The role's trust policy decides, and where it leaves that to the account, the policies of
//! whoever asks.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single-account.html>

use super::StsRequest;
use crate::auth::Identity;
use crate::auth::policy::{Ask, DocumentKind, Facts, PolicyDocument, Sources, Verdict, decide};
use weir_proto::v1::Role;

/// What is asked of a role's trust policy.
#[derive(Clone, Copy)]
pub(super) struct TrustAsk<'a> {
    pub role: &'a Role,
    pub role_arn: &'a str,
    /// All of them must be allowed.
    pub actions: &'a [&'a str],
    /// Condition keys of the request and of what it asks for.
    pub facts: &'a Facts,
}

/// Someone with credentials of the account.
pub(super) fn trusts_caller(request: &StsRequest<'_>, ask: &TrustAsk<'_>) -> bool {
    let Some(document) = trust_document(ask.role) else { return false };
    // As with a bucket's policy, but that an identity's own policies alone are not enough.
    let sources = Sources { bucket: Some(&document), ..request.sources };
    ask.actions.iter().all(|action| {
        let ask = ask.of(request.identity, action);
        matches!(document.judge(&ask), Verdict::Allow | Verdict::AllowHolder | Verdict::AllowAccount)
            && decide(&ask, &sources).is_allowed()
    })
}

/// Someone whom an issuer vouches for: `aws:FederatedProvider` of the facts says which. No other policy is theirs.
pub(super) fn trusts_federated(ask: &TrustAsk<'_>) -> bool {
    let Some(document) = trust_document(ask.role) else { return false };
    ask.actions.iter().all(|action| document.judge(&ask.of(&Identity::Anonymous, action)) == Verdict::Allow)
}

impl<'a> TrustAsk<'a> {
    fn of(&self, identity: &'a Identity, action: &'a str) -> Ask<'a> {
        Ask { identity, action, resource: self.role_arn, facts: self.facts }
    }
}

/// A document that can't be read lets nobody in.
fn trust_document(role: &Role) -> Option<PolicyDocument> {
    let parsed = PolicyDocument::parse(&DocumentKind::Trust, &role.trust_document);
    match parsed.and_then(|document| document.bound_to(&role.trust_principals)) {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::error!(role = role.name, %error, "the trust policy of a role can't be read");
            None
        }
    }
}
