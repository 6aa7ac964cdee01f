//! Permissions boundaries of users and roles.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>

use super::Call;
use super::holder::HolderKind;
use super::named_policy::policy_of;
use crate::auth::Directory;
use crate::query_api::{QueryAnswer, QueryError};
use crate::xml::Writer;
use weir_proto::v1;
use weir_proto::v1::change_access_request::Change;

/// The parameter that names a boundary's policy.
pub const BOUNDARY: &str = "PermissionsBoundary";

pub async fn put_boundary(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let name = call.holder_name(kind)?;
    let policy_name = policy_of(call, BOUNDARY)?.name.clone();
    set(call, kind, name, policy_name).await
}

pub async fn delete_boundary(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let name = call.holder_name(kind)?;
    set(call, kind, name, String::new()).await
}

async fn set(call: &Call<'_>, kind: HolderKind, name: &str, policy_name: String) -> Result<QueryAnswer, QueryError> {
    call.settle(Change::SetBoundary(v1::SetBoundary { holder: kind.named(name), policy_name })).await
}

/// The name of the policy that bounds whom a request makes.
///
/// # Errors
/// `ValidationError`, `NoSuchEntity`.
pub fn boundary_parameter(call: &Call<'_>) -> Result<Option<String>, QueryError> {
    match call.parameters.get(BOUNDARY) {
        Some(_) => policy_of(call, BOUNDARY).map(|policy| Some(policy.name.clone())),
        None => Ok(None),
    }
}

/// The element `PermissionsBoundary`; left out where there is none.
pub fn write_boundary(xml: &mut Writer, directory: &Directory, permissions: &v1::Permissions) {
    if !permissions.boundary_policy.is_empty() {
        xml.within(BOUNDARY, |xml| {
            xml.text("PermissionsBoundaryType", "PermissionsBoundaryPolicy");
            xml.text("PermissionsBoundaryArn", &directory.policy_arn_of(&permissions.boundary_policy));
        });
    }
}
