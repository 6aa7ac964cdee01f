//! One file per command of the binary, and what they share: how the configuration is named on the command line, and
//! how an error is told.

mod cluster_secret;
mod completions;
mod config;
mod fs;
mod fsadmin;
mod gateway;
mod health;
mod local_cluster;
mod metaserver;
mod parent;
mod probe;
mod process;
mod standalone;
mod whole_file;
mod worker;

use clap::{Args, Parser, Subcommand};
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use weir_service::config::{Config, ConfigError, Sources, load};

/// The command line or the configuration is wrong.
const USAGE: u8 = 2;
const FAILED: u8 = 1;

/// An S3 object store for one machine or many.
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 120)]
pub struct Cli {
    /// Ends at once when the process with this id, which started it, ends
    #[arg(long, hide = true, value_name = "PID")]
    ends_with: Option<u32>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves S3 from this machine: gateway, metaserver and worker in one process, over one data folder.
    Standalone(standalone::Args),
    /// Runs the metaserver of a cluster: the namespace.
    Metaserver(metaserver::Args),
    /// Runs a worker of a cluster: blocks on this machine's disks.
    Worker(worker::Args),
    /// Runs a gateway of a cluster: S3 for clients. Any number of them.
    Gateway(gateway::Args),
    /// Runs a cluster on this machine: each role a process of its own, over one folder.
    LocalCluster(local_cluster::Args),
    /// Asks a role's admin port whether it serves; the exit code tells.
    Health(health::Args),
    /// Prints the configuration in force, and where each value came from.
    Config(config::Args),
    /// Objects as files: ls, cat, cp, rm and the like.
    Fs(fs::FsArgs),
    /// For operators: report, backup, restore, users and what they may do.
    Fsadmin(fsadmin::FsadminArgs),
    /// Prints a completion script for a command-line shell.
    Completions(completions::Args),
}

impl Cli {
    pub fn run(self) -> ExitCode {
        if let Some(parent) = self.ends_with
            && let Err(error) = parent::end_with(parent)
        {
            return refuse(&error, FAILED);
        }
        match self.command {
            Command::Standalone(args) => standalone::run(&args),
            Command::Metaserver(args) => metaserver::run(&args),
            Command::Worker(args) => worker::run(&args),
            Command::Gateway(args) => gateway::run(&args),
            Command::LocalCluster(args) => local_cluster::run(&args),
            Command::Health(args) => health::run(&args),
            Command::Config(args) => config::run(&args),
            Command::Fs(args) => process::block_on(fs::run(args, Sources::of_process(None))),
            Command::Fsadmin(args) => process::block_on(fsadmin::run(args, Sources::of_process(None))),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

/// Tells what is wrong with the command line: the shells in their own form, all else in clap's.
pub fn refused(error: &clap::Error) -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let by_shell = fs::refused(error, &words).or_else(|| fsadmin::refused(error, &words));
    by_shell.unwrap_or_else(|| error.exit())
}

/// How a command finds its settings.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// The configuration file [default: WEIR_CONFIG, else ./weir.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets any key, such as gateway.region=eu-west-1
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// How much is logged: error, warn, info, debug, trace, or a filter by module
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Where /healthz, /readyz and /metrics are served; empty: nowhere
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<String>,
}

/// A flag of a command that stands for a key: key, value, flag.
type Short<'a> = (&'a str, Option<String>, &'a str);

impl ConfigArgs {
    /// Loads the settings, with a command's own flags on top.
    fn load(&self, short: &[Short<'_>]) -> Result<Config, ConfigError> {
        let mut sources = Sources::of_process(self.config.clone());
        for assignment in &self.set {
            sources.set(assignment)?;
        }
        let shared =
            [("log", self.log.clone(), "--log"), ("admin_listen", self.admin_listen.clone(), "--admin-listen")];
        for (key, value, flag) in shared.iter().chain(short) {
            if let Some(value) = value {
                sources.flag(key, value.as_str(), flag);
            }
        }
        load(&sources)
    }
}

/// A folder on the command line as the text of a setting.
fn folder(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().map(|path| path.to_string_lossy().into_owned())
}

/// Several of them, as the text of a list; none: no setting.
fn folders(paths: &[PathBuf]) -> Option<String> {
    let texts: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

/// An error with its causes, on one line. A cause that the text before it tells already is left out.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// Tells an error on standard error.
fn refuse(error: &dyn Error, code: u8) -> ExitCode {
    eprintln!("weir: {}", told(error));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_is_told_with_its_causes_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("can't open the door: {source}")]
        struct Outer {
            source: Inner,
        }
        #[derive(Debug, thiserror::Error)]
        #[error("the key is lost")]
        struct Inner(#[source] std::fmt::Error);
        let text = told(&Outer { source: Inner(std::fmt::Error) });
        assert_eq!(text, format!("can't open the door: the key is lost: {}", std::fmt::Error));
    }

    #[test]
    fn flags_are_stronger_than_set() {
        let args = ConfigArgs {
            config: Some("/dev/null".into()),
            set: vec!["gateway.listen=127.0.0.1:1".into(), "gateway.region=eu".into()],
            ..ConfigArgs::default()
        };
        let config = args.load(&[("gateway.listen", Some("127.0.0.1:2".into()), "--listen")]).unwrap();
        assert_eq!((config.gateway.listen.as_str(), config.gateway.region.as_str()), ("127.0.0.1:2", "eu"));
    }
}
