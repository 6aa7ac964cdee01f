//! `weir fsadmin policy put`

use super::super::document;
use crate::shell::Shell;
use crate::shell::access::read_text;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use std::path::Path;
use weir_gateway::auth::policy::DocumentKind;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{CreatePolicy, CreatePolicyVersion, Reason};

/// Makes the policy, or a version of it that holds from now on.
pub async fn run(name: &str, file: &Path, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let document = read_text(file)?;
    document::check(&DocumentKind::Identity, &document)?;
    let create = CreatePolicy { name: name.to_owned(), document: document.clone(), ..Default::default() };
    match shell.change_access(Change::CreatePolicy(create)).await {
        Ok(_) => return out.say(format_args!("Added policy {name}")),
        Err(error) if error.reason() == Some(Reason::EntityExists) => {}
        Err(error) => return Err(error),
    }
    let version = CreatePolicyVersion { policy_name: name.to_owned(), document, set_as_default: true };
    let answer = shell.change_access(Change::CreatePolicyVersion(version)).await?;
    match answer.entry.and_then(|entry| entry.entry) {
        Some(Entry::Policy(policy)) => {
            out.say(format_args!("Version v{} of policy {name} holds from now on", policy.default_version))
        }
        _ => Err(ShellError::said("The metaserver did not say which version it made.")),
    }
}
