//! The actions that are served: a row for each.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html>

use super::holder::HolderKind;
use crate::query_api::{Api, QueryError};

/// What an action is about, and so which ARN must be allowed.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The account as a whole.
    Account,
    /// A user, group or role that is named.
    Holder(HolderKind),
    /// The same when it is made.
    NewHolder(HolderKind),
    /// The same when it may get another name or path.
    MovedHolder(HolderKind),
    /// The same when its kind is listed by path.
    Holders(HolderKind),
    /// A user that is named, or the caller.
    UserOrCaller,
    /// The user whose the access key is.
    KeyOwner,
    Policy,
    NewPolicy,
    Policies,
    Provider,
    NewProvider,
}

const USER: Subject = Subject::Holder(HolderKind::User);
const GROUP: Subject = Subject::Holder(HolderKind::Group);
const ROLE: Subject = Subject::Holder(HolderKind::Role);
const NEW_USER: Subject = Subject::NewHolder(HolderKind::User);
const NEW_GROUP: Subject = Subject::NewHolder(HolderKind::Group);
const NEW_ROLE: Subject = Subject::NewHolder(HolderKind::Role);
const MOVED_USER: Subject = Subject::MovedHolder(HolderKind::User);
const MOVED_GROUP: Subject = Subject::MovedHolder(HolderKind::Group);
const USERS: Subject = Subject::Holders(HolderKind::User);
const GROUPS: Subject = Subject::Holders(HolderKind::Group);
const ROLES: Subject = Subject::Holders(HolderKind::Role);

macro_rules! actions {
    ($($action:ident $subject:expr, [$($parameter:ident)*];)*) => {
        /// An action of IAM.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum IamAction {
            $($action,)*
        }

        impl IamAction {
            /// All that are served.
            pub const ALL: &[Self] = &[$(Self::$action),*];

            /// As `Action` names it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$action => stringify!($action),)*
                }
            }

            /// As policies name it: `iam:CreateUser`.
            pub fn permission_name(self) -> &'static str {
                match self {
                    $(Self::$action => concat!("iam:", stringify!($action)),)*
                }
            }

            pub fn subject(self) -> Subject {
                match self {
                    $(Self::$action => $subject,)*
                }
            }

            /// The parameters that it knows; of lists, what stands before the first dot.
            pub fn parameters(self) -> &'static [&'static str] {
                match self {
                    $(Self::$action => &[$(stringify!($parameter)),*],)*
                }
            }
        }
    };
}

actions! {
    CreateUser NEW_USER, [UserName Path PermissionsBoundary Tags];
    GetUser Subject::UserOrCaller, [UserName];
    UpdateUser MOVED_USER, [UserName NewUserName NewPath];
    DeleteUser USER, [UserName];
    ListUsers USERS, [PathPrefix Marker MaxItems];
    TagUser USER, [UserName Tags];
    UntagUser USER, [UserName TagKeys];
    ListUserTags USER, [UserName Marker MaxItems];

    CreateAccessKey Subject::UserOrCaller, [UserName];
    UpdateAccessKey Subject::UserOrCaller, [UserName AccessKeyId Status];
    DeleteAccessKey Subject::UserOrCaller, [UserName AccessKeyId];
    ListAccessKeys Subject::UserOrCaller, [UserName Marker MaxItems];
    GetAccessKeyLastUsed Subject::KeyOwner, [AccessKeyId];

    CreateGroup NEW_GROUP, [GroupName Path];
    GetGroup GROUP, [GroupName Marker MaxItems];
    UpdateGroup MOVED_GROUP, [GroupName NewGroupName NewPath];
    DeleteGroup GROUP, [GroupName];
    ListGroups GROUPS, [PathPrefix Marker MaxItems];
    AddUserToGroup GROUP, [GroupName UserName];
    RemoveUserFromGroup GROUP, [GroupName UserName];
    ListGroupsForUser USER, [UserName Marker MaxItems];

    PutUserPolicy USER, [UserName PolicyName PolicyDocument];
    GetUserPolicy USER, [UserName PolicyName];
    DeleteUserPolicy USER, [UserName PolicyName];
    ListUserPolicies USER, [UserName Marker MaxItems];
    PutGroupPolicy GROUP, [GroupName PolicyName PolicyDocument];
    GetGroupPolicy GROUP, [GroupName PolicyName];
    DeleteGroupPolicy GROUP, [GroupName PolicyName];
    ListGroupPolicies GROUP, [GroupName Marker MaxItems];
    PutRolePolicy ROLE, [RoleName PolicyName PolicyDocument];
    GetRolePolicy ROLE, [RoleName PolicyName];
    DeleteRolePolicy ROLE, [RoleName PolicyName];
    ListRolePolicies ROLE, [RoleName Marker MaxItems];

    AttachUserPolicy USER, [UserName PolicyArn];
    DetachUserPolicy USER, [UserName PolicyArn];
    ListAttachedUserPolicies USER, [UserName PathPrefix Marker MaxItems];
    AttachGroupPolicy GROUP, [GroupName PolicyArn];
    DetachGroupPolicy GROUP, [GroupName PolicyArn];
    ListAttachedGroupPolicies GROUP, [GroupName PathPrefix Marker MaxItems];
    AttachRolePolicy ROLE, [RoleName PolicyArn];
    DetachRolePolicy ROLE, [RoleName PolicyArn];
    ListAttachedRolePolicies ROLE, [RoleName PathPrefix Marker MaxItems];

    PutUserPermissionsBoundary USER, [UserName PermissionsBoundary];
    DeleteUserPermissionsBoundary USER, [UserName];
    PutRolePermissionsBoundary ROLE, [RoleName PermissionsBoundary];
    DeleteRolePermissionsBoundary ROLE, [RoleName];

    CreatePolicy Subject::NewPolicy, [PolicyName Path PolicyDocument Description];
    GetPolicy Subject::Policy, [PolicyArn];
    ListPolicies Subject::Policies, [Scope OnlyAttached PathPrefix PolicyUsageFilter Marker MaxItems];
    DeletePolicy Subject::Policy, [PolicyArn];
    CreatePolicyVersion Subject::Policy, [PolicyArn PolicyDocument SetAsDefault];
    GetPolicyVersion Subject::Policy, [PolicyArn VersionId];
    ListPolicyVersions Subject::Policy, [PolicyArn Marker MaxItems];
    DeletePolicyVersion Subject::Policy, [PolicyArn VersionId];
    SetDefaultPolicyVersion Subject::Policy, [PolicyArn VersionId];
    ListEntitiesForPolicy Subject::Policy,
        [PolicyArn EntityFilter PathPrefix PolicyUsageFilter Marker MaxItems];

    CreateRole NEW_ROLE,
        [RoleName Path AssumeRolePolicyDocument Description MaxSessionDuration PermissionsBoundary Tags];
    GetRole ROLE, [RoleName];
    ListRoles ROLES, [PathPrefix Marker MaxItems];
    UpdateRole ROLE, [RoleName Description MaxSessionDuration];
    UpdateRoleDescription ROLE, [RoleName Description];
    UpdateAssumeRolePolicy ROLE, [RoleName PolicyDocument];
    DeleteRole ROLE, [RoleName];
    TagRole ROLE, [RoleName Tags];
    UntagRole ROLE, [RoleName TagKeys];
    ListRoleTags ROLE, [RoleName Marker MaxItems];

    CreateOpenIDConnectProvider Subject::NewProvider, [Url ClientIDList ThumbprintList];
    GetOpenIDConnectProvider Subject::Provider, [OpenIDConnectProviderArn];
    ListOpenIDConnectProviders Subject::Account, [];
    DeleteOpenIDConnectProvider Subject::Provider, [OpenIDConnectProviderArn];
    AddClientIDToOpenIDConnectProvider Subject::Provider, [OpenIDConnectProviderArn ClientID];
    RemoveClientIDFromOpenIDConnectProvider Subject::Provider, [OpenIDConnectProviderArn ClientID];
    UpdateOpenIDConnectProviderThumbprint Subject::Provider, [OpenIDConnectProviderArn ThumbprintList];

    GetAccountSummary Subject::Account, [];
    GetAccountAuthorizationDetails Subject::Account, [Filter Marker MaxItems];
}

impl IamAction {
    /// # Errors
    /// `InvalidAction`.
    pub fn parse(name: &str) -> Result<Self, QueryError> {
        let found = Self::ALL.iter().find(|action| action.name() == name).copied();
        found.ok_or_else(|| QueryError::unknown_action(name, Api::Iam.version()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query_api::QueryErrorCode;

    #[test]
    fn an_action_is_known_by_its_exact_name() {
        for &action in IamAction::ALL {
            assert_eq!(IamAction::parse(action.name()).unwrap(), action);
        }
        for name in ["", "createUser", "CreateUser ", "ListBuckets", "SimulatePrincipalPolicy"] {
            assert_eq!(IamAction::parse(name).unwrap_err().code(), QueryErrorCode::InvalidAction, "{name}");
        }
        assert_eq!(IamAction::CreateUser.permission_name(), "iam:CreateUser");
    }
}
