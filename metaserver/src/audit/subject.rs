//! What a change is about, in a few names.

use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{AccessKind, AccessName};

/// Names are checked after this: of longer ones the beginning is logged. In characters.
const NAME_MAX_LENGTH: usize = 256;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// As the contract names the change.
    pub action: &'static str,
    /// Such as `user/alice`.
    pub resource: String,
    /// What it names besides, such as `PolicyName=readers`, with spaces between.
    pub parameters: String,
}

impl Subject {
    pub fn of(change: &Change) -> Self {
        let new = |text: &Option<String>| text.clone().unwrap_or_default();
        match change {
            Change::CreateUser(it) => {
                let subject = Self::named("CreateUser", "user", &it.name).with("Path", &it.path);
                subject.with("PermissionsBoundary", &it.boundary_policy)
            }
            Change::UpdateUser(it) => {
                let subject = Self::named("UpdateUser", "user", &it.name).with("NewUserName", &new(&it.new_name));
                subject.with("NewPath", &new(&it.new_path))
            }
            Change::DeleteUser(it) => Self::named("DeleteUser", "user", &it.name),
            Change::CreateAccessKey(it) => Self::key("CreateAccessKey", &it.user_name, &it.access_key_id),
            Change::UpdateAccessKey(it) => {
                let subject = Self::key("UpdateAccessKey", &it.user_name, &it.access_key_id);
                subject.with("Status", if it.active { "Active" } else { "Inactive" })
            }
            Change::DeleteAccessKey(it) => Self::key("DeleteAccessKey", &it.user_name, &it.access_key_id),
            Change::CreateGroup(it) => Self::named("CreateGroup", "group", &it.name).with("Path", &it.path),
            Change::UpdateGroup(it) => {
                let subject = Self::named("UpdateGroup", "group", &it.name).with("NewGroupName", &new(&it.new_name));
                subject.with("NewPath", &new(&it.new_path))
            }
            Change::DeleteGroup(it) => Self::named("DeleteGroup", "group", &it.name),
            Change::ChangeMembership(it) => {
                let subject = Self::named("ChangeMembership", "group", &it.group_name);
                subject.with("UserName", &it.user_name).with("Member", &it.member.to_string())
            }
            Change::PutInlinePolicy(it) => Self::held("PutInlinePolicy", it.holder.as_ref(), &it.policy_name),
            Change::DeleteInlinePolicy(it) => Self::held("DeleteInlinePolicy", it.holder.as_ref(), &it.policy_name),
            Change::AttachPolicy(it) => Self::held("AttachPolicy", it.holder.as_ref(), &it.policy_name),
            Change::DetachPolicy(it) => Self::held("DetachPolicy", it.holder.as_ref(), &it.policy_name),
            Change::SetBoundary(it) => Self::held("SetBoundary", it.holder.as_ref(), &it.policy_name),
            Change::CreatePolicy(it) => Self::named("CreatePolicy", "policy", &it.name).with("Path", &it.path),
            Change::CreatePolicyVersion(it) => {
                let subject = Self::named("CreatePolicyVersion", "policy", &it.policy_name);
                subject.with("SetAsDefault", &it.set_as_default.to_string())
            }
            Change::SetDefaultPolicyVersion(it) => Self::version("SetDefaultPolicyVersion", &it.policy_name, it.number),
            Change::DeletePolicyVersion(it) => Self::version("DeletePolicyVersion", &it.policy_name, it.number),
            Change::DeletePolicy(it) => Self::named("DeletePolicy", "policy", &it.name),
            Change::CreateRole(it) => {
                let subject = Self::named("CreateRole", "role", &it.name).with("Path", &it.path);
                subject.with("PermissionsBoundary", &it.boundary_policy)
            }
            Change::UpdateRole(it) => {
                let subject = Self::named("UpdateRole", "role", &it.name);
                subject.with("TrustPolicy", if it.trust_document.is_some() { "changed" } else { "" })
            }
            Change::DeleteRole(it) => Self::named("DeleteRole", "role", &it.name),
            Change::PutOidcProvider(it) => {
                let url = it.provider.as_ref().map_or("", |provider| &provider.url);
                Self::named("PutOidcProvider", "oidc-provider", url).with("Create", &it.create.to_string())
            }
            Change::DeleteOidcProvider(it) => Self::named("DeleteOidcProvider", "oidc-provider", &it.name),
            Change::SetTags(it) => Self::held("SetTags", it.holder.as_ref(), ""),
            Change::SetBucketAccess(it) => Self::named("SetBucketAccess", "bucket", &it.bucket),
        }
    }

    fn named(action: &'static str, kind: &str, name: &str) -> Self {
        Self { action, resource: format!("{kind}/{}", cut(name)), parameters: String::new() }
    }

    /// Of a policy that a user, group or role has.
    fn held(action: &'static str, holder: Option<&AccessName>, policy_name: &str) -> Self {
        let kind = match holder.map(AccessName::kind) {
            Some(AccessKind::User) => "user",
            Some(AccessKind::Group) => "group",
            Some(AccessKind::Role) => "role",
            Some(
                AccessKind::Unspecified
                | AccessKind::AccessKey
                | AccessKind::Policy
                | AccessKind::OidcProvider
                | AccessKind::Bucket,
            )
            | None => "nobody",
        };
        let name = holder.map_or("", |holder| &holder.name);
        Self::named(action, kind, name).with("PolicyName", policy_name)
    }

    fn key(action: &'static str, user_name: &str, access_key_id: &str) -> Self {
        // Whose a key is need not be said.
        let (kind, name) = if user_name.is_empty() { ("access-key", access_key_id) } else { ("user", user_name) };
        Self::named(action, kind, name).with("AccessKeyId", access_key_id)
    }

    fn version(action: &'static str, policy_name: &str, number: u32) -> Self {
        Self::named(action, "policy", policy_name).with("VersionId", &format!("v{number}"))
    }

    /// Adds what is given.
    fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            let space = if self.parameters.is_empty() { "" } else { " " };
            self.parameters.push_str(&format!("{space}{name}={}", cut(value)));
        }
        self
    }
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_MAX_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::v1;

    fn told(change: &Change) -> (&'static str, String, String) {
        let Subject { action, resource, parameters } = Subject::of(change);
        (action, resource, parameters)
    }

    #[test]
    fn a_change_is_told_by_what_it_names() {
        let holder = |kind: AccessKind, name: &str| Some(AccessName { kind: kind.into(), name: name.into() });
        let attach = v1::AttachPolicy { holder: holder(AccessKind::Role, "reader"), policy_name: "p".into() };
        assert_eq!(told(&Change::AttachPolicy(attach)), ("AttachPolicy", "role/reader".into(), "PolicyName=p".into()));
        let key = v1::UpdateAccessKey { access_key_id: "AKIA1".into(), ..Default::default() };
        let expected = ("UpdateAccessKey", "access-key/AKIA1".into(), "AccessKeyId=AKIA1 Status=Inactive".into());
        assert_eq!(told(&Change::UpdateAccessKey(key)), expected);
        let joined = v1::ChangeMembership { group_name: "g".into(), user_name: "u".into(), member: true };
        let expected = ("ChangeMembership", "group/g".into(), "UserName=u Member=true".into());
        assert_eq!(told(&Change::ChangeMembership(joined)), expected);
        let version = v1::DeletePolicyVersion { policy_name: "p".into(), number: 2 };
        let expected = ("DeletePolicyVersion", "policy/p".into(), "VersionId=v2".into());
        assert_eq!(told(&Change::DeletePolicyVersion(version)), expected);
        assert_eq!(told(&Change::SetTags(v1::SetTags::default())).1, "nobody/");
    }

    #[test]
    fn long_names_are_cut_and_secrets_and_documents_left_out() {
        let key = v1::CreateAccessKey {
            user_name: "u".repeat(1 << 20),
            access_key_id: "AKIA1".into(),
            secret_access_key: "SECRET".into(),
        };
        let (_, resource, parameters) = told(&Change::CreateAccessKey(key));
        assert_eq!(resource.len(), "user/".len() + NAME_MAX_LENGTH);
        assert_eq!(parameters, "AccessKeyId=AKIA1");
        let put = v1::PutInlinePolicy { document: "SECRET".into(), ..Default::default() };
        assert!(!format!("{:?}", Subject::of(&Change::PutInlinePolicy(put))).contains("SECRET"));
    }
}
