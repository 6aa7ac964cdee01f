//! The account as a whole.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html>

use super::Call;
use super::document::DocumentKind;
use crate::query_api::{QueryAnswer, QueryError};

/// What there is, and the quotas that hold here. Of what does not exist here there is none: devices, certificates.
pub fn get_account_summary(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let directory = call.directory;
    let local = || directory.policies.values().filter(|policy| !policy.built_in);
    let quota = |kind: DocumentKind| kind.max_characters();
    let entries = [
        ("Users", directory.users.len()),
        ("Groups", directory.groups.len()),
        ("Roles", directory.roles.len()),
        ("Policies", local().count()),
        ("PolicyVersionsInUse", local().map(|policy| policy.versions.len()).sum()),
        ("Providers", directory.providers.len()),
        ("MFADevices", 0),
        ("MFADevicesInUse", 0),
        ("AccountMFAEnabled", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("ServerCertificates", 0),
        ("InstanceProfiles", 0),
        ("PolicySizeQuota", quota(DocumentKind::Managed)),
        ("UserPolicySizeQuota", quota(DocumentKind::UserInline)),
        ("GroupPolicySizeQuota", quota(DocumentKind::GroupInline)),
        ("RolePolicySizeQuota", quota(DocumentKind::RoleInline)),
        ("AssumeRolePolicySizeQuota", quota(DocumentKind::Trust)),
    ];
    Ok(QueryAnswer::with(|xml| {
        xml.within("SummaryMap", |xml| {
            for (key, value) in entries {
                xml.within("entry", |xml| {
                    xml.text("key", key).number("value", value as u64);
                });
            }
        });
    }))
}
