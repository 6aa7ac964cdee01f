//! What a caller may do: asked for each action on each resource, decided by the rules as they were when the request
//! came.

use super::Identity;
use super::acl::{self, AclSettings, By};
use super::caller::Caller;
use super::need::{Need, Resource};
use super::policy::{Ask, Decision, Facts, PolicyDocument, Reason, Sources, decide, is_within_bounds};
use super::rules::{Grants, Rules};
use crate::error::{ErrorCode, S3Error};
use std::fmt;
use std::sync::Arc;
use weir_proto::v1;

/// What an operation does once it has opened the object, so that the object itself can count. Their operations ask
/// [`Access::require_of`].
const OPENING: [&str; 4] = ["s3:GetObject", "s3:GetObjectAcl", "s3:GetObjectTagging", "s3:PutObjectAcl"];

/// Answers for one request. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    /// None where no keys are set: everything is allowed.
    ruled: Option<Arc<Ruled>>,
}

struct Ruled {
    rules: Arc<Rules>,
    identity: Identity,
    grants: Grants,
    session: Option<Vec<Arc<PolicyDocument>>>,
    facts: Facts,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("is_everything", &self.ruled.is_none()).finish_non_exhaustive()
    }
}

impl Access {
    /// Where no keys are set.
    pub fn everything() -> Self {
        Self { ruled: None }
    }

    /// What this caller may do. `facts` are made only when a document may ask for them.
    pub fn of(rules: Arc<Rules>, caller: &Caller, facts: impl FnOnce() -> Facts) -> Self {
        let identity = caller.identity().clone();
        let session = caller.session.as_ref().and_then(|session| rules.session_documents(session));
        let grants = rules.grants_of(&identity);
        let needs_facts = identity != Identity::Root || session.is_some() || rules.has_bucket_policies();
        let facts = if needs_facts { facts() } else { Facts::default() };
        Self { ruled: Some(Arc::new(Ruled { rules, identity, grants, session, facts })) }
    }

    pub fn decide(&self, action: &str, resource: &Resource<'_>) -> Decision {
        match &self.ruled {
            None => Decision::Allowed(Reason::Account),
            Some(ruled) => ruled.decide(action, resource),
        }
    }

    /// The same for what lies in no bucket, by its ARN, with further condition keys.
    pub fn decide_on(&self, action: &str, arn: &str, keys: &[(String, Vec<String>)]) -> Decision {
        let Some(ruled) = &self.ruled else { return Decision::Allowed(Reason::Account) };
        let mut facts = ruled.facts.clone();
        for (key, values) in keys {
            values.iter().for_each(|value| facts.add(key, value.as_str()));
        }
        decide(&Ask { identity: &ruled.identity, action, resource: arn, facts: &facts }, &ruled.sources(None))
    }

    /// The documents of whoever asks, without a bucket's.
    pub fn sources(&self) -> Sources<'_> {
        self.ruled.as_ref().map(|ruled| ruled.sources(None)).unwrap_or_default()
    }

    /// The condition keys of the request.
    pub fn facts(&self) -> Option<&Facts> {
        self.ruled.as_ref().map(|ruled| &ruled.facts)
    }

    pub fn allows(&self, action: &str, resource: &Resource<'_>) -> bool {
        self.decide(action, resource).is_allowed()
    }

    /// # Errors
    /// `AccessDenied`.
    pub fn require(&self, need: &Need<'_>) -> Result<(), S3Error> {
        let decision = self.decide(need.action, &need.resource);
        if decision.is_allowed() { Ok(()) } else { Err(self.denied(need, decision)) }
    }

    /// Asks for all that an operation needs before it begins: the first tells what it does, the others what its headers
    /// ask for besides.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn begin(&self, needs: &[Need<'_>]) -> Result<(), S3Error> {
        let Some((first, others)) = needs.split_first() else { return Ok(()) };
        self.require_before(first)?;
        // Whoever may make an object by an ACL may say who else may read it: it is its own.
        let makes_its_own = || {
            first.action == "s3:PutObject"
                && self.decide(first.action, &first.resource) == Decision::Allowed(Reason::Acl)
        };
        others.iter().try_for_each(|need| match self.decide(need.action, &need.resource) {
            Decision::Allowed(_) => Ok(()),
            Decision::NotAllowed(_) if need.action == "s3:PutObjectAcl" && makes_its_own() => Ok(()),
            decision => Err(self.denied(need, decision)),
        })
    }

    /// May it turn on the object itself whether this is allowed: on its tags, or its ACL?
    pub fn turns_on_object(&self, need: &Need<'_>) -> bool {
        let Some(ruled) = &self.ruled else { return false };
        let bucket = need.resource.bucket().map(|bucket| bucket.as_str());
        OPENING.contains(&need.action) && ruled.sources(bucket).turn_on_object() || self.is_left_to_acl(need)
    }

    /// Is it the object's ACL alone that may allow this?
    pub fn is_left_to_acl(&self, need: &Need<'_>) -> bool {
        let Some(ruled) = &self.ruled else { return false };
        let Resource::Object(bucket, _) = need.resource else { return false };
        let is_asked = OPENING.contains(&need.action)
            && acl::object_permission(need.action).is_some()
            && AclSettings::of(self.bucket(bucket.as_str())).are_on();
        is_asked && matches!(ruled.decide(need.action, &need.resource), Decision::NotAllowed(_))
    }

    /// Refuses what nothing about the object could allow. Where something could, whoever opens the object asks
    /// [`Access::require_of`].
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn require_before(&self, need: &Need<'_>) -> Result<(), S3Error> {
        if self.turns_on_object(need) { Ok(()) } else { self.require(need) }
    }

    /// Now that the object is open, for one of the [`OPENING`] actions: its tags and its ACL count, those of the very
    /// version that was opened.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn require_of(&self, need: &Need<'_>, object: &v1::Object) -> Result<(), S3Error> {
        let Some(ruled) = self.ruled.as_ref().filter(|_| self.turns_on_object(need)) else { return self.require(need) };
        let mut facts = ruled.facts.clone();
        facts.add_existing(object.attributes.as_ref().map_or(&[], |attributes| &attributes.tags));
        let arn = need.resource.to_string();
        let ask = Ask { identity: &ruled.identity, action: need.action, resource: &arn, facts: &facts };
        let bucket = need.resource.bucket().map(|bucket| bucket.as_str());
        match ruled.by_policies(&ask, bucket) {
            Decision::Allowed(_) => Ok(()),
            Decision::NotAllowed(_) if bucket.is_some_and(|bucket| ruled.is_let_in_by(object, &ask, bucket)) => Ok(()),
            decision => Err(self.denied(need, decision)),
        }
    }

    /// The condition on what a write or a delete takes away, beside the one that the client set. Whom an ACL alone lets
    /// in takes away what is its own; the account's users and roles own whatever is the bucket's.
    pub fn own_alone(
        &self,
        action: &str,
        resource: &Resource<'_>,
        condition: Option<v1::Precondition>,
    ) -> Option<v1::Precondition> {
        if !self.is_strangers_by_acl(action, resource) {
            return condition;
        }
        let owner = Identity::Anonymous.canonical_id().to_owned();
        Some(v1::Precondition { owner, ..condition.unwrap_or_default() })
    }

    /// Is it a stranger that asks, whom an ACL alone lets do this?
    pub fn is_strangers_by_acl(&self, action: &str, resource: &Resource<'_>) -> bool {
        let identity = self.ruled.as_ref().map(|ruled| &ruled.identity);
        identity == Some(&Identity::Anonymous) && self.decide(action, resource) == Decision::Allowed(Reason::Acl)
    }

    /// What the rules say of a bucket; none: nothing, or no keys are set.
    pub fn bucket(&self, bucket: &str) -> Option<&v1::BucketAccess> {
        self.ruled.as_ref().and_then(|ruled| ruled.rules.bucket(bucket))
    }

    fn denied(&self, need: &Need<'_>, decision: Decision) -> S3Error {
        let identity = self.ruled.as_ref().and_then(|ruled| ruled.identity.arn());
        let Some(arn) = identity else { return ErrorCode::AccessDenied.into() };
        let action = need.action;
        let because = match decision {
            Decision::Denied(reason) => format!("with an explicit deny in {reason}"),
            Decision::NotAllowed(reason) => {
                let none = reason.to_string();
                let none = none.strip_prefix("an ").or(none.strip_prefix("a ")).unwrap_or(&none);
                format!("because no {none} allows the {action} action")
            }
            Decision::Allowed(_) => String::new(),
        };
        let resource = need.resource;
        let message =
            format!("User: {arn} is not authorized to perform: {action} on resource: \"{resource}\" {because}");
        S3Error::with_message(ErrorCode::AccessDenied, message)
    }
}

impl Ruled {
    fn decide(&self, action: &str, resource: &Resource<'_>) -> Decision {
        let arn = resource.to_string();
        let ask = Ask { identity: &self.identity, action, resource: &arn, facts: &self.facts };
        let bucket = resource.bucket().map(|bucket| bucket.as_str());
        match self.by_policies(&ask, bucket) {
            Decision::NotAllowed(_) if bucket.is_some_and(|bucket| self.is_let_in_to(&ask, bucket)) => {
                Decision::Allowed(Reason::Acl)
            }
            decision => decision,
        }
    }

    /// Does the bucket's own ACL let it in?
    fn is_let_in_to(&self, ask: &Ask<'_>, bucket: &str) -> bool {
        let acl = self.rules.bucket(bucket).and_then(|access| access.acl.as_ref());
        match (acl, acl::bucket_permission(ask.action)) {
            (Some(acl), Some(permission)) => self.is_let_in(acl, permission, ask, bucket),
            _ => false,
        }
    }

    /// Does the ACL of an object in it?
    fn is_let_in_by(&self, object: &v1::Object, ask: &Ask<'_>, bucket: &str) -> bool {
        let Some(permission) = acl::object_permission(ask.action) else { return false };
        match object.attributes.as_ref().and_then(|attributes| attributes.acl.as_ref()) {
            Some(acl) => self.is_let_in(acl, permission, ask, bucket),
            None => {
                let owner = AclSettings::of(self.rules.bucket(bucket)).owner_of(&object.owner);
                self.is_let_in(&acl::owners_alone(owner), permission, ask, bucket)
            }
        }
    }

    /// The rule is written down in [`acl`].
    fn is_let_in(&self, acl: &v1::Acl, permission: v1::Permission, ask: &Ask<'_>, bucket: &str) -> bool {
        let settings = AclSettings::of(self.rules.bucket(bucket));
        let is_kept_out = self.identity == Identity::Anonymous && self.shuts_strangers_out(bucket);
        if !settings.are_on() || is_kept_out {
            return false;
        }
        match acl::let_in(acl, &self.identity, permission, settings.ignores_public) {
            Some(By::Itself) => true,
            Some(By::Key) => is_within_bounds(ask, &self.sources(Some(bucket))),
            None => false,
        }
    }

    fn by_policies(&self, ask: &Ask<'_>, bucket: Option<&str>) -> Decision {
        match decide(ask, &self.sources(bucket)) {
            // Whatever a public policy allows, strangers are kept out.
            Decision::Allowed(Reason::BucketPolicy)
                if self.identity == Identity::Anonymous
                    && bucket.is_some_and(|bucket| self.shuts_strangers_out(bucket)) =>
            {
                Decision::NotAllowed(Reason::BucketPolicy)
            }
            decision => decision,
        }
    }

    fn sources(&self, bucket: Option<&str>) -> Sources<'_> {
        Sources {
            identity: &self.grants.documents,
            boundary: self.grants.boundary.as_deref(),
            session: self.session.as_deref(),
            bucket: bucket.and_then(|bucket| self.rules.bucket_policy(bucket)),
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>
    fn shuts_strangers_out(&self, bucket: &str) -> bool {
        let block = self.rules.bucket(bucket).and_then(|bucket| bucket.public_access_block);
        block.is_some_and(|block| block.restrict_public_buckets)
            && self.rules.bucket_policy(bucket).is_some_and(PolicyDocument::is_public)
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
