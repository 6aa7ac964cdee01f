//! `weir fsadmin policy show` and `ls`

use crate::shell::Shell;
use crate::shell::access::Directory;
use crate::shell::error::ShellError;
use crate::shell::format::{printable, printable_text, utc_time};
use crate::shell::output::Output;
use weir_proto::account::ACCOUNT_ID;
use weir_proto::v1::{ManagedPolicy, Permissions};

/// A line a policy: name, version that holds, how many hold it.
pub async fn list(shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let directory = shell.directory().await?;
    directory.policies.iter().try_for_each(|policy| {
        let holders = holders(&directory, policy).len();
        let line = format!("{:<32} v{:<4} {holders:>4}  {}", policy.name, policy.default_version, origin(policy));
        out.say(line.trim_end())
    })
}

/// The policy and the document that holds.
pub async fn run(name: &str, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let directory = shell.directory().await?;
    let Some(policy) = directory.policies.iter().find(|policy| policy.name == name) else {
        return Err(ShellError::said(format!("There is no policy {}.", printable(name.as_bytes()))));
    };
    out.say(format_args!("Name            : {}", policy.name))?;
    out.say(format_args!("ARN             : {}", arn(policy)))?;
    if !policy.description.is_empty() {
        out.say(format_args!("Description     : {}", printable(policy.description.as_bytes())))?;
    }
    for version in &policy.versions {
        let default = if version.number == policy.default_version { " (holds)" } else { "" };
        out.say(format_args!("Version         : v{} of {}{default}", version.number, utc_time(version.created_ms)))?;
    }
    holders(&directory, policy).iter().try_for_each(|holder| out.say(format_args!("Held by         : {holder}")))?;
    out.say("Document        :")?;
    let default = policy.versions.iter().find(|version| version.number == policy.default_version);
    out.say(printable_text(default.map_or("", |version| &version.document)))
}

fn origin(policy: &ManagedPolicy) -> &'static str {
    if policy.built_in { "part of Weir" } else { "" }
}

fn arn(policy: &ManagedPolicy) -> String {
    let account = if policy.built_in { "aws" } else { ACCOUNT_ID };
    format!("arn:aws:iam::{account}:policy{}{}", policy.path, policy.name)
}

/// Whom it is attached to, and whom it bounds.
fn holders(directory: &Directory, policy: &ManagedPolicy) -> Vec<String> {
    let mut holders = Vec::new();
    let mut add = |kind: &str, name: &str, permissions: Option<&Permissions>| {
        let Some(permissions) = permissions else { return };
        if permissions.attached_policies.contains(&policy.name) {
            holders.push(format!("{kind} {name}"));
        }
        if permissions.boundary_policy == policy.name {
            holders.push(format!("{kind} {name}, as its boundary"));
        }
    };
    directory.users.iter().for_each(|user| add("user", &user.name, user.permissions.as_ref()));
    directory.groups.iter().for_each(|group| add("group", &group.name, group.permissions.as_ref()));
    directory.roles.iter().for_each(|role| add("role", &role.name, role.permissions.as_ref()));
    holders
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::v1::{Group, User};

    #[test]
    fn a_policy_is_held_by_those_it_is_attached_to_or_bounds() {
        let permissions = |attached: &str, boundary: &str| {
            Some(Permissions {
                attached_policies: vec![attached.into()],
                boundary_policy: boundary.into(),
                ..Default::default()
            })
        };
        let user = |name: &str, permissions| User { name: name.into(), permissions, ..Default::default() };
        let directory = Directory {
            users: vec![user("alice", permissions("p", "p")), user("bob", permissions("q", "")), user("carol", None)],
            groups: vec![Group { name: "admins".into(), permissions: permissions("p", ""), ..Default::default() }],
            ..Default::default()
        };
        let policy = ManagedPolicy { name: "p".into(), path: "/team/".into(), ..Default::default() };
        assert_eq!(holders(&directory, &policy), ["user alice", "user alice, as its boundary", "group admins"]);
        assert_eq!(arn(&policy), "arn:aws:iam::000000000000:policy/team/p");
    }
}
