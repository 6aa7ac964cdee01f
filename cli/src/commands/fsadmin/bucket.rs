//! `weir fsadmin bucket`

use crate::shell::error::ShellError;
use crate::shell::format::printable;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::room::{Wanted, taking};
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::{Args, Subcommand};
use weir_coding::Scheme;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{CodingScheme, ReportRequest, SetBucketAccess};

pub const HELP: Help = Help {
    name: "bucket",
    usage: "bucket set|show",
    about: "Sets and shows what operators say of a bucket:\n  bucket set <bucket> --replication <copies>\n  \
            bucket set <bucket> --coding <k>+<m>\n  bucket show <bucket>\nNew blocks of its objects are written to so \
            many workers; 0: as many as the setting metaserver.replication says. Or they are coded: dealt over k workers, \
            with m more of which any m may be lost, as with 4+2. Blocks that are there stay as they are.",
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
        #[command(flatten)]
        keeping: KeepingArgs,
    },
    Show {
        bucket: String,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct KeepingArgs {
    #[arg(long, value_name = "COPIES")]
    replication: Option<u32>,
    #[arg(long, value_name = "K+M")]
    coding: Option<Scheme>,
}

pub async fn run(args: &BucketArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match &args.action {
        Action::Set { bucket, keeping: KeepingArgs { replication, coding } } => {
            let change = SetBucketAccess {
                bucket: bucket.clone(),
                replication: *replication,
                coding: coding.map(message),
                ..SetBucketAccess::default()
            };
            shell.change_access(Change::SetBucketAccess(change)).await?;
            let name = printable(bucket.as_bytes());
            match coding {
                Some(scheme) => out.say(format_args!("Bucket {name} has coding {scheme}"))?,
                None => out.say(format_args!("Bucket {name} has replication {}", said(replication.unwrap_or(0))))?,
            }
            // It holds all the same: workers may come.
            let report = shell.admin().report(ReportRequest {}).await?.into_inner();
            let wanted = Wanted::of(shell.keeping_of(bucket).await?, &report);
            if let Some(shortage) = wanted.and_then(|wanted| wanted.shortage(taking(&report))) {
                out.say(format_args!("For now {shortage}"))?;
            }
        }
        Action::Show { bucket } => show(bucket, shell, out).await?,
    }
    Ok(Exit::DONE)
}

async fn show(bucket: &str, shell: &Shell, out: &mut Output) -> Result<(), ShellError> {
    if shell.tree.bucket(bucket).await?.is_none() {
        return Err(ShellError::Missing(ShellPath::Bucket(bucket.to_owned())));
    }
    let keeping = shell.keeping_of(bucket).await?;
    out.say(format_args!("Bucket          : {bucket}"))?;
    match keeping.coding {
        Some(scheme) => out.say(format_args!("Coding          : {scheme}")),
        None => out.say(format_args!("Replication     : {}", said(keeping.replication))),
    }
}

fn message(scheme: Scheme) -> CodingScheme {
    let (data_shards, parity_shards) = scheme.numbers();
    CodingScheme { data_shards, parity_shards }
}

fn said(replication: u32) -> String {
    match replication {
        0 => "of the cluster".to_owned(),
        copies => copies.to_string(),
    }
}
