//! `weir fs cp`

use super::copy_from_local;
use super::copy_to_local;
use crate::shell::content::{self, Existing, Written};
use crate::shell::directory_steps::DirectorySteps;
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use bytes::Bytes;
use clap::Args;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub const HELP: Help = Help {
    name: "cp",
    usage: "cp [-R/-r/--recursive] <src> <dst>",
    about: "Copies an object or, with -R, a directory with all that it holds; into <dst> when that is a directory. Blocks \
            are shared, not copied. file://<path> names a local file or folder, as <src> or as <dst>.",
};

/// Copies in flight at a time.
const COPY_COUNT: usize = 16;
const LOCAL: &[u8] = b"file://";

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct CpArgs {
    /// Directories too, with all that they hold.
    #[arg(short = 'R', short_alias = 'r', long)]
    recursive: bool,
    #[arg(value_names = ["src", "dst"], num_args = 0..)]
    paths: Vec<OsString>,
}

pub async fn run(args: &CpArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let [from, to] = HELP.exactly::<2>(&args.paths)?;
    match (local(from), local(to)) {
        (Some(_), Some(_)) => Err(ShellError::said("One of <src> and <dst> must be a path of Weir: /bucket/key")),
        (Some(from), None) => {
            let to = ShellPath::parse(to)?;
            copy_from_local::copy(from, &to, &copy_from_local::Options::default(), shell, out).await
        }
        (None, Some(to)) => copy_to_local::copy(&ShellPath::parse(from)?, to, shell, out).await,
        (None, None) => copy(&ShellPath::parse(from)?, &ShellPath::parse(to)?, args.recursive, shell, out).await,
    }
}

fn local(path: &OsStr) -> Option<&Path> {
    path.as_bytes().strip_prefix(LOCAL).map(|rest| Path::new(OsStr::from_bytes(rest)))
}

async fn copy(
    from: &ShellPath,
    to: &ShellPath,
    recursive: bool,
    shell: &Shell,
    out: &mut Output,
) -> Result<Exit, ShellError> {
    let found = shell.tree.find(from).await?;
    let there = shell.tree.look(to).await?;
    let is_into = there.file.is_none() && there.directory.is_some();
    if found.file.is_some() {
        let to = if is_into || to.names_directory() { to.join(&from.name()) } else { to.clone() };
        return copy_object(from, &to, shell, out).await.map(|()| Exit::DONE);
    }
    if !recursive {
        return Err(ShellError::said(format!(
            "{from} is a directory, to copy it please use \"cp -R/-r/--recursive <src> <dst>\""
        )));
    }
    if there.file.is_some() {
        return Err(ShellError::said(format!("Destination {to} must be a directory.")));
    }
    let to = if is_into { to.join(&from.name()) } else { to.clone() };
    copy_directory(from, &to, shell, out).await
}

async fn copy_object(from: &ShellPath, to: &ShellPath, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    match content::copy(shell, from, to, Existing::Keep).await? {
        Written::Done => out.say(format_args!("Copied {from} to {to}")),
        Written::AlreadyThere => Err(already_there(to)),
    }
}

fn already_there(path: &ShellPath) -> ShellError {
    ShellError::said(format!("Not allowed to create file because path already exists: {path}"))
}

/// What a key under the source becomes.
struct Step {
    /// Directories that begin with it.
    entered: Vec<ShellPath>,
    from: ShellPath,
    to: ShellPath,
    is_marker: bool,
}

async fn copy_directory(from: &ShellPath, to: &ShellPath, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let (Some(source), Some(target)) = (from.bucket(), to.bucket()) else {
        return Err(ShellError::said("The root directory can't be copied."));
    };
    let (old, new) = (from.prefix(), to.prefix());
    if source == target && new.starts_with(&old) {
        return Err(ShellError::said(format!("Cannot copy because {from} is a prefix of {to}")));
    }
    if matches!(to, ShellPath::Bucket(_)) {
        super::mkdir::make_bucket(target, shell).await?;
    }
    out.say(format_args!("Created directory: {to}"))?;
    let mut steps = DirectorySteps::default();
    let mut copies = shell
        .tree
        .keys(source, old.clone())
        .map_ok(|object| {
            let under = &object.key[old.len()..];
            let entered = steps.enter(under).into_iter().map(|directory| to.join(&directory)).collect();
            let to: Bytes = [&new[..], under].concat().into();
            Step {
                entered,
                is_marker: to.is_empty() || to.ends_with(b"/"),
                to: ShellPath::directory(target, to),
                from: ShellPath::Key(source.to_owned(), object.key),
            }
        })
        .map(|step| async move {
            let step = step?;
            // The marker of a directory that becomes a bucket needs no copy.
            let is_needless = matches!(step.to, ShellPath::Bucket(_));
            let written = if is_needless {
                Written::Done
            } else {
                content::copy(shell, &step.from, &step.to, Existing::Keep).await?
            };
            Ok::<_, ShellError>((step, written))
        })
        .buffered(COPY_COUNT);
    while let Some((step, written)) = copies.try_next().await? {
        for directory in &step.entered {
            out.say(format_args!("Created directory: {directory}"))?;
        }
        match written {
            Written::AlreadyThere if !step.is_marker => return Err(already_there(&step.to)),
            Written::Done if !step.is_marker => out.say(format_args!("Copied {} to {}", step.from, step.to))?,
            _ => {}
        }
    }
    Ok(Exit::DONE)
}
