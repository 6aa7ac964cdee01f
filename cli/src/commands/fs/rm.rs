//! `weir fs rm`

use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::tree::PAGE_COUNT;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use bytes::Bytes;
use clap::Args;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use std::ffi::OsString;
use weir_proto::v1::{self, Reason};

pub const HELP: Help = Help {
    name: "rm",
    usage: "rm [-R/-r/--recursive] <path> ...",
    about: "Removes objects; with -R directories with all that they hold, and buckets. What is written to a directory \
            meanwhile may stay.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct RmArgs {
    /// Directories too, with all that they hold.
    #[arg(short = 'R', short_alias = 'r', long)]
    recursive: bool,
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &RmArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let mut paths = shell.paths(&args.paths);
    let mut outcomes = Outcomes::default();
    while let Some(path) = paths.next().await {
        let removed = match path {
            Ok(path) => remove(&path, args.recursive, shell, out).await,
            Err(error) => Err(error),
        };
        outcomes.note(removed, out)?;
    }
    outcomes.finish()
}

async fn remove(path: &ShellPath, recursive: bool, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    let found = shell.tree.find(path).await?;
    match (found.file, found.directory) {
        (Some(object), _) => {
            let bucket = path.bucket().unwrap_or_default();
            delete_keys(bucket, vec![object.key], shell).await?;
        }
        (None, Some(_)) if !recursive => {
            return Err(ShellError::said(format!(
                "{path} is a directory, to remove it, please use \"rm -R/-r/--recursive <path>\""
            )));
        }
        (None, Some(directory)) => remove_directory(&directory, shell).await?,
        (None, None) => return Err(ShellError::Missing(path.clone())),
    }
    out.say(format_args!("{path} has been removed"))
}

/// Deletes every key under the directory; of a bucket, the bucket too.
async fn remove_directory(directory: &ShellPath, shell: &Shell) -> Result<(), ShellError> {
    let Some(bucket) = directory.bucket() else {
        return Err(ShellError::said("The root directory can't be removed."));
    };
    let keys = shell.tree.keys(bucket, directory.prefix()).map_ok(|object| object.key);
    let mut batches = keys.try_chunks(PAGE_COUNT as usize);
    while let Some(batch) = batches.try_next().await.map_err(|error| error.1)? {
        delete_keys(bucket, batch, shell).await?;
    }
    if matches!(directory, ShellPath::Bucket(_)) { delete_bucket(bucket, shell).await } else { Ok(()) }
}

/// Deletes an empty bucket.
pub async fn delete_bucket(bucket: &str, shell: &Shell) -> Result<(), ShellError> {
    let request = v1::DeleteBucketRequest { request_id: None, name: bucket.to_owned() };
    match shell.objects().await?.delete_bucket(request).await {
        Ok(_) => Ok(()),
        // What was asked for is so.
        Err(failure) if failure.reason == Reason::NoSuchBucket => Ok(()),
        Err(failure) => Err(ShellError::Refused(failure)),
    }
}

/// At most 1,000 keys, in one commit.
pub async fn delete_keys(bucket: &str, keys: Vec<Bytes>, shell: &Shell) -> Result<(), ShellError> {
    let entries = keys.into_iter().map(|key| v1::DeleteEntry { key, precondition: None }).collect();
    let request = v1::DeleteObjectsRequest { request_id: None, bucket: bucket.to_owned(), entries };
    let answer = shell.objects().await?.delete_objects(request).await.map_err(ShellError::Refused)?;
    match answer.results.into_iter().find_map(|result| result.failure) {
        Some(failure) => Err(ShellError::Refused(failure.into())),
        None => Ok(()),
    }
}
