//! `weir fsadmin backup`

use crate::shell::connect::Place;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use weir_proto::v1;

pub const HELP: Help = Help {
    name: "backup",
    usage: "backup [directory]",
    about: "Writes the whole namespace to a new file in a folder on the metaserver's host; of a standalone, in \"backups\" \
            beside its data unless another is named. Blocks are not in it.",
};

/// Where a standalone's backups go, in its data folder.
const DEFAULT_FOLDER: &str = "backups";

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct BackupArgs {
    #[arg(value_name = "directory")]
    directory: Vec<OsString>,
}

pub async fn run(args: &BackupArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let folder = folder(args, &shell.place)?;
    let Some(directory) = folder.to_str().map(str::to_owned) else {
        return Err(ShellError::said(format!("{} is not UTF-8", folder.display())));
    };
    let backup = shell.admin().backup(v1::BackupRequest { directory }).await?.into_inner();
    out.say(format_args!("Backup Host        : {}", backup.host))?;
    out.say(format_args!("Backup File        : {}", backup.path))?;
    out.say(format_args!("Backup Entry Count : {}", backup.entry_count))?;
    out.say(format_args!("Backup Sequence    : {}", backup.sequence))?;
    Ok(Exit::DONE)
}

/// The folder as the metaserver's host knows it: that of a standalone is this one.
fn folder(args: &BackupArgs, place: &Place) -> Result<PathBuf, ShellError> {
    match (args.directory.as_slice(), place) {
        ([], Place::Standalone { data }) => here(&data.join(DEFAULT_FOLDER)),
        ([folder], Place::Standalone { .. }) => here(Path::new(folder)),
        ([folder], Place::Cluster { .. }) if Path::new(folder).is_absolute() => Ok(PathBuf::from(folder)),
        (_, Place::Cluster { .. }) => Err(HELP.wrong("Name an absolute path of a folder on the metaserver's host")),
        (many, _) => Err(HELP.wrong(&format!("Command backup takes 0 or 1 arguments, not {}", many.len()))),
    }
}

fn here(folder: &Path) -> Result<PathBuf, ShellError> {
    std::path::absolute(folder).map_err(ShellError::local(folder))
}
