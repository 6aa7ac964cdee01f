//! `weir fsadmin key`

use crate::shell::access::read_text;
use crate::shell::error::ShellError;
use crate::shell::format::utc_time;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{AccessKey, CreateAccessKey, DeleteAccessKey, UpdateAccessKey};
use weir_service::config::Config;

pub const HELP: Help = Help {
    name: "key",
    usage: "key add|rm|disable|enable|ls",
    about: "Manages the access keys of users:\n  key add <user> [--access-key <id> --secret-key-file <file>]\n  key rm <id>\n  \
            key disable <id>\n  key enable <id>\n  key ls [<user>]\nThe secret of a new key is shown once. A key of your \
            own is given by its id and a file with its secret (- is standard input).",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct KeyArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add {
        user: String,
        /// The id of a key of your own.
        #[arg(long, value_name = "id", requires = "secret_key_file")]
        access_key: Option<String>,
        /// The file with its secret.
        #[arg(long, value_name = "file", requires = "access_key")]
        secret_key_file: Option<PathBuf>,
    },
    Rm {
        id: String,
    },
    Disable {
        id: String,
    },
    Enable {
        id: String,
    },
    Ls {
        user: Option<String>,
    },
}

/// Whether a key is good for anything.
pub fn state(key: &AccessKey) -> &'static str {
    if key.active { "active" } else { "disabled" }
}

pub async fn run(args: &KeyArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.action {
        Action::Add { user, access_key, secret_key_file } => {
            let secret = secret_key_file.as_deref().map(read_text).transpose()?.unwrap_or_default();
            let change = CreateAccessKey {
                user_name: user.clone(),
                access_key_id: access_key.clone().unwrap_or_default(),
                secret_access_key: secret.trim_end_matches(['\r', '\n']).to_owned(),
            };
            add(change, shell, out).await?;
        }
        Action::Rm { id } => {
            let change = DeleteAccessKey { access_key_id: id.clone(), user_name: String::new() };
            shell.change_access(Change::DeleteAccessKey(change)).await?;
            out.say(format_args!("Removed access key {id}"))?;
        }
        Action::Disable { id } => {
            set_active(id, false, shell).await?;
            out.say(format_args!("Disabled access key {id}"))?;
        }
        Action::Enable { id } => {
            set_active(id, true, shell).await?;
            out.say(format_args!("Enabled access key {id}"))?;
        }
        Action::Ls { user } => {
            let keys = shell.directory().await?.keys.into_iter();
            for key in keys.filter(|key| user.as_ref().is_none_or(|user| key.user_name == *user)) {
                out.say(line(&key))?;
            }
        }
    }
    Ok(Exit::DONE)
}

/// A key with the id of the root's would be of no use: gateways take it for the root's.
///
/// # Errors
/// It is to be added, and the configuration shows that it is the root's.
pub fn refuse_root_key(args: &KeyArgs, config: &Config) -> Result<(), ShellError> {
    match &args.action {
        Action::Add { access_key: Some(id), .. } if *id == config.gateway.access_key => {
            let origin = config.origin("gateway.access_key");
            Err(ShellError::said(format!("This is the access key of the root ({origin}): a user can't have it.")))
        }
        _ => Ok(()),
    }
}

async fn add(change: CreateAccessKey, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let is_given = !change.secret_access_key.is_empty();
    let answer = shell.change_access(Change::CreateAccessKey(change)).await?;
    let Some(Entry::AccessKey(key)) = answer.entry.and_then(|entry| entry.entry) else {
        return Err(ShellError::said("The metaserver did not say which key it made."));
    };
    out.say(format_args!("Access Key : {}", key.access_key_id))?;
    if is_given {
        return out.say("Its secret is the one in the file");
    }
    out.say(format_args!("Secret Key : {}", answer.secret_access_key))?;
    out.say("The secret is not shown again")
}

async fn set_active(id: &str, active: bool, shell: &Shell) -> Result<(), ShellError> {
    let change = UpdateAccessKey { access_key_id: id.to_owned(), user_name: String::new(), active };
    shell.change_access(Change::UpdateAccessKey(change)).await.map(drop)
}

fn line(key: &AccessKey) -> String {
    format!("{:<24} {:<24} {:<8} {}", key.access_key_id, key.user_name, state(key), utc_time(key.created_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_can_t_have_the_key_of_the_root() {
        let mut sources = weir_service::config::Sources::default();
        sources.flag("gateway.access_key", "operator", "--set");
        sources.flag("gateway.secret_key", "hush-hush", "--set");
        let config = weir_service::config::load(&sources).unwrap();
        let add = |access_key: Option<&str>| KeyArgs {
            action: Action::Add {
                user: "alice".into(),
                access_key: access_key.map(str::to_owned),
                secret_key_file: access_key.map(|_| "-".into()),
            },
        };
        assert!(refuse_root_key(&add(Some("operator")), &config).is_err());
        for fine in [None, Some("operators-own")] {
            assert!(refuse_root_key(&add(fine), &config).is_ok());
        }
        assert!(refuse_root_key(&add(None), &weir_service::config::load(&Default::default()).unwrap()).is_ok());
    }

    #[test]
    fn a_line_says_whose_a_key_is_and_whether_it_is_good_for_anything() {
        let (access_key_id, user_name) = ("AKIAABCDEFGHIJKLMNOP".into(), "alice".into());
        let key = AccessKey { access_key_id, user_name, created_ms: 1_795_319_839_562, ..Default::default() };
        assert_eq!(line(&key), "AKIAABCDEFGHIJKLMNOP     alice                    disabled 2026-11-22 03:57:19");
        assert!(line(&AccessKey { active: true, ..key }).contains(" active   "));
    }
}
