//! `weir fs touch`

use crate::shell::content::{self, Existing, Written};
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use std::ffi::OsString;

pub const HELP: Help = Help { name: "touch", usage: "touch <path>", about: "Makes an object of no bytes." };

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct TouchArgs {
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &TouchArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let [path] = HELP.exactly::<1>(&args.paths)?;
    let path = ShellPath::parse(path)?;
    let taken = || ShellError::said(format!("Not allowed to create file because path already exists: {path}"));
    if path.names_directory() || shell.tree.look(&path).await?.directory.is_some() {
        return Err(taken());
    }
    match content::put_empty(shell, &path, Existing::Keep).await? {
        Written::Done => out.say(format_args!("{path} has been created")).map(|()| Exit::DONE),
        Written::AlreadyThere => Err(taken()),
    }
}
