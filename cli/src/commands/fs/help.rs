//! `weir fs help`

use super::COMMANDS;
use crate::shell::Exit;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::{self, Help};
use clap::Args;

pub const HELP: Help =
    Help { name: "help", usage: "help [<command>]", about: "Shows what a command does, or what there is." };

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct HelpArgs {
    command: Option<String>,
}

pub fn run(args: &HelpArgs, out: &mut Output) -> Result<Exit, ShellError> {
    usage::help("fs", COMMANDS, args.command.as_deref(), out)
}
