//! An action is performed by the function that is its own.

use super::action::IamAction;
use super::holder::HolderKind::{Group, Role, User};
use super::{
    Call, IamApi, access_keys, account, attached_policies, authorization_details, boundaries, groups, inline_policies,
    managed_policies, memberships, policy_entities, policy_versions, providers, roles, tags, users,
};
use crate::auth::Identity;
use crate::query_api::{Parameters, QueryAnswer, QueryError};

/// Performs an action for someone who may: see [`permissions`](super::permissions).
///
/// # Errors
/// What IAM says: <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html> and the action's own page.
pub async fn perform(
    api: &IamApi<'_>,
    identity: &Identity,
    action: IamAction,
    parameters: &Parameters,
) -> Result<QueryAnswer, QueryError> {
    parameters.check_known(action.parameters())?;
    let call = &Call { directory: api.directory, changes: api.changes, identity, parameters };
    match action {
        IamAction::CreateUser => users::create_user(call).await,
        IamAction::GetUser => users::get_user(call),
        IamAction::UpdateUser => users::update_user(call).await,
        IamAction::DeleteUser => users::delete_user(call).await,
        IamAction::ListUsers => users::list_users(call),
        IamAction::TagUser => tags::tag(call, User).await,
        IamAction::UntagUser => tags::untag(call, User).await,
        IamAction::ListUserTags => tags::list_tags(call, User),

        IamAction::CreateAccessKey => access_keys::create_access_key(call).await,
        IamAction::UpdateAccessKey => access_keys::update_access_key(call).await,
        IamAction::DeleteAccessKey => access_keys::delete_access_key(call).await,
        IamAction::ListAccessKeys => access_keys::list_access_keys(call),
        IamAction::GetAccessKeyLastUsed => access_keys::get_access_key_last_used(call),

        IamAction::CreateGroup => groups::create_group(call).await,
        IamAction::GetGroup => groups::get_group(call),
        IamAction::UpdateGroup => groups::update_group(call).await,
        IamAction::DeleteGroup => groups::delete_group(call).await,
        IamAction::ListGroups => groups::list_groups(call),
        IamAction::AddUserToGroup => memberships::change_membership(call, true).await,
        IamAction::RemoveUserFromGroup => memberships::change_membership(call, false).await,
        IamAction::ListGroupsForUser => memberships::list_groups_for_user(call),

        IamAction::PutUserPolicy => inline_policies::put_policy(call, User).await,
        IamAction::GetUserPolicy => inline_policies::get_policy(call, User),
        IamAction::DeleteUserPolicy => inline_policies::delete_policy(call, User).await,
        IamAction::ListUserPolicies => inline_policies::list_policies(call, User),
        IamAction::PutGroupPolicy => inline_policies::put_policy(call, Group).await,
        IamAction::GetGroupPolicy => inline_policies::get_policy(call, Group),
        IamAction::DeleteGroupPolicy => inline_policies::delete_policy(call, Group).await,
        IamAction::ListGroupPolicies => inline_policies::list_policies(call, Group),
        IamAction::PutRolePolicy => inline_policies::put_policy(call, Role).await,
        IamAction::GetRolePolicy => inline_policies::get_policy(call, Role),
        IamAction::DeleteRolePolicy => inline_policies::delete_policy(call, Role).await,
        IamAction::ListRolePolicies => inline_policies::list_policies(call, Role),

        IamAction::AttachUserPolicy => attached_policies::attach_policy(call, User).await,
        IamAction::DetachUserPolicy => attached_policies::detach_policy(call, User).await,
        IamAction::ListAttachedUserPolicies => attached_policies::list_attached_policies(call, User),
        IamAction::AttachGroupPolicy => attached_policies::attach_policy(call, Group).await,
        IamAction::DetachGroupPolicy => attached_policies::detach_policy(call, Group).await,
        IamAction::ListAttachedGroupPolicies => attached_policies::list_attached_policies(call, Group),
        IamAction::AttachRolePolicy => attached_policies::attach_policy(call, Role).await,
        IamAction::DetachRolePolicy => attached_policies::detach_policy(call, Role).await,
        IamAction::ListAttachedRolePolicies => attached_policies::list_attached_policies(call, Role),

        IamAction::PutUserPermissionsBoundary => boundaries::put_boundary(call, User).await,
        IamAction::DeleteUserPermissionsBoundary => boundaries::delete_boundary(call, User).await,
        IamAction::PutRolePermissionsBoundary => boundaries::put_boundary(call, Role).await,
        IamAction::DeleteRolePermissionsBoundary => boundaries::delete_boundary(call, Role).await,

        IamAction::CreatePolicy => managed_policies::create_policy(call).await,
        IamAction::GetPolicy => managed_policies::get_policy(call),
        IamAction::ListPolicies => managed_policies::list_policies(call),
        IamAction::DeletePolicy => managed_policies::delete_policy(call).await,
        IamAction::CreatePolicyVersion => policy_versions::create_policy_version(call).await,
        IamAction::GetPolicyVersion => policy_versions::get_policy_version(call),
        IamAction::ListPolicyVersions => policy_versions::list_policy_versions(call),
        IamAction::DeletePolicyVersion => policy_versions::delete_policy_version(call).await,
        IamAction::SetDefaultPolicyVersion => policy_versions::set_default_policy_version(call).await,
        IamAction::ListEntitiesForPolicy => policy_entities::list_entities_for_policy(call),

        IamAction::CreateRole => roles::create_role(call).await,
        IamAction::GetRole => roles::get_role(call),
        IamAction::ListRoles => roles::list_roles(call),
        IamAction::UpdateRole => roles::update_role(call).await,
        IamAction::UpdateRoleDescription => roles::update_role_description(call).await,
        IamAction::UpdateAssumeRolePolicy => roles::update_assume_role_policy(call).await,
        IamAction::DeleteRole => roles::delete_role(call).await,
        IamAction::TagRole => tags::tag(call, Role).await,
        IamAction::UntagRole => tags::untag(call, Role).await,
        IamAction::ListRoleTags => tags::list_tags(call, Role),

        IamAction::CreateOpenIDConnectProvider => providers::create_provider(call).await,
        IamAction::GetOpenIDConnectProvider => providers::get_provider(call),
        IamAction::ListOpenIDConnectProviders => providers::list_providers(call),
        IamAction::DeleteOpenIDConnectProvider => providers::delete_provider(call).await,
        IamAction::AddClientIDToOpenIDConnectProvider => providers::add_client_id(call).await,
        IamAction::RemoveClientIDFromOpenIDConnectProvider => providers::remove_client_id(call).await,
        IamAction::UpdateOpenIDConnectProviderThumbprint => providers::update_thumbprints(call).await,

        IamAction::GetAccountSummary => account::get_account_summary(call),
        IamAction::GetAccountAuthorizationDetails => authorization_details::get_account_authorization_details(call),
    }
}
