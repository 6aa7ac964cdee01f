//! `weir fsadmin policy`

mod holder;
mod inline;
mod put;
mod remove;
mod show;
mod version;

use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::{Args, Subcommand};
use holder::HolderArgs;
use std::path::PathBuf;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{AttachPolicy, DetachPolicy, SetBoundary};

pub const HELP: Help = Help {
    name: "policy",
    usage: "policy put|ls|show|rm|version|attach|detach|boundary|inline",
    about: "Manages what users, groups and roles may do:\n  policy put <name> <file>\n  policy ls\n  policy show <name>\n  \
            policy rm <name>\n  policy version ls <name>\n  policy version default|rm <name> <version>\n  policy attach \
            --user|--group|--role <name> <policy>\n  policy detach --user|--group|--role \
            <name> <policy>\n  policy boundary --user|--role <name> [<policy>]\n  policy inline put --user|--group|--role \
            <name> <policy> <file>\n  policy inline rm|show --user|--group|--role <name> <policy>\nTo put a policy again \
            makes a new version of it, which holds from then on; there are five at most. A boundary without a policy is taken away. The file has \
            an AWS policy document; - is standard input.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct PolicyArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Put {
        name: String,
        file: PathBuf,
    },
    Ls,
    Show {
        name: String,
    },
    Rm {
        name: String,
    },
    Attach {
        #[command(flatten)]
        holder: HolderArgs,
        policy: String,
    },
    Detach {
        #[command(flatten)]
        holder: HolderArgs,
        policy: String,
    },
    Boundary {
        #[command(flatten)]
        holder: HolderArgs,
        policy: Option<String>,
    },
    #[command(subcommand)]
    Inline(inline::Action),
    #[command(subcommand)]
    Version(version::Action),
}

pub async fn run(args: &PolicyArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.action {
        Action::Put { name, file } => put::run(name, file, shell, out).await?,
        Action::Ls => show::list(shell, out).await?,
        Action::Show { name } => show::run(name, shell, out).await?,
        Action::Rm { name } => remove::run(name, shell, out).await?,
        Action::Attach { holder, policy } => {
            let change = AttachPolicy { holder: Some(holder.name()), policy_name: policy.clone() };
            shell.change_access(Change::AttachPolicy(change)).await?;
            out.say(format_args!("Attached policy {policy} to {holder}"))?;
        }
        Action::Detach { holder, policy } => {
            let change = DetachPolicy { holder: Some(holder.name()), policy_name: policy.clone() };
            shell.change_access(Change::DetachPolicy(change)).await?;
            out.say(format_args!("Detached policy {policy} from {holder}"))?;
        }
        Action::Boundary { holder, policy } => {
            let policy_name = policy.clone().unwrap_or_default();
            shell.change_access(Change::SetBoundary(SetBoundary { holder: Some(holder.name()), policy_name })).await?;
            match policy {
                Some(policy) => out.say(format_args!("Policy {policy} bounds {holder}"))?,
                None => out.say(format_args!("Nothing bounds {holder}"))?,
            }
        }
        Action::Inline(action) => inline::run(action, shell, out).await?,
        Action::Version(action) => version::run(action, shell, out).await?,
    }
    Ok(Exit::DONE)
}
