//! `weir fs count`

use crate::shell::directory_steps::DirectorySteps;
use crate::shell::error::ShellError;
use crate::shell::format;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::ffi::OsString;

pub const HELP: Help = Help {
    name: "count",
    usage: "count [-h] <path>",
    about: "Counts the objects and directories under a path, and the bytes of the objects. -h shows sizes for people.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about, disable_help_flag = true)]
pub struct CountArgs {
    /// Sizes for people, as 97.66KB.
    #[arg(short = 'h')]
    human: bool,
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

#[derive(Debug, Default)]
struct Counts {
    files: u64,
    directories: u64,
    bytes: u64,
}

pub async fn run(args: &CountArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut paths = shell.paths(&args.paths);
    let mut outcomes = Outcomes::default();
    while let Some(path) = paths.next().await {
        let counted = match path {
            Ok(path) => count(&path, shell).await,
            Err(error) => Err(error),
        };
        let said = counted.and_then(|counts| show(&counts, args.human, out));
        outcomes.note(said, out)?;
    }
    outcomes.finish()
}

fn show(counts: &Counts, human: bool, out: &mut Output) -> Result<(), ShellError> {
    out.say(row("File Count", "Folder Count", "Folder Size"))?;
    out.say(row(&counts.files.to_string(), &counts.directories.to_string(), &format::size(counts.bytes, human)))
}

fn row(files: &str, directories: &str, size: &str) -> String {
    format!("{files:<25}{directories:<25}{size:<15}")
}

async fn count(path: &ShellPath, shell: &Shell) -> Result<Counts, ShellError> {
    let found = shell.tree.find(path).await?;
    let mut counts = Counts::default();
    match (found.file, found.directory) {
        (Some(object), _) => {
            counts.files = 1;
            counts.bytes = object.size_bytes;
        }
        (None, Some(ShellPath::Root)) => {
            let mut buckets = shell.tree.buckets();
            while let Some(bucket) = buckets.try_next().await? {
                counts.directories += 1;
                count_keys(&ShellPath::Bucket(bucket.name), shell, &mut counts).await?;
            }
        }
        (None, Some(directory)) => count_keys(&directory, shell, &mut counts).await?,
        (None, None) => return Err(ShellError::Missing(path.clone())),
    }
    Ok(counts)
}

async fn count_keys(directory: &ShellPath, shell: &Shell, counts: &mut Counts) -> Result<(), ShellError> {
    let prefix = directory.prefix();
    let mut keys = shell.tree.keys(directory.bucket().unwrap_or_default(), prefix.clone());
    let mut steps = DirectorySteps::default();
    while let Some(object) = keys.try_next().await? {
        counts.directories += steps.enter(&object.key[prefix.len()..]).len() as u64;
        if !object.key.ends_with(b"/") {
            counts.files += 1;
            counts.bytes += object.size_bytes;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_in_the_columns_that_scripts_cut() {
        assert_eq!(
            row("File Count", "Folder Count", "Folder Size"),
            "File Count               Folder Count             Folder Size    "
        );
        assert_eq!(row("3", "3", "10585760"), "3                        3                        10585760       ");
    }
}
