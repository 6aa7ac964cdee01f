//! `weir fs test`

use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::path::ShellPath;
use crate::shell::tree::Found;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use std::ffi::OsString;

pub const HELP: Help = Help {
    name: "test",
    usage: "test [-d|-f|-e|-s|-z] <path>",
    about: "Tests a property of a path: -d it is a directory, -f it is a file, -e it exists, -s it is a directory that is \
            not empty, -z it is a file of no bytes. The exit code is 0 for yes, 1 for no, 3 when there is no such path.",
};

/// The exit code for no.
const NO: Exit = Exit(1);
/// The exit code for a path that does not exist.
const MISSING: Exit = Exit(3);

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct TestArgs {
    /// Is it a directory?
    #[arg(short = 'd')]
    directory: bool,
    /// Is it a file?
    #[arg(short = 'f')]
    file: bool,
    /// Does it exist?
    #[arg(short = 'e')]
    exists: bool,
    /// Is it a directory that holds something?
    #[arg(short = 's')]
    filled: bool,
    /// Is it a file of no bytes?
    #[arg(short = 'z')]
    zero: bool,
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &TestArgs, shell: &Shell, _out: &mut Output) -> Result<Exit, ShellError> {
    let [path] = HELP.exactly::<1>(&args.paths)?;
    let path = ShellPath::parse(path)?;
    let found = match shell.tree.find(&path).await {
        Ok(found) => found,
        Err(ShellError::Missing(_)) => return Ok(MISSING),
        Err(error) => return Err(error),
    };
    let yes = holds(args, found, shell).await?;
    Ok(if yes { Exit::DONE } else { NO })
}

async fn holds(args: &TestArgs, found: Found, shell: &Shell) -> Result<bool, ShellError> {
    Ok(if args.directory {
        found.directory.is_some()
    } else if args.file {
        found.file.is_some()
    } else if args.exists {
        true
    } else if args.filled {
        match found.directory {
            Some(directory) => shell.tree.holds_something(&directory).await?,
            None => false,
        }
    } else if args.zero {
        found.file.is_some_and(|file| file.size_bytes == 0)
    } else {
        return Err(HELP.wrong("Command test requires one of -d, -f, -e, -s, -z"));
    })
}
