//! `weir fsadmin group`

use crate::shell::access::permission_lines;
use crate::shell::error::ShellError;
use crate::shell::format::{printable, utc_time};
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::{Args, Subcommand};
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{ChangeMembership, CreateGroup, DeleteGroup, UpdateGroup};

pub const HELP: Help = Help {
    name: "group",
    usage: "group add|rename|rm|ls|show|join|leave",
    about: "Manages groups of users:\n  group add <name> [--path <path>]\n  group rename <name> <new name>\n  group rm <name>\n  \
            group ls\n  group show <name>\n  group join <group> <user>\n  group leave <group> <user>\nA group goes when it \
            has no members and policies any more.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct GroupArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add {
        name: String,
        /// Begins and ends with a slash.
        #[arg(long, default_value = "/")]
        path: String,
    },
    Rename {
        name: String,
        new_name: String,
    },
    Rm {
        name: String,
    },
    Ls,
    Show {
        name: String,
    },
    Join {
        group: String,
        user: String,
    },
    Leave {
        group: String,
        user: String,
    },
}

pub async fn run(args: &GroupArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.action {
        Action::Add { name, path } => {
            let change = CreateGroup { name: name.clone(), path: path.clone() };
            shell.change_access(Change::CreateGroup(change)).await?;
            out.say(format_args!("Added group {name}"))?;
        }
        Action::Rename { name, new_name } => {
            let change = UpdateGroup { name: name.clone(), new_name: Some(new_name.clone()), new_path: None };
            shell.change_access(Change::UpdateGroup(change)).await?;
            out.say(format_args!("Renamed group {name} to {new_name}"))?;
        }
        Action::Rm { name } => {
            shell.change_access(Change::DeleteGroup(DeleteGroup { name: name.clone() })).await?;
            out.say(format_args!("Removed group {name}"))?;
        }
        Action::Ls => {
            for group in shell.directory().await?.groups {
                out.say(format_args!("{:<24} {}", group.name, utc_time(group.created_ms)))?;
            }
        }
        Action::Show { name } => show(name, shell, out).await?,
        Action::Join { group, user } => {
            change_membership(group, user, true, shell).await?;
            out.say(format_args!("User {user} is in group {group}"))?;
        }
        Action::Leave { group, user } => {
            change_membership(group, user, false, shell).await?;
            out.say(format_args!("User {user} has left group {group}"))?;
        }
    }
    Ok(Exit::DONE)
}

async fn change_membership(group: &str, user: &str, member: bool, shell: &Shell) -> Result<(), ShellError> {
    let change = ChangeMembership { group_name: group.to_owned(), user_name: user.to_owned(), member };
    shell.change_access(Change::ChangeMembership(change)).await.map(drop)
}

async fn show(name: &str, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let directory = shell.directory().await?;
    let Some(group) = directory.groups.iter().find(|group| group.name == name) else {
        return Err(ShellError::said(format!("There is no group {}.", printable(name.as_bytes()))));
    };
    out.say(format_args!("Name            : {}", group.name))?;
    out.say(format_args!("Path            : {}", group.path))?;
    out.say(format_args!("Id              : {}", group.id))?;
    out.say(format_args!("Created         : {}", utc_time(group.created_ms)))?;
    for user in directory.users.iter().filter(|user| user.groups.contains(&group.name)) {
        out.say(format_args!("Member          : {}", user.name))?;
    }
    permission_lines(group.permissions.as_ref()).iter().try_for_each(|line| out.say(line))
}
