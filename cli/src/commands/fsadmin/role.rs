//! `weir fsadmin role`

use super::document;
use crate::shell::access::{permission_lines, read_text};
use crate::shell::error::ShellError;
use crate::shell::format::{printable, printable_text, utc_time};
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use weir_gateway::auth::policy::{DocumentKind, as_of_now};
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{CreateRole, DeleteRole, PrincipalId, UpdateRole};

pub const HELP: Help = Help {
    name: "role",
    usage: "role add|trust|rm|ls|show",
    about: "Manages roles, which others may take:\n  role add <name> <file> [--description <text>] [--max-session-seconds <n>]\n  \
            role trust <name> <file>\n  role rm <name>\n  role ls\n  role show <name>\nThe file has the trust policy, which \
            says who may take the role; - is standard input.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct RoleArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add {
        name: String,
        file: PathBuf,
        #[arg(long, default_value = "")]
        description: String,
        /// From 3,600 to 43,200.
        #[arg(long, default_value_t = 3_600)]
        max_session_seconds: u32,
    },
    Trust {
        name: String,
        file: PathBuf,
    },
    Rm {
        name: String,
    },
    Ls,
    Show {
        name: String,
    },
}

pub async fn run(args: &RoleArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.action {
        Action::Add { name, file, description, max_session_seconds } => {
            let trust_document = read_text(file)?;
            let trust_principals = document::check(&DocumentKind::Trust, &trust_document)?.principal_arns();
            let change = CreateRole {
                name: name.clone(),
                description: description.clone(),
                trust_document,
                trust_principals,
                max_session_seconds: *max_session_seconds,
                ..Default::default()
            };
            shell.change_access(Change::CreateRole(change)).await?;
            out.say(format_args!("Added role {name}"))?;
        }
        Action::Trust { name, file } => {
            let trust_document = read_text(file)?;
            let trust_principals = document::check(&DocumentKind::Trust, &trust_document)?.principal_arns();
            let change = UpdateRole {
                name: name.clone(),
                trust_document: Some(trust_document),
                trust_principals,
                ..Default::default()
            };
            shell.change_access(Change::UpdateRole(change)).await?;
            out.say(format_args!("Changed the trust policy of role {name}"))?;
        }
        Action::Rm { name } => {
            shell.change_access(Change::DeleteRole(DeleteRole { name: name.clone() })).await?;
            out.say(format_args!("Removed role {name}"))?;
        }
        Action::Ls => {
            for role in shell.directory().await?.roles {
                out.say(format_args!("{:<24} {}", role.name, utc_time(role.created_ms)))?;
            }
        }
        Action::Show { name } => show(name, shell, out).await?,
    }
    Ok(Exit::DONE)
}

async fn show(name: &str, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let directory = shell.directory().await?;
    let Some(role) = directory.roles.iter().find(|role| role.name == name) else {
        return Err(ShellError::said(format!("There is no role {}.", printable(name.as_bytes()))));
    };
    out.say(format_args!("Name            : {}", role.name))?;
    out.say(format_args!("Path            : {}", role.path))?;
    out.say(format_args!("Id              : {}", role.id))?;
    out.say(format_args!("Description     : {}", printable(role.description.as_bytes())))?;
    out.say(format_args!("Created         : {}", utc_time(role.created_ms)))?;
    out.say(format_args!("Longest session : {} s", role.max_session_seconds))?;
    permission_lines(role.permissions.as_ref()).iter().try_for_each(|line| out.say(line))?;
    for tag in &role.tags {
        let (key, value) = (printable(tag.key.as_bytes()), printable(tag.value.as_bytes()));
        out.say(format_args!("Tag             : {key}={value}"))?;
    }
    out.say("Trust policy    :")?;
    let known = directory.principals();
    let arn_now = |principal: &PrincipalId| known.principal_arn(principal);
    out.say(printable_text(&as_of_now(&role.trust_document, &role.trust_principals, arn_now)))
}
