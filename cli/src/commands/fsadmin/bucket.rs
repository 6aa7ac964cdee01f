//! `weir fsadmin bucket`

use crate::shell::error::ShellError;
use crate::shell::format::printable;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::{Args, Subcommand};
use weir_proto::v1::SetBucketAccess;
use weir_proto::v1::change_access_request::Change;

pub const HELP: Help = Help {
    name: "bucket",
    usage: "bucket set|show",
    about: "Sets and shows what operators say of a bucket:\n  bucket set <bucket> --replication <copies>\n  \
            bucket show <bucket>\nNew blocks of its objects are written to so many workers; 0: as many as the setting \
            metaserver.replication says. Blocks that are there keep their copies.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct BucketArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Set {
        bucket: String,
        #[arg(long, value_name = "COPIES")]
        replication: u32,
    },
    Show {
        bucket: String,
    },
}

pub async fn run(args: &BucketArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.action {
        Action::Set { bucket, replication } => {
            let change = SetBucketAccess {
                bucket: bucket.clone(),
                replication: Some(*replication),
                ..SetBucketAccess::default()
            };
            shell.change_access(Change::SetBucketAccess(change)).await?;
            out.say(format_args!("Bucket {} has replication {}", printable(bucket.as_bytes()), said(*replication)))?;
        }
        Action::Show { bucket } => show(bucket, shell, out).await?,
    }
    Ok(Exit::DONE)
}

async fn show(bucket: &str, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    if shell.tree.bucket(bucket).await?.is_none() {
        return Err(ShellError::Missing(ShellPath::Bucket(bucket.to_owned())));
    }
    let replication = shell.replication_of(bucket).await?;
    out.say(format_args!("Bucket          : {bucket}"))?;
    out.say(format_args!("Replication     : {}", said(replication)))
}

fn said(replication: u32) -> String {
    match replication {
        0 => "of the cluster".to_owned(),
        copies => copies.to_string(),
    }
}
