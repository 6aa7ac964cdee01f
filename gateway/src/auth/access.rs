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
use weir_proto::{BucketName, v1};

/// What no policy allows and none denies, and the ACL of an object still may.
#[derive(Clone, Debug)]
pub struct Pending {
    action: &'static str,
    /// The object's ARN.
    resource: String,
    bucket: BucketName,
    permission: v1::Permission,
    /// What is answered when it does not.
    refusal: S3Error,
}

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
            Some(ruled) => ruled.decide(action, &resource.to_string(), resource.bucket().map(|bucket| bucket.as_str())),
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

    /// Asks for all that an operation needs before it begins. `by_object_acl` stands for the first of them in the ACL
    /// of the object: where that could be decisive, the operation has to [`settle`](Self::settle) it when it has read
    /// the object.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn begin(&self, needs: &[Need<'_>], by_object_acl: Option<v1::Permission>) -> Result<Option<Pending>, S3Error> {
        let (mut pending, mut makes_its_own) = (None, false);
        for (index, need) in needs.iter().enumerate() {
            let decision = self.decide(need.action, &need.resource);
            makes_its_own |= need.action == "s3:PutObject" && decision == Decision::Allowed(Reason::Acl);
            match decision {
                Decision::Allowed(_) => {}
                Decision::NotAllowed(_) if makes_its_own && need.action == "s3:PutObjectAcl" => {}
                _ => match by_object_acl.filter(|_| index == 0) {
                    Some(permission) => pending = Some(self.pending(need, decision, permission)?),
                    None => return Err(self.denied(need, decision)),
                },
            }
        }
        Ok(pending)
    }

    fn pending(&self, need: &Need<'_>, decision: Decision, permission: v1::Permission) -> Result<Pending, S3Error> {
        let refusal = self.denied(need, decision);
        match (decision, need.resource.bucket()) {
            (Decision::NotAllowed(_), Some(bucket)) if AclSettings::of(self.bucket(bucket.as_str())).are_on() => {
                let (action, resource, bucket) = (need.action, need.resource.to_string(), bucket.clone());
                Ok(Pending { action, resource, bucket, permission, refusal })
            }
            _ => Err(refusal),
        }
    }

    /// Decides what was left to the ACL of an object, on the version that was read.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn settle(&self, pending: Option<&Pending>, object: &v1::Object) -> Result<(), S3Error> {
        let (Some(Pending { action, resource, bucket, permission, refusal }), Some(ruled)) = (pending, &self.ruled)
        else {
            return Ok(());
        };
        let settings = AclSettings::of(self.bucket(bucket.as_str()));
        let set = object.attributes.as_ref().and_then(|attributes| attributes.acl.clone());
        let acl = set.unwrap_or_else(|| acl::owners_alone(settings.owner_of(&object.owner)));
        let ask = ruled.ask(action, resource);
        if ruled.is_let_in(&acl, *permission, &ask, bucket.as_str()) { Ok(()) } else { Err(refusal.clone()) }
    }

    /// The condition on what a write or a delete takes away, beside the one that the client set. Whom an ACL alone lets
    /// in takes away what is its own; the account's users and roles own whatever is the bucket's.
    pub fn own_alone(
        &self,
        action: &str,
        resource: &Resource<'_>,
        condition: Option<v1::Precondition>,
    ) -> Option<v1::Precondition> {
        let identity = self.ruled.as_ref().map(|ruled| &ruled.identity);
        match identity.filter(|identity| **identity == Identity::Anonymous) {
            Some(identity) if self.decide(action, resource) == Decision::Allowed(Reason::Acl) => {
                Some(v1::Precondition { owner: identity.canonical_id().to_owned(), ..condition.unwrap_or_default() })
            }
            _ => condition,
        }
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
    fn ask<'a>(&'a self, action: &'a str, arn: &'a str) -> Ask<'a> {
        Ask { identity: &self.identity, action, resource: arn, facts: &self.facts }
    }

    fn decide(&self, action: &str, arn: &str, bucket: Option<&str>) -> Decision {
        let ask = self.ask(action, arn);
        match (self.by_policies(&ask, bucket), bucket, acl::bucket_permission(action)) {
            (Decision::NotAllowed(_), Some(name), Some(permission))
                if self
                    .rules
                    .bucket(name)
                    .and_then(|bucket| bucket.acl.as_ref())
                    .is_some_and(|acl| self.is_let_in(acl, permission, &ask, name)) =>
            {
                Decision::Allowed(Reason::Acl)
            }
            (decision, _, _) => decision,
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
