//! `weir fsadmin restore`

use crate::commands::standalone::metadata_folder;
use crate::commands::told;
use crate::shell::Exit;
use crate::shell::connect::PlaceArgs;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use clap::Args;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use weir_service::config::Sources;
use weir_service::disk::SystemDisk;

pub const HELP: Help = Help {
    name: "restore",
    usage: "restore [--to <folder>] <backup>",
    about: "Makes a metaserver's data from a backup, in a folder that is empty or not there: \"meta\" in the data folder \
            of a standalone, the metaserver's configured one, or that of --to. The metaserver must not run. Nothing is \
            deleted from workers before \"fsadmin confirmRestore\".",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct RestoreArgs {
    /// The metaserver's data folder to make.
    #[arg(long, value_name = "folder")]
    to: Option<PathBuf>,
    #[arg(value_name = "backup")]
    backup: Vec<OsString>,
}

pub fn run(args: &RestoreArgs, place: &PlaceArgs, sources: Sources, out: &mut Output) -> Result<Exit, ShellError> {
    let [backup] = HELP.exactly::<1>(&args.backup)?;
    let folder = folder(args, place, sources)?;
    let report = weir_metaserver::restore(Path::new(backup), &folder, &SystemDisk)
        .map_err(|error| ShellError::said(format!("{} is not restored: {}", folder.display(), told(&error))))?;
    out.say(format_args!("Restored Folder      : {}", folder.display()))?;
    out.say(format_args!("Restored Entry Count : {}", report.entry_count))?;
    out.say(format_args!("Restored Sequence    : {}", report.sequence))?;
    out.say("Start the metaserver, look whether everything is there, then run \"weir fsadmin confirmRestore\"")?;
    Ok(Exit::DONE)
}

fn folder(args: &RestoreArgs, place: &PlaceArgs, sources: Sources) -> Result<PathBuf, ShellError> {
    match &args.to {
        Some(folder) => Ok(folder.clone()),
        None => Ok(metadata_folder(&place.load(sources)?)),
    }
}
