//! `weir fsadmin user`

use crate::shell::access::permission_lines;
use crate::shell::error::ShellError;
use crate::shell::format::{printable, utc_time};
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::{Args, Subcommand};
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{CreateUser, DeleteUser, UpdateUser, User};

pub const HELP: Help = Help {
    name: "user",
    usage: "user add|rename|rm|ls|show",
    about: "Manages users:\n  user add <name> [--path <path>]\n  user rename <name> <new name>\n  user rm <name>\n  user ls\n  \
            user show <name>\nA user goes when it has no keys, groups and policies any more.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct UserArgs {
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
}

pub async fn run(args: &UserArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.action {
        Action::Add { name, path } => {
            let change = CreateUser { name: name.clone(), path: path.clone(), ..Default::default() };
            shell.change_access(Change::CreateUser(change)).await?;
            out.say(format_args!("Added user {name}"))?;
        }
        Action::Rename { name, new_name } => {
            let change = UpdateUser { name: name.clone(), new_name: Some(new_name.clone()), new_path: None };
            shell.change_access(Change::UpdateUser(change)).await?;
            out.say(format_args!("Renamed user {name} to {new_name}"))?;
        }
        Action::Rm { name } => {
            shell.change_access(Change::DeleteUser(DeleteUser { name: name.clone() })).await?;
            out.say(format_args!("Removed user {name}"))?;
        }
        Action::Ls => {
            for user in shell.directory().await?.users {
                out.say(line(&user))?;
            }
        }
        Action::Show { name } => show(name, shell, out).await?,
    }
    Ok(Exit::DONE)
}

fn line(user: &User) -> String {
    format!("{:<24} {}  {}", user.name, utc_time(user.created_ms), user.groups.join(",")).trim_end().to_owned()
}

async fn show(name: &str, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let directory = shell.directory().await?;
    let Some(user) = directory.users.iter().find(|user| user.name == name) else {
        return Err(ShellError::said(format!("There is no user {}.", printable(name.as_bytes()))));
    };
    out.say(format_args!("Name            : {}", user.name))?;
    out.say(format_args!("Path            : {}", user.path))?;
    out.say(format_args!("Id              : {}", user.id))?;
    out.say(format_args!("Created         : {}", utc_time(user.created_ms)))?;
    for group in &user.groups {
        out.say(format_args!("Group           : {group}"))?;
    }
    for key in directory.keys.iter().filter(|key| key.user_name == user.name) {
        out.say(format_args!("Access key      : {} ({})", key.access_key_id, super::key::state(key)))?;
    }
    permission_lines(user.permissions.as_ref()).iter().try_for_each(|line| out.say(line))?;
    user.tags.iter().try_for_each(|tag| {
        let (key, value) = (printable(tag.key.as_bytes()), printable(tag.value.as_bytes()));
        out.say(format_args!("Tag             : {key}={value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_name_time_and_groups() {
        let mut user = User { name: "alice".into(), created_ms: 1_795_319_839_562, ..Default::default() };
        assert_eq!(line(&user), "alice                    2026-11-22 03:57:19");
        user.groups = vec!["admins".into(), "readers".into()];
        assert_eq!(line(&user), "alice                    2026-11-22 03:57:19  admins,readers");
    }
}
