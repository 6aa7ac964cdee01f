//! `weir fs location`

use crate::shell::blocks;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::StreamExt as _;
use std::collections::BTreeSet;
use std::ffi::OsString;

pub const HELP: Help = Help {
    name: "location",
    usage: "location <path>",
    about: "Shows the hosts of the live workers that hold an object's blocks. An object so small that it lies with the \
            metadata is on the metaserver's host.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct LocationArgs {
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &LocationArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut paths = shell.paths(&args.paths);
    let mut outcomes = Outcomes::default();
    while let Some(path) = paths.next().await {
        let shown = match path {
            Ok(path) => show(&path, shell, out).await,
            Err(error) => Err(error),
        };
        outcomes.note(shown, out)?;
    }
    outcomes.finish()
}

async fn show(path: &ShellPath, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let found = shell.tree.find(path).await?;
    if found.file.is_none()
        && let Some(directory) = found.directory
    {
        let id = shell.tree.id(&directory).await?;
        return out.say(format_args!("{path} with file id {id} is on nodes: "));
    }
    let located = blocks::locate(path, shell).await?;
    let hosts: BTreeSet<&str> = located.hosts().collect();
    out.say(format_args!("{path} with file id {} is on nodes: ", located.object.object_id))?;
    hosts.into_iter().try_for_each(|host| out.say(host))
}
