//! What the audit log has of a request to IAM or STS: its action, what that is about, and what it names besides.

use crate::audit::AuditRecord;
use crate::auth::{Directory, Identity};
use crate::iam::{IamAction, resource};
use crate::query_api::{Api, IssuedKey, Parameters};
use crate::sts::StsAction;

/// The parameters that are logged. Documents, tags and free texts are not, and none that is a secret: tokens of
/// issuers, external ids, codes of second factors.
const LOGGED: &[&str] = &[
    "AccessKeyId",
    "ClientID",
    "DurationSeconds",
    "GroupName",
    "MaxSessionDuration",
    "NewGroupName",
    "NewPath",
    "NewUserName",
    "OpenIDConnectProviderArn",
    "Path",
    "PermissionsBoundary",
    "PolicyArn",
    "PolicyName",
    "RoleArn",
    "RoleName",
    "RoleSessionName",
    "SetAsDefault",
    "Status",
    "Url",
    "UserName",
    "VersionId",
];

/// Notes what is asked for. `identity` is [`Identity::Anonymous`] as long as nothing is proved.
pub fn note_asked(
    record: &mut AuditRecord,
    api: Api,
    parameters: &Parameters,
    directory: &Directory,
    identity: &Identity,
) {
    match api {
        Api::Iam => {
            let action = parameters.action().and_then(IamAction::parse).ok();
            record.action = action.map(IamAction::permission_name);
            record.resource = action.and_then(|action| resource(directory, identity, action, parameters));
        }
        Api::Sts => {
            record.action = StsAction::of(parameters).ok().map(StsAction::permission_name);
            record.resource = parameters.get("RoleArn").filter(|_| record.action.is_some()).map(str::to_owned);
        }
    }
    // What is no action may have anything for its parameters.
    let logged = LOGGED.iter().filter(|_| record.action.is_some());
    record.parameters = logged.filter_map(|name| Some((*name, parameters.get(name)?.to_owned()))).collect();
}

/// Notes the key that was made.
pub fn note_issued(record: &mut AuditRecord, issued: Option<&IssuedKey>) {
    record.issued_access_key_id = issued.map(|issued| issued.access_key_id.clone());
    record.issued_identity = issued.map(|issued| issued.identity.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(api: Api, form: &str, identity: &Identity) -> AuditRecord {
        let parameters = Parameters::parse("", form.as_bytes()).unwrap();
        let mut record = AuditRecord::default();
        note_asked(&mut record, api, &parameters, &Directory::default(), identity);
        record
    }

    fn of_iam(form: &str) -> AuditRecord {
        asked(Api::Iam, form, &Identity::Anonymous)
    }

    #[test]
    fn every_action_is_logged_with_what_it_is_about() {
        for action in IamAction::ALL {
            let form = format!(
                "Action={}&UserName=u&GroupName=g&RoleName=r&PolicyName=p&PolicyArn=arn:aws:iam::000000000000:policy/p&\
                 OpenIDConnectProviderArn=arn:aws:iam::000000000000:oidc-provider/a.b&Url=https://a.b&AccessKeyId=AKIA\
                 0000000000000000",
                action.name()
            );
            let record = of_iam(&form);
            assert_eq!(record.action, Some(action.permission_name()));
            assert!(record.resource.is_some(), "{action:?}");
        }
        for action in StsAction::ALL {
            let record = asked(Api::Sts, &format!("Action={}", action.name()), &Identity::Anonymous);
            assert_eq!(record.action, Some(action.permission_name()));
        }
        let role = "arn:aws:iam::000000000000:role/r";
        let record = asked(Api::Sts, &format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=s"), &Identity::Root);
        assert_eq!(record.resource.as_deref(), Some(role));
        assert_eq!(record.parameters, [("RoleArn", role.to_owned()), ("RoleSessionName", "s".to_owned())]);
    }

    #[test]
    fn every_parameter_is_logged_or_kept_out_on_purpose() {
        let kept_out = [
            "AssumeRolePolicyDocument",
            "ClientIDList",
            "Description",
            "EntityFilter",
            "Filter",
            "Marker",
            "MaxItems",
            "OnlyAttached",
            "PathPrefix",
            "PolicyDocument",
            "PolicyUsageFilter",
            "Scope",
            "TagKeys",
            "Tags",
            "ThumbprintList",
        ];
        for parameter in IamAction::ALL.iter().flat_map(|action| action.parameters()) {
            assert!(LOGGED.contains(parameter) != kept_out.contains(parameter), "{parameter}");
        }
    }

    #[test]
    fn secrets_and_what_is_no_action_leave_nothing() {
        let form = "Action=AssumeRoleWithWebIdentity&WebIdentityToken=SECRET&ExternalId=SECRET&Policy=SECRET&\
                    Tags.member.1.Value=SECRET&TokenCode=SECRET&X-Amz-Security-Token=SECRET";
        assert!(!format!("{:?}", asked(Api::Sts, form, &Identity::Anonymous)).contains("SECRET"));
        let record = of_iam("Action=SECRET&UserName=SECRET");
        assert_eq!(record, AuditRecord::default());
    }

    #[test]
    fn who_names_no_user_is_meant_once_it_is_known() {
        assert_eq!(of_iam("Action=CreateAccessKey").resource, None);
        let alice = Identity::User { name: "alice".into(), path: "/".into(), id: "AIDA1".into() };
        let record = asked(Api::Iam, "Action=CreateAccessKey", &alice);
        assert_eq!(record.resource.as_deref(), Some("arn:aws:iam::000000000000:user/alice"));
    }
}
