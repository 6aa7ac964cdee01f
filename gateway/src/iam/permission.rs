//! What must be allowed before an action is performed: actions on ARNs, with the keys that conditions look at.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>

use super::action::{IamAction, Subject};
use super::boundaries::BOUNDARY;
use super::holder::{Holder, HolderKind};
use super::named_user_or_caller;
use super::rules::{ACCESS_KEY_ID, PATH, PATH_PREFIX, POLICY_NAME, POLICY_PATH, PROVIDER_URL};
use crate::auth::{Directory, Identity, local_policy_arn, provider_arn};
use crate::query_api::{ARN, Parameters, QueryError, TAG_KEY, TAGS_MAX};
use weir_proto::account::ACCOUNT_ID;
use weir_proto::v1::Tag;

/// The resource of actions that are about nothing in particular.
const ANY: &str = "*";

/// One action that must be allowed on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// As policies name it: `iam:CreateUser`.
    pub action: &'static str,
    /// An ARN, or `*`.
    pub resource: String,
    /// Condition keys beside those that every request has, each with its values.
    pub conditions: Vec<(String, Vec<String>)>,
}

/// Everything that must be allowed, the most telling first. Who may not even ask learns nothing of what exists: what is
/// not known has the ARN that it would have.
///
/// # Errors
/// `ValidationError` and `MalformedQueryString` for a parameter that names what the action is about and can't be.
pub fn permissions(
    directory: &Directory,
    identity: &Identity,
    action: IamAction,
    parameters: &Parameters,
) -> Result<Vec<Permission>, QueryError> {
    let request = Request { directory, identity, parameters };
    let (resource, holder) = request.resource(action.subject())?;
    let tags = parameters.tags("Tags")?.unwrap_or_default();
    let conditions = request.conditions(holder.as_ref(), &tags)?;
    let mut permissions = vec![Permission { action: action.permission_name(), resource, conditions }];
    permissions.extend(request.more(action.subject(), holder.as_ref(), !tags.is_empty(), &permissions[0])?);
    Ok(permissions)
}

/// The ARN that an action is about, or `*`; none where its parameters name nothing that can be.
pub fn resource(
    directory: &Directory,
    identity: &Identity,
    action: IamAction,
    parameters: &Parameters,
) -> Option<String> {
    let request = Request { directory, identity, parameters };
    request.resource(action.subject()).ok().map(|(resource, _)| resource)
}

struct Request<'a> {
    directory: &'a Directory,
    identity: &'a Identity,
    parameters: &'a Parameters,
}

impl<'a> Request<'a> {
    /// What the action is about; the user, group or role itself where there is one.
    fn resource(&self, subject: Subject) -> Result<(String, Option<Holder<'a>>), QueryError> {
        let given = self.parameters;
        let resource = match subject {
            Subject::Account => ANY.to_owned(),
            Subject::Holder(kind) | Subject::MovedHolder(kind) => {
                return Ok(self.holder(kind, given.required(kind.parameter(), kind.name_rule())?));
            }
            Subject::UserOrCaller => return self.user_or_caller(),
            Subject::KeyOwner => return self.key_owner(),
            Subject::NewHolder(kind) => {
                let name = given.required(kind.parameter(), kind.name_rule())?;
                kind.arn(given.text("Path", &PATH)?.unwrap_or("/"), name)
            }
            Subject::Holders(kind) => kind.arn(given.text("PathPrefix", &PATH_PREFIX)?.unwrap_or("/"), ""),
            Subject::Policy => given.required("PolicyArn", &ARN)?.to_owned(),
            Subject::NewPolicy => {
                let name = given.required("PolicyName", &POLICY_NAME)?;
                local_policy_arn(given.text("Path", &POLICY_PATH)?.unwrap_or("/"), name)
            }
            Subject::Policies => local_policy_arn(given.text("PathPrefix", &POLICY_PATH)?.unwrap_or("/"), ""),
            Subject::Provider => given.required("OpenIDConnectProviderArn", &ARN)?.to_owned(),
            Subject::NewProvider => provider_arn(given.required("Url", &PROVIDER_URL)?),
        };
        Ok((resource, None))
    }

    fn holder(&self, kind: HolderKind, name: &str) -> (String, Option<Holder<'a>>) {
        let holder = Holder::find(self.directory, kind, name);
        (holder.map_or_else(|| kind.arn("/", name), |holder| holder.arn()), holder)
    }

    fn user_or_caller(&self) -> Result<(String, Option<Holder<'a>>), QueryError> {
        if *self.identity == Identity::Root && self.parameters.get("UserName").is_none() {
            return Ok((format!("arn:aws:iam::{ACCOUNT_ID}:root"), None));
        }
        Ok(self.holder(HolderKind::User, named_user_or_caller(self.identity, self.parameters)?))
    }

    fn key_owner(&self) -> Result<(String, Option<Holder<'a>>), QueryError> {
        let id = self.parameters.required("AccessKeyId", &ACCESS_KEY_ID)?;
        Ok(match self.directory.access_keys.get(id) {
            Some(key) => self.holder(HolderKind::User, &key.user_name),
            None => (ANY.to_owned(), None),
        })
    }

    fn conditions(&self, holder: Option<&Holder<'_>>, tags: &[Tag]) -> Result<Vec<(String, Vec<String>)>, QueryError> {
        let mut conditions = Vec::new();
        if let Some(arn) = self.parameters.get("PolicyArn") {
            conditions.push(("iam:PolicyARN".to_owned(), vec![arn.to_owned()]));
        }
        let bound = holder.map(|holder| &holder.permissions.boundary_policy).filter(|name| !name.is_empty());
        let boundary = match self.parameters.get(BOUNDARY) {
            Some(arn) => Some(arn.to_owned()),
            None => bound.map(|name| self.directory.policy_arn_of(name)),
        };
        conditions.extend(boundary.map(|arn| ("iam:PermissionsBoundary".to_owned(), vec![arn])));
        for tag in holder.map_or(&[][..], |holder| holder.tags) {
            for key in ["aws:ResourceTag", "iam:ResourceTag"] {
                conditions.push((format!("{key}/{}", tag.key), vec![tag.value.clone()]));
            }
        }
        conditions.extend(tags.iter().map(|tag| (format!("aws:RequestTag/{}", tag.key), vec![tag.value.clone()])));
        let mut keys: Vec<_> = tags.iter().map(|tag| tag.key.clone()).collect();
        if let Some(removed) = self.parameters.list("TagKeys", &TAG_KEY, TAGS_MAX)? {
            keys.extend(removed.into_iter().map(str::to_owned));
        }
        if !keys.is_empty() {
            conditions.push(("aws:TagKeys".to_owned(), keys));
        }
        Ok(conditions)
    }

    /// Whoever tags what it makes must be allowed to tag, and whoever moves something must be allowed to where it goes.
    fn more(
        &self,
        subject: Subject,
        holder: Option<&Holder<'_>>,
        is_tagged: bool,
        first: &Permission,
    ) -> Result<Option<Permission>, QueryError> {
        Ok(match subject {
            Subject::NewHolder(kind) if is_tagged => {
                kind.tag_action().map(|action| Permission { action, ..first.clone() })
            }
            Subject::MovedHolder(kind) => {
                self.moved(kind, holder)?.map(|resource| Permission { resource, ..first.clone() })
            }
            Subject::NewHolder(_)
            | Subject::Account
            | Subject::Holder(_)
            | Subject::Holders(_)
            | Subject::UserOrCaller
            | Subject::KeyOwner
            | Subject::Policy
            | Subject::NewPolicy
            | Subject::Policies
            | Subject::Provider
            | Subject::NewProvider => None,
        })
    }

    /// The ARN that a user or group is to have; None when it keeps its own.
    fn moved(&self, kind: HolderKind, holder: Option<&Holder<'_>>) -> Result<Option<String>, QueryError> {
        let new_name = match kind.new_name_parameter() {
            Some(parameter) => self.parameters.text(parameter, kind.name_rule())?,
            None => None,
        };
        let new_path = self.parameters.text("NewPath", &PATH)?;
        if new_name.is_none() && new_path.is_none() {
            return Ok(None);
        }
        let name = self.parameters.required(kind.parameter(), kind.name_rule())?;
        let path = holder.map_or("/", |holder| holder.path);
        Ok(Some(kind.arn(new_path.unwrap_or(path), new_name.unwrap_or(name))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query_api::QueryErrorCode;
    use weir_proto::v1;
    use weir_proto::v1::access_entry::Entry;

    const BOUNDARY_ARN: &str = "arn:aws:iam::000000000000:policy/team/Bound";

    fn directory() -> Directory {
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        let bounded = v1::Permissions { boundary_policy: "Bound".into(), ..Default::default() };
        let alice = v1::User {
            name: "alice".into(),
            path: "/staff/".into(),
            permissions: Some(bounded),
            tags: vec![tag("team", "blue")],
            ..Default::default()
        };
        let key = v1::AccessKey { access_key_id: "AKIA1".into(), user_name: "alice".into(), ..Default::default() };
        let policy = v1::ManagedPolicy { name: "Bound".into(), path: "/team/".into(), ..Default::default() };
        let entries = [Entry::User(alice), Entry::AccessKey(key), Entry::Policy(policy)];
        let mut directory = Directory::default();
        directory.apply(entries.into_iter().map(|entry| v1::AccessEntry { entry: Some(entry) }));
        directory
    }

    fn asked(identity: &Identity, form: &str) -> Result<Vec<Permission>, QueryError> {
        let parameters = Parameters::parse("", format!("Action={form}").as_bytes()).unwrap();
        let action = IamAction::parse(parameters.action().unwrap()).unwrap();
        permissions(&directory(), identity, action, &parameters)
    }

    fn resources(identity: &Identity, form: &str) -> Vec<(&'static str, String)> {
        asked(identity, form).unwrap().into_iter().map(|permission| (permission.action, permission.resource)).collect()
    }

    fn one(form: &str) -> String {
        let resources = resources(&Identity::Root, form);
        assert_eq!(resources.len(), 1, "{form}");
        resources[0].1.clone()
    }

    #[test]
    fn an_action_is_about_an_arn() {
        const IAM: &str = "arn:aws:iam::000000000000:";
        for (form, resource) in [
            ("DeleteUser&UserName=alice", "user/staff/alice"),
            ("DeleteUser&UserName=nobody", "user/nobody"),
            ("CreateUser&UserName=bob", "user/bob"),
            ("CreateUser&UserName=bob&Path=/a/", "user/a/bob"),
            ("ListUsers", "user/"),
            ("ListUsers&PathPrefix=/staff", "user/staff"),
            ("GetAccessKeyLastUsed&AccessKeyId=AKIA1", "user/staff/alice"),
            ("AddUserToGroup&GroupName=g&UserName=alice", "group/g"),
            ("CreateRole&RoleName=r&Path=/x/", "role/x/r"),
            ("CreatePolicy&PolicyName=P&Path=/x/", "policy/x/P"),
            ("ListPolicies", "policy/"),
            ("CreateOpenIDConnectProvider&Url=https://a.b/c", "oidc-provider/a.b/c"),
        ] {
            assert_eq!(one(form), format!("{IAM}{resource}"), "{form}");
        }
        assert_eq!(one(&format!("GetPolicy&PolicyArn={BOUNDARY_ARN}")), BOUNDARY_ARN);
        assert_eq!(one("GetAccountSummary"), "*");
        assert_eq!(one("GetAccessKeyLastUsed&AccessKeyId=AKIA2"), "*");
    }

    #[test]
    fn who_names_no_user_means_itself() {
        let alice = Identity::User { name: "alice".into(), path: "/staff/".into(), id: "AIDA1".into() };
        let expected = [("iam:CreateAccessKey", "arn:aws:iam::000000000000:user/staff/alice".to_owned())];
        assert_eq!(resources(&alice, "CreateAccessKey"), expected);
        assert_eq!(one("GetUser"), "arn:aws:iam::000000000000:root");
        assert_eq!(asked(&Identity::Anonymous, "GetUser").unwrap_err().code(), QueryErrorCode::ValidationError);
    }

    #[test]
    fn what_is_moved_is_allowed_at_both_ends() {
        let ends = resources(&Identity::Root, "UpdateUser&UserName=alice&NewUserName=root&NewPath=/admins/");
        let user = |name: &str| ("iam:UpdateUser", format!("arn:aws:iam::000000000000:user{name}"));
        assert_eq!(ends, [user("/staff/alice"), user("/admins/root")]);
        assert_eq!(resources(&Identity::Root, "UpdateUser&UserName=alice&NewUserName=a")[1], user("/staff/a"));
        assert_eq!(one("UpdateUser&UserName=alice"), user("/staff/alice").1);
        assert_eq!(resources(&Identity::Root, "UpdateGroup&GroupName=g&NewGroupName=h").len(), 2);
    }

    #[test]
    fn conditions_see_tags_boundaries_and_policies() {
        let form = "TagUser&UserName=alice&Tags.member.1.Key=cost&Tags.member.1.Value=7";
        let conditions = asked(&Identity::Root, form).unwrap().remove(0).conditions;
        let key = |name: &str, value: &str| (name.to_owned(), vec![value.to_owned()]);
        assert_eq!(
            conditions,
            [
                key("iam:PermissionsBoundary", BOUNDARY_ARN),
                key("aws:ResourceTag/team", "blue"),
                key("iam:ResourceTag/team", "blue"),
                key("aws:RequestTag/cost", "7"),
                key("aws:TagKeys", "cost"),
            ]
        );
        let form = "UntagUser&UserName=nobody&TagKeys.member.1=a&TagKeys.member.2=b";
        let conditions = asked(&Identity::Root, form).unwrap().remove(0).conditions;
        assert_eq!(conditions, [("aws:TagKeys".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
        let form = format!("AttachRolePolicy&RoleName=r&PolicyArn={BOUNDARY_ARN}");
        assert_eq!(asked(&Identity::Root, &form).unwrap()[0].conditions, [key("iam:PolicyARN", BOUNDARY_ARN)]);
    }

    #[test]
    fn who_tags_what_it_makes_must_be_allowed_to_tag() {
        let form = "CreateUser&UserName=bob&Tags.member.1.Key=a&Tags.member.1.Value=b";
        let actions: Vec<_> = asked(&Identity::Root, form).unwrap().into_iter().map(|asked| asked.action).collect();
        assert_eq!(actions, ["iam:CreateUser", "iam:TagUser"]);
    }

    #[test]
    fn a_name_that_can_not_be_is_no_resource() {
        for form in ["DeleteUser", "DeleteUser&UserName=*", "CreateUser&UserName=a&Path=x", "GetUser&UserName=a/b"] {
            assert_eq!(asked(&Identity::Root, form).unwrap_err().code(), QueryErrorCode::ValidationError, "{form}");
        }
    }
}
