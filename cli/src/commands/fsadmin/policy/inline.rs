//! `weir fsadmin policy inline`

use super::super::document;
use super::holder::HolderArgs;
use crate::shell::Shell;
use crate::shell::access::{Directory, read_text};
use crate::shell::error::ShellError;
use crate::shell::format::{printable, printable_text};
use crate::shell::output::Output;
use clap::Subcommand;
use std::path::PathBuf;
use weir_gateway::auth::policy::DocumentKind;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{AccessKind, AccessName, DeleteInlinePolicy, Permissions, PutInlinePolicy};

#[derive(Debug, Subcommand)]
pub enum Action {
    Put {
        #[command(flatten)]
        holder: HolderArgs,
        policy: String,
        file: PathBuf,
    },
    Rm {
        #[command(flatten)]
        holder: HolderArgs,
        policy: String,
    },
    Show {
        #[command(flatten)]
        holder: HolderArgs,
        policy: String,
    },
}

pub async fn run(action: &Action, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    match action {
        Action::Put { holder, policy, file } => {
            let document = read_text(file)?;
            document::check(&DocumentKind::Identity, &document)?;
            let change = PutInlinePolicy { holder: Some(holder.name()), policy_name: policy.clone(), document };
            shell.change_access(Change::PutInlinePolicy(change)).await?;
            out.say(format_args!("Put inline policy {policy} of {holder}"))
        }
        Action::Rm { holder, policy } => {
            let change = DeleteInlinePolicy { holder: Some(holder.name()), policy_name: policy.clone() };
            shell.change_access(Change::DeleteInlinePolicy(change)).await?;
            out.say(format_args!("Removed inline policy {policy} of {holder}"))
        }
        Action::Show { holder, policy } => {
            let directory = shell.directory().await?;
            let permissions = permissions(&directory, &holder.name());
            let held = permissions.and_then(|held| held.inline_policies.iter().find(|held| held.name == *policy));
            match held {
                Some(held) => out.say(printable_text(&held.document)),
                None => {
                    let (policy, holder) = (printable(policy.as_bytes()), holder.to_string());
                    let holder = printable(holder.as_bytes());
                    Err(ShellError::said(format!("There is no inline policy {policy} of {holder}.")))
                }
            }
        }
    }
}

fn permissions<'a>(directory: &'a Directory, holder: &AccessName) -> Option<&'a Permissions> {
    let name = &holder.name;
    match holder.kind() {
        AccessKind::User => directory.users.iter().find(|user| user.name == *name)?.permissions.as_ref(),
        AccessKind::Group => directory.groups.iter().find(|group| group.name == *name)?.permissions.as_ref(),
        AccessKind::Role => directory.roles.iter().find(|role| role.name == *name)?.permissions.as_ref(),
        AccessKind::Unspecified
        | AccessKind::AccessKey
        | AccessKind::Policy
        | AccessKind::OidcProvider
        | AccessKind::Bucket => None,
    }
}
