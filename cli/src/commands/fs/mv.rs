//! `weir fs mv`

use super::mkdir::make_bucket;
use super::rm::{delete_bucket, delete_keys};
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use bytes::Bytes;
use clap::Args;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::ffi::OsString;
use weir_proto::v1::{self, Reason};

pub const HELP: Help = Help {
    name: "mv",
    usage: "mv <src> <dst>",
    about: "Renames an object, in one step, or a directory or bucket with all that it holds: object by object, so that a \
            rename which is interrupted leaves some at the old place, and others see it under way. No bytes are moved.",
};

/// Renames in flight at a time.
const RENAME_COUNT: usize = 16;

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct MvArgs {
    #[arg(value_names = ["src", "dst"], num_args = 0..)]
    paths: Vec<OsString>,
}

pub async fn run(args: &MvArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let [from, to] = HELP.exactly::<2>(&args.paths)?;
    let (from, to) = (ShellPath::parse(from)?, ShellPath::parse(to)?);
    let found = shell.tree.find(&from).await?;
    let there = shell.tree.look(&to).await?;
    if there.file.is_some() || there.directory.is_some() {
        return Err(taken(&from, &to));
    }
    match (found.file, found.directory) {
        (Some(object), _) => {
            let key = to_key(&to.as_file())?;
            rename(shell, (from.bucket().unwrap_or_default(), object.key), key, (&from, &to)).await?;
        }
        (None, Some(directory)) => rename_directory(&directory, &to, shell).await?,
        (None, None) => return Err(ShellError::Missing(from)),
    }
    out.say(format_args!("Renamed {from} to {to}")).map(|()| Exit::DONE)
}

fn taken(from: &ShellPath, to: &ShellPath) -> ShellError {
    ShellError::said(format!("Cannot rename because destination already exists. src: {from} dst: {to}"))
}

fn to_key(path: &ShellPath) -> Result<(String, Bytes), ShellError> {
    match path {
        ShellPath::Key(bucket, key) => Ok((bucket.clone(), key.clone())),
        _ => Err(ShellError::said(format!("{path} is not the path of an object: /bucket/key"))),
    }
}

async fn rename(
    shell: &Shell,
    (source_bucket, source_key): (&str, Bytes),
    (bucket, key): (String, Bytes),
    (from, to): (&ShellPath, &ShellPath),
) -> Result<(), ShellError> {
    let request = v1::RenameObjectRequest {
        request_id: None,
        source_bucket: source_bucket.to_owned(),
        source_key,
        bucket,
        key,
        overwrite: false,
    };
    match shell.objects().await?.rename_object(request).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.reason == Reason::KeyExists => Err(taken(from, to)),
        Err(failure) if failure.reason == Reason::NoSuchKey => Err(ShellError::Missing(from.clone())),
        Err(failure) if failure.reason == Reason::NoSuchBucket => {
            Err(ShellError::Missing(ShellPath::Bucket(to.bucket().unwrap_or_default().to_owned())))
        }
        Err(failure) => Err(ShellError::Refused(failure)),
    }
}

async fn rename_directory(from: &ShellPath, to: &ShellPath, shell: &Shell) -> Result<(), ShellError> {
    let (Some(source), Some(target)) = (from.bucket(), to.bucket()) else {
        return Err(ShellError::said("The root directory can't be renamed."));
    };
    let (old, new) = (from.prefix(), to.prefix());
    if source == target && new.starts_with(&old) {
        return Err(ShellError::said(format!("Cannot rename because {from} is a prefix of {to}")));
    }
    if matches!(to, ShellPath::Bucket(_)) {
        make_bucket(target, shell).await?;
    }
    shell
        .tree
        .keys(source, old.clone())
        .map(|object| {
            let (old, new) = (&old, &new);
            async move {
                let key = object?.key;
                let moved: Bytes = [&new[..], &key[old.len()..]].concat().into();
                if moved.is_empty() {
                    // The marker of a directory that becomes a bucket, which needs none.
                    return delete_keys(source, vec![key], shell).await;
                }
                let shown = (ShellPath::Key(source.into(), key.clone()), ShellPath::Key(target.into(), moved.clone()));
                rename(shell, (source, key), (target.to_owned(), moved), (&shown.0, &shown.1)).await
            }
        })
        .buffer_unordered(RENAME_COUNT)
        .try_collect::<()>()
        .await?;
    // Refused when something was written to it meanwhile: that stays.
    if matches!(from, ShellPath::Bucket(_)) { delete_bucket(source, shell).await } else { Ok(()) }
}
