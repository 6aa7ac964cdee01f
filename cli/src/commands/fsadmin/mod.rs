//! `weir fsadmin`: what operators ask and order. One file per command.

mod backup;
mod bucket;
mod confirm_restore;
mod decommission_worker;
mod document;
mod enable_worker;
mod get_block_info;
mod group;
mod help;
mod key;
mod policy;
mod promote;
mod provider;
mod rebalance;
mod report;
mod restore;
mod role;
mod user;

use crate::shell::connect::{Place, PlaceArgs};
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::{self, Help};
use crate::shell::{Exit, Shell, conclude};
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;
use weir_service::config::Sources;

/// Every command, by name.
const COMMANDS: &[Help] = &[
    backup::HELP,
    bucket::HELP,
    confirm_restore::HELP,
    decommission_worker::HELP,
    enable_worker::HELP,
    get_block_info::HELP,
    group::HELP,
    help::HELP,
    key::HELP,
    policy::HELP,
    promote::HELP,
    provider::HELP,
    rebalance::HELP,
    report::HELP,
    restore::HELP,
    role::HELP,
    user::HELP,
];

/// Reports, backups, workers, users and what they may do.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub struct FsadminArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    command: Option<FsadminCommand>,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "camelCase")]
enum FsadminCommand {
    Backup(backup::BackupArgs),
    Bucket(bucket::BucketArgs),
    ConfirmRestore(confirm_restore::ConfirmRestoreArgs),
    DecommissionWorker(decommission_worker::DecommissionWorkerArgs),
    EnableWorker(enable_worker::EnableWorkerArgs),
    GetBlockInfo(get_block_info::GetBlockInfoArgs),
    Group(group::GroupArgs),
    Help(help::HelpArgs),
    Key(key::KeyArgs),
    Policy(policy::PolicyArgs),
    Promote(promote::PromoteArgs),
    Provider(provider::ProviderArgs),
    Rebalance(rebalance::RebalanceArgs),
    Report(report::ReportArgs),
    Restore(restore::RestoreArgs),
    Role(role::RoleArgs),
    User(user::UserArgs),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs one command against the Weir that the flags and the configuration name.
pub async fn run(args: FsadminArgs, sources: Sources) -> ExitCode {
    let mut out = Output::stdout();
    match &args.command {
        Some(FsadminCommand::Help(help)) => return conclude(help::run(help, &mut out), None, &mut out),
        Some(FsadminCommand::Restore(restore)) => {
            return conclude(restore::run(restore, &args.place, sources, &mut out), None, &mut out);
        }
        Some(FsadminCommand::Promote(promote)) => {
            return conclude(promote::run(promote, &args.place, sources, &mut out).await, None, &mut out);
        }
        None => return conclude(usage::unknown("fsadmin", COMMANDS, &[]), None, &mut out),
        Some(FsadminCommand::Unknown(words)) => {
            return conclude(usage::unknown("fsadmin", COMMANDS, words), None, &mut out);
        }
        Some(FsadminCommand::Key(key)) => {
            let checked = args.place.load(sources.clone()).and_then(|config| key::refuse_root_key(key, &config));
            if let Err(error) = checked {
                return conclude(Err(error), None, &mut out);
            }
        }
        Some(_) => {}
    }
    let place = match Place::choose(&args.place, sources) {
        Ok(place) => place,
        Err(error) => return conclude(Err(error), None, &mut out),
    };
    let shell = Shell::new(place);
    let result = dispatch(&args, &shell, &mut out).await;
    shell.close().await;
    conclude(result, Some(&shell.place), &mut out)
}

async fn dispatch(args: &FsadminArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.command {
        Some(FsadminCommand::Backup(args)) => backup::run(args, shell, out).await,
        Some(FsadminCommand::Bucket(args)) => bucket::run(args, shell, out).await,
        Some(FsadminCommand::ConfirmRestore(args)) => confirm_restore::run(args, shell, out).await,
        Some(FsadminCommand::DecommissionWorker(args)) => decommission_worker::run(args, shell, out).await,
        Some(FsadminCommand::EnableWorker(args)) => enable_worker::run(args, shell, out).await,
        Some(FsadminCommand::GetBlockInfo(args)) => get_block_info::run(args, shell, out).await,
        Some(FsadminCommand::Group(args)) => group::run(args, shell, out).await,
        Some(FsadminCommand::Key(args)) => key::run(args, shell, out).await,
        Some(FsadminCommand::Policy(args)) => policy::run(args, shell, out).await,
        Some(FsadminCommand::Provider(args)) => provider::run(args, shell, out).await,
        Some(FsadminCommand::Rebalance(args)) => rebalance::run(args, shell, out).await,
        Some(FsadminCommand::Report(args)) => report::run(args, shell, out).await,
        Some(FsadminCommand::Role(args)) => role::run(args, shell, out).await,
        Some(FsadminCommand::User(args)) => user::run(args, shell, out).await,
        // Answered before a place was chosen.
        None
        | Some(
            FsadminCommand::Help(_)
            | FsadminCommand::Promote(_)
            | FsadminCommand::Restore(_)
            | FsadminCommand::Unknown(_),
        ) => usage::unknown("fsadmin", COMMANDS, &[]),
    }
}

/// As [`crate::commands::fs::refused`].
pub fn refused(error: &clap::Error, words: &[OsString]) -> Option<ExitCode> {
    usage::refused("fsadmin", COMMANDS, error, words)
}
