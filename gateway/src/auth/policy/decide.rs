//! Several documents, one decision: an explicit deny anywhere wins, and what nobody allows is denied.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use super::document::{PolicyDocument, Verdict};
use super::facts::Ask;
use crate::auth::Identity;
use std::fmt;
use std::sync::Arc;

/// What the account can always mend: a bucket's policy that shuts out everyone, itself too.
const MENDING: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

/// The documents that speak of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// Of the user and its groups, or of the role.
    pub identity: &'a [Arc<PolicyDocument>],
    /// What the identity may do at most.
    pub boundary: Option<&'a PolicyDocument>,
    /// What the temporary credentials may do at most; none: they are not restricted.
    pub session: Option<&'a [Arc<PolicyDocument>]>,
    /// The bucket's.
    pub bucket: Option<&'a PolicyDocument>,
}

impl Sources<'_> {
    /// Does any of them ask for the tags of the object?
    pub fn turn_on_object(&self) -> bool {
        let lists = [self.identity, self.session.unwrap_or_default()];
        let single = [self.boundary, self.bucket];
        let mut documents = lists.into_iter().flatten().map(|document| &**document).chain(single.into_iter().flatten());
        documents.any(|document| document.turns_on_object)
    }
}

/// Whether it is allowed, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed(Reason),
    /// Something says no.
    Denied(Reason),
    /// Nothing says yes, or something that would have to does not.
    NotAllowed(Reason),
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The root keys.
    Account,
    IdentityPolicy,
    Boundary,
    SessionPolicy,
    BucketPolicy,
    /// Of the bucket or the object: see [`crate::auth::acl`].
    Acl,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "the account",
            Self::IdentityPolicy => "an identity-based policy",
            Self::Boundary => "a permissions boundary",
            Self::SessionPolicy => "a session policy",
            Self::BucketPolicy => "a resource-based policy",
            Self::Acl => "an access control list",
        })
    }
}

impl Decision {
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// Decides what is asked.
pub fn decide(ask: &Ask<'_>, sources: &Sources<'_>) -> Decision {
    let bucket = sources.bucket.map_or(Verdict::Silent, |document| document.judge(ask));
    match ask.identity {
        Identity::Anonymous => match bucket {
            Verdict::Deny => Decision::Denied(Reason::BucketPolicy),
            Verdict::Allow => Decision::Allowed(Reason::BucketPolicy),
            Verdict::AllowHolder | Verdict::AllowAccount | Verdict::Silent => {
                Decision::NotAllowed(Reason::BucketPolicy)
            }
        },
        Identity::Root => match (bucket, session_verdict(ask, sources)) {
            (Verdict::Deny, _) if !MENDING.contains(&ask.action) => Decision::Denied(Reason::BucketPolicy),
            (_, Some(Verdict::Deny)) => Decision::Denied(Reason::SessionPolicy),
            (_, Some(Verdict::Silent | Verdict::AllowHolder | Verdict::AllowAccount)) => {
                Decision::NotAllowed(Reason::SessionPolicy)
            }
            (_, Some(Verdict::Allow) | None) => Decision::Allowed(Reason::Account),
        },
        Identity::User { .. } | Identity::AssumedRole { .. } => of_identity(ask, sources, bucket),
    }
}

fn of_identity(ask: &Ask<'_>, sources: &Sources<'_>, bucket: Verdict) -> Decision {
    let identity = combined(sources.identity, ask);
    let boundary = sources.boundary.map(|document| document.judge(ask));
    let session = session_verdict(ask, sources);
    for (verdict, reason) in [
        (Some(identity), Reason::IdentityPolicy),
        (boundary, Reason::Boundary),
        (session, Reason::SessionPolicy),
        (Some(bucket), Reason::BucketPolicy),
    ] {
        if verdict == Some(Verdict::Deny) {
            return Decision::Denied(reason);
        }
    }
    // A bucket's policy that names a session, or everyone, speaks for itself; so does one that names a user, within what
    // bounds the user's session; one that names a role stays within all that bounds the role's.
    if bucket == Verdict::Allow {
        return Decision::Allowed(Reason::BucketPolicy);
    }
    let is_for_user = bucket == Verdict::AllowHolder && matches!(ask.identity, Identity::User { .. });
    let limits = [(boundary.filter(|_| !is_for_user), Reason::Boundary), (session, Reason::SessionPolicy)];
    for (limit, reason) in limits {
        if limit.is_some_and(|verdict| verdict != Verdict::Allow) {
            return Decision::NotAllowed(reason);
        }
    }
    match (identity, bucket) {
        (_, Verdict::AllowHolder) => Decision::Allowed(Reason::BucketPolicy),
        (Verdict::Allow, _) => Decision::Allowed(Reason::IdentityPolicy),
        (_, Verdict::Deny | Verdict::Allow | Verdict::AllowAccount | Verdict::Silent) => {
            Decision::NotAllowed(Reason::IdentityPolicy)
        }
    }
}

/// Does all that bounds a caller allow it? True for one that nothing bounds.
pub fn is_within_bounds(ask: &Ask<'_>, sources: &Sources<'_>) -> bool {
    let boundary = sources.boundary.map(|document| document.judge(ask));
    let bounds = [boundary, session_verdict(ask, sources)];
    bounds.into_iter().flatten().all(|verdict| verdict == Verdict::Allow)
}

fn session_verdict(ask: &Ask<'_>, sources: &Sources<'_>) -> Option<Verdict> {
    sources.session.map(|documents| combined(documents, ask))
}

/// Of documents that add up.
fn combined(documents: &[Arc<PolicyDocument>], ask: &Ask<'_>) -> Verdict {
    let mut combined = Verdict::Silent;
    for document in documents {
        match document.judge(ask) {
            Verdict::Deny => return Verdict::Deny,
            Verdict::Allow => combined = Verdict::Allow,
            Verdict::AllowHolder | Verdict::AllowAccount | Verdict::Silent => {}
        }
    }
    combined
}
