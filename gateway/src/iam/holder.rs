//! What policies are given to: users, groups and roles, where an action treats them alike.

use super::Call;
use super::rules::{GROUP_NAME, ROLE_NAME, USER_NAME};
use crate::auth::{Directory, group_arn, role_arn, user_arn};
use crate::query_api::{QueryError, TextRule};
use weir_proto::v1::{self, AccessKind};

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderKind {
    User,
    Group,
    Role,
}

/// Of one that has none.
static NO_PERMISSIONS: v1::Permissions =
    v1::Permissions { attached_policies: Vec::new(), inline_policies: Vec::new(), boundary_policy: String::new() };

impl HolderKind {
    /// The parameter that names one.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::User => "UserName",
            Self::Group => "GroupName",
            Self::Role => "RoleName",
        }
    }

    /// The parameter that gives it another name. Roles keep theirs.
    pub fn new_name_parameter(self) -> Option<&'static str> {
        match self {
            Self::User => Some("NewUserName"),
            Self::Group => Some("NewGroupName"),
            Self::Role => None,
        }
    }

    /// The action that tags one. Groups have no tags.
    pub fn tag_action(self) -> Option<&'static str> {
        match self {
            Self::User => Some("iam:TagUser"),
            Self::Role => Some("iam:TagRole"),
            Self::Group => None,
        }
    }

    pub fn name_rule(self) -> &'static TextRule {
        match self {
            Self::User => &USER_NAME,
            Self::Group => &GROUP_NAME,
            Self::Role => &ROLE_NAME,
        }
    }

    pub fn arn(self, path: &str, name: &str) -> String {
        match self {
            Self::User => user_arn(path, name),
            Self::Group => group_arn(path, name),
            Self::Role => role_arn(path, name),
        }
    }

    /// As messages name it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        }
    }

    fn access_kind(self) -> AccessKind {
        match self {
            Self::User => AccessKind::User,
            Self::Group => AccessKind::Group,
            Self::Role => AccessKind::Role,
        }
    }

    /// The name of one, as changes carry it.
    pub fn named(self, name: &str) -> Option<v1::AccessName> {
        Some(v1::AccessName { kind: self.access_kind().into(), name: name.to_owned() })
    }

    pub fn no_such(self, name: &str) -> QueryError {
        QueryError::no_such(self.noun(), name)
    }
}

/// A user, group or role of the directory.
#[derive(Clone, Copy)]
pub struct Holder<'a> {
    pub kind: HolderKind,
    pub name: &'a str,
    pub path: &'a str,
    pub id: &'a str,
    pub permissions: &'a v1::Permissions,
    /// Groups have none.
    pub tags: &'a [v1::Tag],
}

impl<'a> Holder<'a> {
    pub fn find(directory: &'a Directory, kind: HolderKind, name: &str) -> Option<Self> {
        match kind {
            HolderKind::User => directory.users.get(name).map(|user| Self::of_user(user)),
            HolderKind::Group => directory.groups.get(name).map(|group| Self::of_group(group)),
            HolderKind::Role => directory.roles.get(name).map(|role| Self::of_role(role)),
        }
    }

    /// All of a kind, by name.
    pub fn all(directory: &'a Directory, kind: HolderKind) -> Vec<Self> {
        match kind {
            HolderKind::User => directory.users.values().map(|user| Self::of_user(user)).collect(),
            HolderKind::Group => directory.groups.values().map(|group| Self::of_group(group)).collect(),
            HolderKind::Role => directory.roles.values().map(|role| Self::of_role(role)).collect(),
        }
    }

    pub fn of_user(user: &'a v1::User) -> Self {
        let v1::User { name, path, id, permissions, tags, created_ms: _, groups: _ } = user;
        let permissions = permissions.as_ref().unwrap_or(&NO_PERMISSIONS);
        Self { kind: HolderKind::User, name, path, id, permissions, tags }
    }

    pub fn of_group(group: &'a v1::Group) -> Self {
        let v1::Group { name, path, id, permissions, created_ms: _ } = group;
        let permissions = permissions.as_ref().unwrap_or(&NO_PERMISSIONS);
        Self { kind: HolderKind::Group, name, path, id, permissions, tags: &[] }
    }

    pub fn of_role(role: &'a v1::Role) -> Self {
        let permissions = role.permissions.as_ref().unwrap_or(&NO_PERMISSIONS);
        Self { kind: HolderKind::Role, name: &role.name, path: &role.path, id: &role.id, permissions, tags: &role.tags }
    }

    pub fn arn(&self) -> String {
        self.kind.arn(self.path, self.name)
    }
}

impl<'a> Call<'a> {
    /// The name in the parameter of this kind.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(super) fn holder_name(&self, kind: HolderKind) -> Result<&'a str, QueryError> {
        self.parameters.required(kind.parameter(), kind.name_rule())
    }

    /// The user, group or role that the request names.
    ///
    /// # Errors
    /// `ValidationError`, `NoSuchEntity`.
    pub(super) fn holder(&self, kind: HolderKind) -> Result<Holder<'a>, QueryError> {
        let name = self.holder_name(kind)?;
        Holder::find(self.directory, kind, name).ok_or_else(|| kind.no_such(name))
    }
}
