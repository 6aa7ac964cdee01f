//! `weir fs cat`

use crate::shell::content;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::ffi::OsString;
use weir_proto::v1;

pub const HELP: Help = Help { name: "cat", usage: "cat <path> ...", about: "Prints the bytes of objects." };

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct CatArgs {
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &CatArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut paths = shell.paths(&args.paths);
    let mut outcomes = Outcomes::default();
    while let Some(path) = paths.next().await {
        let printed = match path {
            Ok(path) => print(&path, None, shell, out).await,
            Err(error) => Err(error),
        };
        outcomes.note(printed, out)?;
    }
    outcomes.finish()
}

/// Prints an object, or a range of it.
pub async fn print(
    path: &ShellPath,
    range: Option<v1::ByteRange>,
    shell: &Shell,
    out: &mut Output,
) -> Result<(), ShellError> {
    must_be_file(path, shell).await?;
    let mut content = content::open(shell, path, range).await?.content;
    while let Some(piece) = content.try_next().await.map_err(ShellError::Refused)? {
        out.bytes(&piece)?;
    }
    // Before anything else is said, or an error.
    out.flush()
}

/// # Errors
/// [`ShellError::Missing`]; [`ShellError::NotFile`] for a directory.
pub async fn must_be_file(path: &ShellPath, shell: &Shell) -> Result<v1::Object, ShellError> {
    shell.tree.find(path).await?.file.ok_or_else(|| ShellError::NotFile(path.clone()))
}
