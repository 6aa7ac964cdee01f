//! `weir fsadmin policy rm`

use crate::shell::Shell;
use crate::shell::error::ShellError;
use crate::shell::format::printable;
use crate::shell::output::Output;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{DeletePolicy, DeletePolicyVersion, Reason};

/// Removes the policy with its versions. One that is held by someone stays, with the version that holds alone.
pub async fn run(name: &str, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let directory = shell.directory().await?;
    let Some(policy) = directory.policies.iter().find(|policy| policy.name == name) else {
        return Err(ShellError::said(format!("There is no policy {}.", printable(name.as_bytes()))));
    };
    let held = |permissions: Option<&weir_proto::v1::Permissions>| {
        permissions.is_some_and(|held| held.attached_policies.contains(&policy.name) || held.boundary_policy == name)
    };
    let is_held = directory.users.iter().any(|user| held(user.permissions.as_ref()))
        || directory.groups.iter().any(|group| held(group.permissions.as_ref()))
        || directory.roles.iter().any(|role| held(role.permissions.as_ref()));
    if is_held {
        return Err(ShellError::said(format!(
            "Policy {name} is still attached or a boundary; see policy show {name}."
        )));
    }
    for version in policy.versions.iter().filter(|version| version.number != policy.default_version) {
        let change = DeletePolicyVersion { policy_name: name.to_owned(), number: version.number };
        match shell.change_access(Change::DeletePolicyVersion(change)).await {
            Err(error) if error.reason() != Some(Reason::NoSuchEntity) => return Err(error),
            _ => {}
        }
    }
    shell.change_access(Change::DeletePolicy(DeletePolicy { name: name.to_owned() })).await?;
    out.say(format_args!("Removed policy {name}"))
}
