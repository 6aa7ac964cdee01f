//! What users, groups and roles hold: inline policies, attached policies, boundaries, tags.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html>

use super::directory::Directory;
use super::limits::{
    MAX_ATTACHED_POLICIES, MAX_GROUP_INLINE_CHARS, MAX_INLINE_BYTES, MAX_INLINE_POLICIES, MAX_ROLE_INLINE_CHARS,
    MAX_USER_INLINE_CHARS,
};
use super::outcome::{Context, Outcome, room};
use super::validate::{self, counted_chars};
use crate::error::Error;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{
    AccessKind, AccessName, AttachPolicy, DeleteInlinePolicy, DetachPolicy, Group, NamedDocument, Permissions,
    PutInlinePolicy, Role, SetBoundary, SetTags, User,
};

/// A copy of a holder, to be changed.
enum Holder {
    User(User),
    Group(Group),
    Role(Role),
}

impl Holder {
    /// # Errors
    /// [`Error::Invalid`]: it is of no kind that holds policies. [`Error::NoSuchEntity`].
    fn find(directory: &Directory, holder: Option<&AccessName>) -> Result<Self, Error> {
        let Some(holder) = holder else { return Err(Error::invalid("holder", "it is missing")) };
        match AccessKind::try_from(holder.kind) {
            Ok(AccessKind::User) => {
                validate::name("holder", &holder.name)?;
                directory.user(&holder.name).cloned().map(Self::User)
            }
            Ok(AccessKind::Group) => {
                validate::long_name("holder", &holder.name)?;
                directory.group(&holder.name).cloned().map(Self::Group)
            }
            Ok(AccessKind::Role) => {
                validate::name("holder", &holder.name)?;
                directory.role(&holder.name).cloned().map(Self::Role)
            }
            Ok(
                AccessKind::Unspecified
                | AccessKind::AccessKey
                | AccessKind::Policy
                | AccessKind::OidcProvider
                | AccessKind::Bucket,
            )
            | Err(_) => Err(Error::invalid("holder", "it is a user, a group or a role")),
        }
    }

    fn permissions(&mut self) -> &mut Permissions {
        match self {
            Self::User(user) => user.permissions.get_or_insert_default(),
            Self::Group(group) => group.permissions.get_or_insert_default(),
            Self::Role(role) => role.permissions.get_or_insert_default(),
        }
    }

    fn max_inline_chars(&self) -> usize {
        match self {
            Self::User(_) => MAX_USER_INLINE_CHARS,
            Self::Group(_) => MAX_GROUP_INLINE_CHARS,
            Self::Role(_) => MAX_ROLE_INLINE_CHARS,
        }
    }

    fn put(self) -> Outcome {
        Outcome::put(match self {
            Self::User(user) => Entry::User(user),
            Self::Group(group) => Entry::Group(group),
            Self::Role(role) => Entry::Role(role),
        })
    }

    fn unchanged(self) -> Outcome {
        Outcome { entries: Vec::new(), ..self.put() }
    }
}

pub(super) fn put_inline(context: &Context<'_>, request: &PutInlinePolicy) -> Result<Outcome, Error> {
    validate::long_name("policy_name", &request.policy_name)?;
    let mut holder = Holder::find(context.directory, request.holder.as_ref())?;
    let max_chars = holder.max_inline_chars();
    validate::inline_document(&request.document, max_chars)?;
    let inline = &mut holder.permissions().inline_policies;
    let new = NamedDocument { name: request.policy_name.clone(), document: request.document.clone() };
    match inline.binary_search_by(|policy| policy.name.cmp(&new.name)) {
        Ok(at) if inline[at] == new => return Ok(holder.unchanged()),
        Ok(at) => inline[at] = new,
        Err(at) => {
            room("inline policies", inline.len(), MAX_INLINE_POLICIES)?;
            inline.insert(at, new);
        }
    }
    if inline.iter().map(|policy| counted_chars(&policy.document)).sum::<usize>() > max_chars {
        return Err(Error::limit("characters of all inline policies together without white space", max_chars));
    }
    if inline.iter().map(|policy| policy.document.len()).sum::<usize>() > MAX_INLINE_BYTES {
        return Err(Error::limit("bytes of all inline policies together", MAX_INLINE_BYTES));
    }
    Ok(holder.put())
}

pub(super) fn delete_inline(context: &Context<'_>, request: &DeleteInlinePolicy) -> Result<Outcome, Error> {
    validate::long_name("policy_name", &request.policy_name)?;
    let mut holder = Holder::find(context.directory, request.holder.as_ref())?;
    let inline = &mut holder.permissions().inline_policies;
    match inline.binary_search_by(|policy| policy.name.cmp(&request.policy_name)) {
        Ok(at) => drop(inline.remove(at)),
        Err(_) => return Err(Error::NoSuchEntity { kind: "inline policy", name: request.policy_name.clone() }),
    }
    Ok(holder.put())
}

pub(super) fn attach(context: &Context<'_>, request: &AttachPolicy) -> Result<Outcome, Error> {
    validate::long_name("policy_name", &request.policy_name)?;
    let mut holder = Holder::find(context.directory, request.holder.as_ref())?;
    let policy = context.directory.policy(&request.policy_name)?;
    let attached = &mut holder.permissions().attached_policies;
    match attached.binary_search(&policy.name) {
        Ok(_) => Ok(holder.unchanged()),
        Err(at) => {
            room("attached policies", attached.len(), MAX_ATTACHED_POLICIES)?;
            attached.insert(at, policy.name.clone());
            Ok(holder.put())
        }
    }
}

pub(super) fn detach(context: &Context<'_>, request: &DetachPolicy) -> Result<Outcome, Error> {
    validate::long_name("policy_name", &request.policy_name)?;
    let mut holder = Holder::find(context.directory, request.holder.as_ref())?;
    let attached = &mut holder.permissions().attached_policies;
    match attached.binary_search(&request.policy_name) {
        Ok(at) => drop(attached.remove(at)),
        Err(_) => return Err(Error::NoSuchEntity { kind: "attached policy", name: request.policy_name.clone() }),
    }
    Ok(holder.put())
}

pub(super) fn set_boundary(context: &Context<'_>, request: &SetBoundary) -> Result<Outcome, Error> {
    if !request.policy_name.is_empty() {
        validate::long_name("policy_name", &request.policy_name)?;
    }
    let mut holder = Holder::find(context.directory, request.holder.as_ref())?;
    if matches!(holder, Holder::Group(_)) {
        return Err(Error::invalid("holder", "a group has no boundary"));
    }
    if !request.policy_name.is_empty() {
        context.directory.policy(&request.policy_name)?;
    }
    let boundary = &mut holder.permissions().boundary_policy;
    if *boundary == request.policy_name {
        return Ok(holder.unchanged());
    }
    boundary.clone_from(&request.policy_name);
    Ok(holder.put())
}

pub(super) fn set_tags(context: &Context<'_>, request: &SetTags) -> Result<Outcome, Error> {
    let new = validate::tags(&request.tags)?;
    let mut holder = Holder::find(context.directory, request.holder.as_ref())?;
    let tags = match &mut holder {
        Holder::User(user) => &mut user.tags,
        Holder::Role(role) => &mut role.tags,
        Holder::Group(_) => return Err(Error::invalid("holder", "a group has no tags")),
    };
    if *tags == new {
        return Ok(holder.unchanged());
    }
    *tags = new;
    Ok(holder.put())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::testing::{
        DOCUMENT, attach, bound, create_group, create_policy, create_role, create_user, detach, holder, inline_names,
        permissions, put_inline,
    };
    use crate::testing::Fixture;
    use weir_proto::v1::Tag;
    use weir_proto::v1::change_access_request::Change;

    const KINDS: [AccessKind; 3] = [AccessKind::User, AccessKind::Group, AccessKind::Role];

    /// One user, group and role, each called `one`.
    async fn holders() -> Fixture {
        let fixture = Fixture::new().await;
        for change in [create_user("one"), create_group("one"), create_role("one")] {
            fixture.changed(change).await;
        }
        fixture
    }

    fn delete_inline(holder: Option<AccessName>, name: &str) -> Change {
        Change::DeleteInlinePolicy(DeleteInlinePolicy { holder, policy_name: name.into() })
    }

    fn tagged(holder: Option<AccessName>, count: usize) -> Change {
        let tag = |n| Tag { key: format!("{n:0>128}"), value: "ж".repeat(256) };
        Change::SetTags(SetTags { holder, tags: (0..count).map(tag).collect() })
    }

    #[tokio::test]
    async fn inline_policies_are_put_replaced_and_removed_by_name() {
        let fixture = holders().await;
        for kind in KINDS {
            let one = || holder(kind, "one");
            for name in ["b", "a", "c"] {
                fixture.changed(put_inline(one(), name, DOCUMENT)).await;
            }
            let held = permissions(fixture.changed(put_inline(one(), "b", "{}")).await);
            assert_eq!(inline_names(&held.inline_policies), ["a", "b", "c"]);
            assert_eq!(held.inline_policies[1].document, "{}");
            let version = fixture.namespace.access.version();
            fixture.changed(put_inline(one(), "b", "{}")).await;
            assert_eq!(fixture.namespace.access.version(), version, "it is that already");
            let held = permissions(fixture.changed(delete_inline(one(), "b")).await);
            assert_eq!(inline_names(&held.inline_policies), ["a", "c"]);
            assert!(matches!(fixture.refusal(delete_inline(one(), "b")).await, Error::NoSuchEntity { .. }));
        }
        fixture.check_access().await;
        fixture.restart().await.check_access().await;
    }

    #[tokio::test]
    async fn inline_policies_have_a_size_together_by_kind_of_holder() {
        let fixture = holders().await;
        for (kind, max_chars) in KINDS.into_iter().zip([2_048, 5_120, 10_240]) {
            let one = || holder(kind, "one");
            let spaced = |chars: usize| "x ".repeat(chars);
            fixture.changed(put_inline(one(), "a", &spaced(max_chars - 10))).await;
            fixture.changed(put_inline(one(), "b", &spaced(10))).await;
            let refused = fixture.refusal(put_inline(one(), "b", &spaced(11))).await;
            assert!(matches!(refused, Error::LimitExceeded { allowed, .. } if allowed == max_chars), "{refused}");
            let refused = fixture.refusal(put_inline(one(), "c", "x")).await;
            assert!(matches!(refused, Error::LimitExceeded { .. }));
        }
        fixture.check_access().await;
        fixture.restart().await.check_access().await;
    }

    #[tokio::test]
    async fn ten_policies_are_attached_at_most_and_each_once() {
        let fixture = holders().await;
        for n in 0..=MAX_ATTACHED_POLICIES {
            fixture.changed(create_policy(&format!("p{n:02}"))).await;
        }
        for kind in KINDS {
            let one = || holder(kind, "one");
            for n in (1..MAX_ATTACHED_POLICIES).rev() {
                fixture.changed(attach(one(), &format!("p{n:02}"))).await;
            }
            let held = permissions(fixture.changed(attach(one(), "AmazonS3FullAccess")).await);
            assert_eq!(held.attached_policies.len(), MAX_ATTACHED_POLICIES);
            assert!(held.attached_policies.is_sorted());
            fixture.changed(attach(one(), "p01")).await;
            assert!(matches!(fixture.refusal(attach(one(), "p10")).await, Error::LimitExceeded { .. }));
            assert!(matches!(fixture.refusal(attach(one(), "none")).await, Error::NoSuchEntity { .. }));
            fixture.changed(detach(one(), "p01")).await;
            assert!(matches!(fixture.refusal(detach(one(), "p01")).await, Error::NoSuchEntity { .. }));
        }
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn users_and_roles_have_a_boundary_and_tags_and_groups_do_not() {
        let fixture = holders().await;
        fixture.changed(create_policy("limit")).await;
        for kind in [AccessKind::User, AccessKind::Role] {
            let one = || holder(kind, "one");
            let held = permissions(fixture.changed(bound(one(), "limit")).await);
            assert_eq!(held.boundary_policy, "limit");
            assert!(matches!(fixture.refusal(bound(one(), "none")).await, Error::NoSuchEntity { .. }));
            assert_eq!(permissions(fixture.changed(bound(one(), "")).await).boundary_policy, "");
            fixture.changed(tagged(one(), 50)).await;
            fixture.check_access().await;
            fixture.changed(tagged(one(), 1)).await;
            assert!(matches!(fixture.refusal(tagged(one(), 51)).await, Error::LimitExceeded { .. }));
        }
        let group = || holder(AccessKind::Group, "one");
        assert!(matches!(fixture.refusal(bound(group(), "limit")).await, Error::Invalid { .. }));
        assert!(matches!(fixture.refusal(tagged(group(), 1)).await, Error::Invalid { .. }));
        fixture.check_access().await;
        fixture.restart().await.check_access().await;
    }
}
