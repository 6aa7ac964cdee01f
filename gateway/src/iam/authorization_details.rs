//! Everything that says who may do what, in one list.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html>

use super::Call;
use super::attached_policies::{attached, write_attached};
use super::boundaries::write_boundary;
use super::document;
use super::groups::write_group;
use super::holder::Holder;
use super::managed_policies::write_policy;
use super::paging::{Paging, write_members};
use super::policy_entities::Usage;
use super::policy_versions::write_version;
use super::roles::write_role_head;
use super::tags::write_tags;
use super::users::write_user;
use crate::auth::Directory;
use crate::query_api::{QueryAnswer, QueryError, TextRule};
use crate::xml::Writer;
use std::collections::HashMap;
use weir_proto::v1;

/// One thing of the list.
#[derive(Clone, Copy)]
enum Detail<'a> {
    User(&'a v1::User),
    Group(&'a v1::Group),
    Role(&'a v1::Role),
    Policy(&'a v1::ManagedPolicy),
}

/// The words of `Filter`.
const FILTERS: [&str; 5] = ["User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"];
const FILTER: TextRule = TextRule {
    length: 1..=32,
    pattern: "User|Group|Role|LocalManagedPolicy|AWSManagedPolicy",
    matches: |text| FILTERS.contains(&text),
};

pub fn get_account_authorization_details(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let filter = call.parameters.list("Filter", &FILTER, FILTERS.len())?.unwrap_or_default();
    let is_wanted = |detail: &Detail<'_>| filter.is_empty() || filter.contains(&detail.filter());
    let details = all(call.directory).filter(|(_, detail)| is_wanted(detail));
    let page = Paging::of(call.parameters)?.take(details);
    let usage = Usage::of_all(call.directory);
    Ok(QueryAnswer::with(|xml| {
        for list in ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"] {
            let details = page.items.iter().filter(|detail| detail.list() == list);
            write_members(xml, list, details, |xml, detail| detail.write(xml, call.directory, &usage));
        }
        page.write_end(xml);
    }))
}

/// Everything, by ascending key.
fn all(directory: &Directory) -> impl Iterator<Item = (String, Detail<'_>)> {
    let users = directory.users.iter().map(|(name, user)| (format!("0/{name}"), Detail::User(user)));
    let groups = directory.groups.iter().map(|(name, group)| (format!("1/{name}"), Detail::Group(group)));
    let roles = directory.roles.iter().map(|(name, role)| (format!("2/{name}"), Detail::Role(role)));
    let policies = directory.policies.iter().map(|(name, policy)| (format!("3/{name}"), Detail::Policy(policy)));
    users.chain(groups).chain(roles).chain(policies)
}

impl Detail<'_> {
    fn filter(&self) -> &'static str {
        match self {
            Self::User(_) => "User",
            Self::Group(_) => "Group",
            Self::Role(_) => "Role",
            Self::Policy(policy) if policy.built_in => "AWSManagedPolicy",
            Self::Policy(_) => "LocalManagedPolicy",
        }
    }

    fn list(&self) -> &'static str {
        match self {
            Self::User(_) => "UserDetailList",
            Self::Group(_) => "GroupDetailList",
            Self::Role(_) => "RoleDetailList",
            Self::Policy(_) => "Policies",
        }
    }

    fn write(&self, xml: &mut Writer, directory: &Directory, usage: &HashMap<&str, Usage>) {
        match self {
            Self::User(user) => {
                write_user(xml, user);
                let permissions = Holder::of_user(user).permissions;
                write_inline(xml, "UserPolicyList", permissions);
                write_members(xml, "GroupList", &user.groups, |xml, name| {
                    xml.own_text(name);
                });
                write_all_attached(xml, directory, permissions);
                write_boundary(xml, directory, permissions);
                write_tags(xml, &user.tags);
            }
            Self::Group(group) => {
                write_group(xml, group);
                let permissions = Holder::of_group(group).permissions;
                write_inline(xml, "GroupPolicyList", permissions);
                write_all_attached(xml, directory, permissions);
            }
            Self::Role(role) => {
                write_role_head(xml, directory, role);
                let permissions = Holder::of_role(role).permissions;
                xml.within("InstanceProfileList", |_| {});
                write_inline(xml, "RolePolicyList", permissions);
                write_all_attached(xml, directory, permissions);
                write_boundary(xml, directory, permissions);
                write_tags(xml, &role.tags);
            }
            Self::Policy(policy) => {
                let usage = usage.get(policy.name.as_str()).copied().unwrap_or_default();
                write_policy(xml, policy, usage, true);
                write_members(xml, "PolicyVersionList", &policy.versions, |xml, version| {
                    xml.text("Document", &document::encoded(&version.document));
                    write_version(xml, policy, version);
                });
            }
        }
    }
}

fn write_inline(xml: &mut Writer, list: &str, permissions: &v1::Permissions) {
    write_members(xml, list, &permissions.inline_policies, |xml, policy| {
        xml.text("PolicyName", &policy.name).text("PolicyDocument", &document::encoded(&policy.document));
    });
}

fn write_all_attached(xml: &mut Writer, directory: &Directory, permissions: &v1::Permissions) {
    write_members(xml, "AttachedManagedPolicies", attached(directory, permissions), write_attached);
}
