//! `weir fs head`

use super::cat;
use crate::shell::error::ShellError;
use crate::shell::format::parse_size;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Outcomes, Shell};
use clap::Args;
use futures::stream::StreamExt as _;
use std::ffi::OsString;
use weir_proto::v1;
use weir_proto::v1::byte_range::{Form, FromTo};

pub const HELP: Help = Help {
    name: "head",
    usage: "head [-c <bytes>] <path>",
    about: "Prints the first bytes of an object: 1KB, or as many as -c says, with or without a unit (KB, MB, GB).",
};

/// How much `head` and `tail` print unless they are told.
pub const DEFAULT_BYTES: &str = "1KB";

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct HeadArgs {
    /// How much to print.
    #[arg(short = 'c', value_name = "bytes", default_value = DEFAULT_BYTES)]
    bytes: String,
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &HeadArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let count = byte_count(&HELP, &args.bytes)?;
    let range = count.checked_sub(1).map(|last| Form::FromTo(FromTo { first: 0, last }));
    print_ranges(&args.paths, range, shell, out).await
}

/// # Errors
/// When the text is not a size.
pub fn byte_count(help: &Help, text: &str) -> Result<u64, ShellError> {
    parse_size(text).ok_or_else(|| help.wrong(&format!("{text} is not a number of bytes")))
}

/// Prints this range of each object; nothing of it without a range.
pub async fn print_ranges(
    arguments: &[OsString],
    range: Option<Form>,
    shell: &Shell,
    out: &mut Output,
) -> Result<Exit, ShellError> {
    let mut paths = shell.paths(arguments);
    let mut outcomes = Outcomes::default();
    while let Some(path) = paths.next().await {
        let printed = match (path, &range) {
            (Ok(path), Some(form)) => cat::print(&path, Some(v1::ByteRange { form: Some(*form) }), shell, out).await,
            (Ok(path), None) => cat::must_be_file(&path, shell).await.map(drop),
            (Err(error), _) => Err(error),
        };
        outcomes.note(printed, out)?;
    }
    outcomes.finish()
}
