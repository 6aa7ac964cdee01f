//! `weir fs du`

use crate::shell::error::ShellError;
use crate::shell::format::{du_header, du_line};
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::tree::File;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::ffi::OsString;

pub const HELP: Help = Help {
    name: "du",
    usage: "du [-h|-s] <path>",
    about: "Shows the size of each object under a path, and how much of it is stored. -s shows the sum, -h sizes for people.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about, disable_help_flag = true)]
pub struct DuArgs {
    /// Sizes for people, as 97.66KB.
    #[arg(short = 'h')]
    human: bool,
    /// The sum.
    #[arg(short = 's')]
    sum: bool,
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &DuArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut paths = shell.paths(&args.paths);
    let mut outcomes = Outcomes::default();
    let mut has_header = false;
    while let Some(path) = paths.next().await {
        let shown = match path {
            Ok(path) => show(&path, args, &mut has_header, shell, out).await,
            Err(error) => Err(error),
        };
        outcomes.note(shown, out)?;
    }
    outcomes.finish()
}

async fn show(
    path: &ShellPath,
    args: &DuArgs,
    has_header: &mut bool,
    shell: &Shell,
    out: &mut Output,
) -> Result<(), ShellError> {
    let found = shell.tree.find(path).await?;
    if !std::mem::replace(has_header, true) {
        out.say(du_header())?;
    }
    let files = match (found.file, found.directory) {
        (Some(object), _) => futures::stream::iter([Ok(File::of(path.clone(), object))]).boxed(),
        (None, Some(directory)) => shell.tree.files(&directory),
        (None, None) => return Err(ShellError::Missing(path.clone())),
    };
    if args.sum {
        let total = files.try_fold(0, |sum, file| async move { Ok(sum + file.size_bytes) }).await?;
        return out.say(du_line(total, args.human, &path.to_string()));
    }
    files
        .try_for_each(|file| {
            let said = out.say(du_line(file.size_bytes, args.human, &file.path.to_string()));
            async move { said }
        })
        .await
}
