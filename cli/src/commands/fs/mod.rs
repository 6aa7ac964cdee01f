//! `weir fs`: objects and directories, as a shell of a file system shows them. One file per command.

mod cat;
mod checksum;
mod copy_from_local;
mod copy_to_local;
mod count;
mod cp;
mod du;
mod head;
mod help;
mod location;
mod ls;
mod mkdir;
mod mv;
mod rm;
mod stat;
mod tail;
mod test;
mod touch;

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
    cat::HELP,
    checksum::HELP,
    copy_from_local::HELP,
    copy_to_local::HELP,
    count::HELP,
    cp::HELP,
    du::HELP,
    head::HELP,
    help::HELP,
    location::HELP,
    ls::HELP,
    mkdir::HELP,
    mv::HELP,
    rm::HELP,
    stat::HELP,
    tail::HELP,
    test::HELP,
    touch::HELP,
];

/// Objects and directories.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub struct FsArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(subcommand)]
    command: Option<FsCommand>,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "camelCase")]
enum FsCommand {
    Cat(cat::CatArgs),
    Checksum(checksum::ChecksumArgs),
    CopyFromLocal(copy_from_local::CopyFromLocalArgs),
    CopyToLocal(copy_to_local::CopyToLocalArgs),
    Count(count::CountArgs),
    Cp(cp::CpArgs),
    Du(du::DuArgs),
    Head(head::HeadArgs),
    Help(help::HelpArgs),
    Location(location::LocationArgs),
    Ls(ls::LsArgs),
    Mkdir(mkdir::MkdirArgs),
    Mv(mv::MvArgs),
    Rm(rm::RmArgs),
    Stat(stat::StatArgs),
    Tail(tail::TailArgs),
    Test(test::TestArgs),
    Touch(touch::TouchArgs),
    #[command(external_subcommand)]
    Unknown(Vec<OsString>),
}

/// Runs one command against the Weir that the flags and the configuration name.
pub async fn run(args: FsArgs, sources: Sources) -> ExitCode {
    let mut out = Output::stdout();
    match &args.command {
        Some(FsCommand::Help(help)) => return conclude(help::run(help, &mut out), None, &mut out),
        None => return conclude(usage::unknown("fs", COMMANDS, &[]), None, &mut out),
        Some(FsCommand::Unknown(words)) => return conclude(usage::unknown("fs", COMMANDS, words), None, &mut out),
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

async fn dispatch(args: &FsArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.command {
        Some(FsCommand::Cat(args)) => cat::run(args, shell, out).await,
        Some(FsCommand::Checksum(args)) => checksum::run(args, shell, out).await,
        Some(FsCommand::CopyFromLocal(args)) => copy_from_local::run(args, shell, out).await,
        Some(FsCommand::CopyToLocal(args)) => copy_to_local::run(args, shell, out).await,
        Some(FsCommand::Count(args)) => count::run(args, shell, out).await,
        Some(FsCommand::Cp(args)) => cp::run(args, shell, out).await,
        Some(FsCommand::Du(args)) => du::run(args, shell, out).await,
        Some(FsCommand::Head(args)) => head::run(args, shell, out).await,
        Some(FsCommand::Location(args)) => location::run(args, shell, out).await,
        Some(FsCommand::Ls(args)) => ls::run(args, shell, out).await,
        Some(FsCommand::Mkdir(args)) => mkdir::run(args, shell, out).await,
        Some(FsCommand::Mv(args)) => mv::run(args, shell, out).await,
        Some(FsCommand::Rm(args)) => rm::run(args, shell, out).await,
        Some(FsCommand::Stat(args)) => stat::run(args, shell, out).await,
        Some(FsCommand::Tail(args)) => tail::run(args, shell, out).await,
        Some(FsCommand::Test(args)) => test::run(args, shell, out).await,
        Some(FsCommand::Touch(args)) => touch::run(args, shell, out).await,
        // Answered before a place was chosen.
        None | Some(FsCommand::Help(_) | FsCommand::Unknown(_)) => usage::unknown("fs", COMMANDS, &[]),
    }
}

/// What the shell says when clap refused the words of a command: its own form, and exit code 255. `None` when clap's
/// own words are the answer (`--help`) or no command was named.
pub fn refused(error: &clap::Error, words: &[OsString]) -> Option<ExitCode> {
    usage::refused("fs", COMMANDS, error, words)
}
