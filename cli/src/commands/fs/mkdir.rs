//! `weir fs mkdir`

use crate::shell::content::{self, Existing, Written};
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, OWNER, Outcomes, Shell};
use clap::Args;
use std::ffi::OsString;
use weir_proto::v1::{self, Reason};

pub const HELP: Help = Help {
    name: "mkdir",
    usage: "mkdir <path1> [path2] ... [pathn]",
    about: "Makes directories: an empty object whose key ends in a slash; at the top, a bucket. A bucket that is missing \
            on the way is made too.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct MkdirArgs {
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &MkdirArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut outcomes = Outcomes::default();
    for path in &args.paths {
        let made = make(path, shell, out).await;
        outcomes.note(made, out)?;
    }
    outcomes.finish()
}

async fn make(path: &OsString, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let path = ShellPath::parse(path)?;
    let taken = || ShellError::said(format!("Not allowed to create directory because path already exists: {path}"));
    let found = shell.tree.look(&path).await?;
    if found.file.is_some() || found.directory.is_some() {
        return Err(taken());
    }
    let made = match &path {
        ShellPath::Root => Written::AlreadyThere,
        ShellPath::Bucket(name) => make_bucket(name, shell).await?,
        ShellPath::Key(bucket, _) => {
            if shell.tree.bucket(bucket).await?.is_none() {
                // Someone who makes it at the same moment does what was wanted.
                make_bucket(bucket, shell).await?;
            }
            content::put_empty(shell, &ShellPath::directory(bucket, path.prefix()), Existing::Keep).await?
        }
    };
    match made {
        Written::Done => out.say(format_args!("Successfully created directory {path}")),
        Written::AlreadyThere => Err(taken()),
    }
}

/// Makes a bucket, unless it is there.
pub async fn make_bucket(name: &str, shell: &Shell) -> Result<Written, ShellError> {
    let request = v1::CreateBucketRequest { name: name.to_owned(), owner: OWNER.into(), ..Default::default() };
    match shell.objects().await?.create_bucket(request).await {
        Ok(_) => Ok(Written::Done),
        Err(failure) if failure.reason == Reason::BucketExists => Ok(Written::AlreadyThere),
        Err(failure) => Err(ShellError::Refused(failure)),
    }
}
