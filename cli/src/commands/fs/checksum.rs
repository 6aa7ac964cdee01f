//! `weir fs checksum`

use super::cat::must_be_file;
use crate::shell::content;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::ffi::OsString;
use weir_gateway::body::Md5;

pub const HELP: Help = Help {
    name: "checksum",
    usage: "checksum <path>",
    about: "Shows the MD5 of an object's bytes. For an object that was uploaded in parts, whose ETag is no MD5, the bytes \
            are read.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct ChecksumArgs {
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &ChecksumArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut paths = shell.paths(&args.paths);
    let mut outcomes = Outcomes::default();
    while let Some(path) = paths.next().await {
        let md5 = match path {
            Ok(path) => md5(&path, shell).await,
            Err(error) => Err(error),
        };
        let said = md5.and_then(|md5| out.say(format_args!("md5sum: {md5}\n")));
        outcomes.note(said, out)?;
    }
    outcomes.finish()
}

async fn md5(path: &ShellPath, shell: &Shell) -> Result<String, ShellError> {
    let object = must_be_file(path, shell).await?;
    if object.part_count == 0 {
        return Ok(object.etag);
    }
    let mut md5 = Md5::default();
    let mut content = content::open(shell, path, None).await?.content;
    while let Some(piece) = content.try_next().await.map_err(ShellError::Refused)? {
        md5.update(piece).await?;
    }
    Ok(hex::encode(md5.finish().await?))
}
